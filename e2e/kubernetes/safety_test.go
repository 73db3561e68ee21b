package kubernetes

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// releases are names and values of releases whose objects must fit each other.
var releases = map[string]map[string]any{
	"midas": nil,
	"prod": {
		"origin": "https://midas.example", "replicas": 5, "storeCertificates": "etcd-client", "topologySpread": "DoNotSchedule",
		"config":           map[string]any{"names": []any{"midas.example"}, "trustedProxies": []any{"10.0.0.0/8"}},
		"service":          map[string]any{"type": "LoadBalancer", "port": 8443, "annotations": map[string]any{"a": "b"}},
		"serviceMonitor":   map[string]any{"enabled": true, "labels": map[string]any{"release": "prometheus"}},
		"imagePullSecrets": []any{map[string]any{"name": "registry"}},
	},
	strings.Repeat("long", 13): {"networkPolicy": map[string]any{"enabled": false}},
}

func forReleases(t *testing.T, check func(t *testing.T, objects []any)) {
	for name, values := range releases {
		t.Run(name, func(t *testing.T) {
			all := together(mustRender(t, name, values), func(string) bool { return true })
			check(t, decode(t, string(all)))
		})
	}
}

// TestPodsAreRestricted checks what the restricted Pod Security Standard asks for, and that root's folders are read-only.
func TestPodsAreRestricted(t *testing.T) {
	forReleases(t, func(t *testing.T, objects []any) {
		pod := of[apps.Deployment](objects)[0].Spec.Template.Spec
		c := pod.Containers[0]
		p, s := pod.SecurityContext, c.SecurityContext
		for what, holds := range map[string]bool{
			"no root":              *p.RunAsNonRoot && *p.RunAsUser > 0,
			"seccomp":              p.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault,
			"no escalation":        !*s.AllowPrivilegeEscalation,
			"no capabilities":      slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) && s.Capabilities.Add == nil,
			"read-only root":       *s.ReadOnlyRootFilesystem,
			"no API token":         !*pod.AutomountServiceAccountToken && !*of[core.ServiceAccount](objects)[0].AutomountServiceAccountToken,
			"nothing of the host":  !pod.HostNetwork && !pod.HostPID && !pod.HostIPC,
			"memory is bounded":    !c.Resources.Limits.Memory().IsZero(),
			"one container":        len(pod.Containers) == 1 && len(pod.InitContainers) == 0,
			"time for a shutdown":  *pod.TerminationGracePeriodSeconds > c.Lifecycle.PreStop.Sleep.Seconds+20,
			"no secrets in fields": !regexp.MustCompile(`etcd://|postgres://`).MatchString(c.String()),
		} {
			if !holds {
				t.Errorf("%s: not so", what)
			}
		}
		for _, v := range pod.Volumes {
			if v.HostPath != nil {
				t.Errorf("volume %s is a folder of the host", v.Name)
			}
		}
	})
}

// TestObjectsSelectThePods checks that all selectors choose the pods, that ports and volumes that are named exist, and
// that no name is too long.
func TestObjectsSelectThePods(t *testing.T) {
	forReleases(t, func(t *testing.T, objects []any) {
		d := of[apps.Deployment](objects)[0]
		pod, c := d.Spec.Template, d.Spec.Template.Spec.Containers[0]
		selects(t, "Deployment", *d.Spec.Selector, pod.Labels)
		selects(t, "PodDisruptionBudget", *of[policy.PodDisruptionBudget](objects)[0].Spec.Selector, pod.Labels)
		for _, constraint := range pod.Spec.TopologySpreadConstraints {
			selects(t, constraint.TopologyKey, *constraint.LabelSelector, pod.Labels)
		}
		ports := map[string]int32{}
		for _, p := range c.Ports {
			ports[p.Name] = p.ContainerPort
		}
		for _, s := range of[core.Service](objects) {
			selects(t, s.Name, meta.LabelSelector{MatchLabels: s.Spec.Selector}, pod.Labels)
			if len(s.Name) > 63 || ports[s.Spec.Ports[0].TargetPort.StrVal] == 0 {
				t.Errorf("Service %s: %+v", s.Name, s.Spec.Ports)
			}
		}
		for _, probe := range []*core.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
			if ports[probe.HTTPGet.Port.StrVal] != 9090 || probe.HTTPGet.Scheme == core.URISchemeHTTPS {
				t.Errorf("probe %+v", probe.HTTPGet)
			}
		}
		if c.LivenessProbe.HTTPGet.Path != "/healthz" || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
			t.Error("a store that fails would restart the replicas")
		}
		volumes := map[string]bool{}
		for _, v := range pod.Spec.Volumes {
			volumes[v.Name] = true
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("no volume %s", m.Name)
			}
		}
	})
}

func selects(t *testing.T, what string, selector meta.LabelSelector, pod map[string]string) {
	t.Helper()
	s, err := meta.LabelSelectorAsSelector(&selector)
	if err != nil || s.Empty() || !s.Matches(labels.Set(pod)) {
		t.Errorf("%s selects %v, not the pods %v (%v)", what, s, pod, err)
	}
}

// TestMetricsAreForMonitoringOnly checks that the port without authentication is behind the policy, and that the monitor finds it.
func TestMetricsAreForMonitoringOnly(t *testing.T) {
	values := maps.Clone(releases["prod"])
	objects := decode(t, string(together(mustRender(t, "prod", values), func(string) bool { return true })))
	p := of[networking.NetworkPolicy](objects)[0]
	for _, rule := range p.Spec.Ingress {
		for _, port := range rule.Ports {
			if port.Port.StrVal == "ops" && (len(rule.From) != 1 || rule.From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring") {
				t.Errorf("everybody reaches the metrics: %+v", rule)
			}
		}
		if len(rule.Ports) == 0 {
			t.Errorf("a rule without ports: %+v", rule)
		}
	}
	monitor := of[monitoring.ServiceMonitor](objects)[0]
	found := 0
	for _, s := range of[core.Service](objects) {
		selector, err := meta.LabelSelectorAsSelector(&monitor.Spec.Selector)
		if err != nil {
			t.Fatal(err)
		}
		if selector.Matches(labels.Set(s.Labels)) {
			found++
			if s.Spec.Ports[0].Name != monitor.Spec.Endpoints[0].Port || s.Spec.ClusterIP != core.ClusterIPNone {
				t.Errorf("the monitor reads %+v", s.Spec)
			}
		} else if s.Spec.Ports[0].TargetPort.StrVal == "ops" {
			t.Errorf("Service %s shows the metrics", s.Name)
		}
	}
	if found != 1 || monitor.Labels["release"] != "prometheus" {
		t.Errorf("%d services, labels %v", found, monitor.Labels)
	}
}
