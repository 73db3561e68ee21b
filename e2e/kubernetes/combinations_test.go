package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// choices are values of the chart that can be combined with each other: each of one group with each of the others. Names
// look like numbers and truth values, which YAML reads as such without quotes.
var choices = [][]string{
	{"{}", "tls: {secret: '123', ca: true}", "tls: {secret: 'true'}"},
	{"{}", "agents: {enabled: true}", "agents: {enabled: true, origin: 'https://agents.example', service: {type: LoadBalancer, port: 443, annotations: {a: '1'}}}"},
	{"{}", "serviceMonitor: {enabled: true, labels: {release: '1e3'}}"},
	{"{}", "networkPolicy: {enabled: false}", "networkPolicy: {monitoringNamespace: '123', storePorts: [26257], issuerPorts: [], dnsPorts: [53]}"},
	{"{}", "storeCertificates: '0x1'", "extraSecrets: [otlp, '1.5']"},
	{"{}", "config: {traces: {endpoint: 'http://collector.monitoring:4318', ratio: 0.1, trust: [hosts]}}", "config: {traces: {endpoint: 'https://[2001:db8::1]/v1/traces'}, activity: {maxSize: 1073741824}, names: [midas.example], log: {level: debug}}"},
	{"{}", "{replicas: 1, secret: 'null', origin: 'https://midas.example:8443', service: {type: NodePort, port: 8443}, podDisruptionBudget: {maxUnavailable: '50%'}, topologySpread: DoNotSchedule}"},
}

// combinations returns every combination of choices, as values of the chart by their text.
func combinations(t *testing.T) map[string]map[string]any {
	all := map[string]map[string]any{"": {}}
	for _, group := range choices {
		longer := map[string]map[string]any{}
		for before, values := range all {
			for _, choice := range group {
				var more map[string]any
				if err := yaml.Unmarshal([]byte(choice), &more); err != nil {
					t.Fatal(err)
				}
				both := maps.Clone(values)
				maps.Copy(both, more)
				longer[before+" "+choice] = both
			}
		}
		all = longer
	}
	return all
}

// TestCombinationsOfValues decodes what the chart renders for each combination, and checks that what the objects name is there.
func TestCombinationsOfValues(t *testing.T) {
	configs := map[string]string{}
	for name, values := range combinations(t) {
		files, err := render("123", values)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		objects := decode(t, string(together(files, func(string) bool { return true })))
		if fault := inconsistency(objects); fault != "" {
			t.Errorf("%s: %s", name, fault)
		}
		text := of[core.ConfigMap](objects)[0].Data["midas.yaml"]
		configs[text] = name
		for _, p := range of[networking.NetworkPolicy](objects) {
			if want, has := collectorPort(text), egress(p); want != 0 && !has[want] || !has[53] {
				t.Errorf("%s: a pod reaches only the ports %v, not its collector's %d", name, slices.Sorted(maps.Keys(has)), want)
			}
		}
		for _, m := range of[monitoring.ServiceMonitor](objects) {
			if r := m.Spec.Endpoints[0].RelabelConfigs; len(r) != 1 || *r[0].Replacement != "midas/123-midas" {
				t.Errorf("%s: the job of %v", name, r)
			}
		}
	}
	if len(configs) < 20 {
		t.Errorf("%d configurations", len(configs))
	}
	readConfigs(t, configs)
}

// inconsistency returns what the objects name although it does not exist, or "".
func inconsistency(objects []any) string {
	pod := of[apps.Deployment](objects)[0].Spec.Template.Spec
	c, volumes, paths, ports := pod.Containers[0], map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, v := range pod.Volumes {
		if volumes[v.Name] {
			return "two volumes " + v.Name
		}
		volumes[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] || paths[m.MountPath] {
			return "volume " + m.Name + " at " + m.MountPath
		}
		paths[m.MountPath] = true
	}
	for _, p := range c.Ports {
		ports[p.Name] = true
	}
	served := map[string]bool{}
	for _, s := range of[core.Service](objects) {
		for _, p := range s.Spec.Ports {
			if served[p.TargetPort.StrVal] = true; !ports[p.TargetPort.StrVal] {
				return "Service " + s.Name + " without a port of the pod"
			}
		}
	}
	if !maps.Equal(served, ports) {
		return fmt.Sprintf("ports %v have Services %v", ports, served)
	}
	for _, p := range of[networking.NetworkPolicy](objects) {
		open := map[string]bool{}
		for _, rule := range p.Spec.Ingress {
			for _, port := range rule.Ports {
				open[port.Port.StrVal] = true
			}
		}
		if !maps.Equal(open, ports) {
			return fmt.Sprintf("of the ports %v the policy opens %v", ports, open)
		}
	}
	return ""
}

// egress returns the ports of other pods that a policy lets its pods reach.
func egress(p *networking.NetworkPolicy) map[int]bool {
	open := map[int]bool{}
	for _, rule := range p.Spec.Egress {
		for _, port := range rule.Ports {
			open[port.Port.IntValue()] = true
		}
	}
	return open
}

// collectorPort is the port of the collector of choices in a configuration.
func collectorPort(config string) int {
	switch {
	case strings.Contains(config, "http://collector.monitoring:4318"):
		return 4318
	case strings.Contains(config, "2001:db8"):
		return 443
	}
	return 0
}

// TestPolicyOpensThePortsOfTheCollector has endpoints with ports of all kinds, and ports of the pods behind a Service.
func TestPolicyOpensThePortsOfTheCollector(t *testing.T) {
	for _, tt := range []struct {
		endpoint string
		named    []any
		want     int // 0: none beside the others
	}{
		{"https://collector", nil, 443}, {"http://collector", nil, 80}, {"http://collector/v1/traces", nil, 80},
		{"http://[::1]:14318", nil, 14318}, {"http://[::1]", nil, 80}, {"https://collector:8443/otlp", nil, 8443},
		{"https://collector", []any{4319}, 4319}, {"", []any{4319}, 4319},
	} {
		policy := map[string]any{"issuerPorts": []any{}, "storePorts": []any{2379}}
		if tt.named != nil {
			policy["collectorPorts"] = tt.named
		}
		values := map[string]any{"networkPolicy": policy, "config": map[string]any{"traces": map[string]any{"endpoint": tt.endpoint}}}
		objects := decode(t, string(together(mustRender(t, "midas", values), func(string) bool { return true })))
		got := egress(of[networking.NetworkPolicy](objects)[0])
		if want := map[int]bool{53: true, 5353: true, 2379: true, tt.want: true}; !maps.Equal(got, want) {
			t.Errorf("%s %v: %v", tt.endpoint, tt.named, got)
		}
	}
}

// readConfigs lets the program that the variable MIDAS names read configurations: it goes on to the master key, which is
// missing. The tests of the parent folder set the variable.
func readConfigs(t *testing.T, configs map[string]string) {
	program := os.Getenv("MIDAS")
	if program == "" {
		t.Log("MIDAS names no program, which could read the configurations")
		return
	}
	dir := t.TempDir()
	file, cert := filepath.Join(dir, "midas.yaml"), filepath.Join(dir, "missing")
	for text, name := range configs {
		text = strings.NewReplacer("/var/lib/midas", dir, "/etc/midas/tls", cert).Replace(text)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, program, "serve", "--config", file, "--store", "pebble:"+dir+"/store", "--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0", "--master-key", cert).CombinedOutput()
		cancel()
		if err == nil || !strings.Contains(string(out), cert) {
			t.Errorf("%s: %v %s\n%s", name, err, out, text)
		}
	}
}
