package bindingproxy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"midas/internal/bindingproxy"
	"midas/internal/bindingproxy/clustertest"
)

// manifests are the blocks of docs/kubernetes.md that are manifests.
func manifests(t *testing.T) (all string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)\n```").FindAllStringSubmatch(string(page), -1) {
		if strings.HasPrefix(block[1], "apiVersion:") {
			all += "\n---\n" + block[1]
		}
	}
	return all
}

// Kubernetes knows every field of the page's manifests, and what they name each other fits together.
func TestManifestsOfThePageAreStrictlyValid(t *testing.T) {
	objects, err := clustertest.Decode(manifests(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 11 {
		t.Fatalf("%d objects", len(objects))
	}
	deployment, service := objects[4].(*appsv1.Deployment), objects[5].(*corev1.Service)
	container := deployment.Spec.Template.Spec.Containers[0]
	if port := container.Ports[0]; service.Spec.Ports[0].TargetPort.StrVal != port.Name || !strings.HasSuffix(bindingproxy.DefaultListen, "8443") || port.ContainerPort != 8443 {
		t.Errorf("the service leads to %v, the proxy listens on %s", service.Spec.Ports[0].TargetPort, bindingproxy.DefaultListen)
	}
	for name, value := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[name] != value || deployment.Spec.Selector.MatchLabels[name] != value {
			t.Errorf("the pods lack the label %s", name)
		}
	}
	for _, file := range []string{bindingproxy.DefaultAssertion, bindingproxy.DefaultCertificate, bindingproxy.DefaultKey} {
		if !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(file, m.MountPath+"/") }) {
			t.Errorf("nothing is mounted for %s", file)
		}
	}
	for _, object := range objects {
		pod, isPod := object.(*corev1.Pod)
		if !isPod {
			continue
		}
		checkMounts(t, pod.Spec)
		if pod.Labels["azure.workload.identity/use"] != "" {
			// Kubernetes refuses two mounts at one path, and cannot mount below a volume that is only read.
			t.Error("the webhook would mount its own volume at or below /var/run/secrets/azure/wi, and the pod's variables stay")
		}
		if source := pod.Spec.Volumes[0].Projected.Sources[0].ServiceAccountToken; source.Audience != bindingproxy.Audience {
			t.Errorf("the pod's token is for %s", source.Audience)
		}
	}
	checkMounts(t, deployment.Spec.Template.Spec)
}

// The values for the webhook's chart have the chart's names and Kubernetes' types, and what they name fits the proxy.
func TestWebhookValuesOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(azureTenantID.*?)\n```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no values")
	}
	var values struct {
		AzureTenantID       string               `json:"azureTenantID"`
		AzureEnvironment    string               `json:"azureEnvironment"`
		ExtraEnv            []corev1.EnvVar      `json:"extraEnv"`
		ExtraVolumes        []corev1.Volume      `json:"extraVolumes"`
		ExtraVolumeMounts   []corev1.VolumeMount `json:"extraVolumeMounts"`
		CustomTokenEndpoint struct {
			AnnotationSuffix               string `json:"annotationSuffix"`
			Audience                       string `json:"audience"`
			AzureKubernetesTokenProxy      string `json:"azureKubernetesTokenProxy"`
			AzureKubernetesSniName         string `json:"azureKubernetesSniName"`
			AzureKubernetesCAConfigMapName string `json:"azureKubernetesCAConfigMapName"`
		} `json:"customTokenEndpoint"`
	}
	if err := yaml.UnmarshalStrict(block[1], &values); err != nil {
		t.Fatal(err)
	}
	endpoint := values.CustomTokenEndpoint
	if endpoint.Audience != bindingproxy.Audience || endpoint.AzureKubernetesTokenProxy != "https://"+endpoint.AzureKubernetesSniName {
		t.Errorf("%+v", endpoint)
	}
	if file := values.ExtraEnv[0]; file.Name != "AZURE_ENVIRONMENT_FILEPATH" || !strings.HasPrefix(file.Value, values.ExtraVolumeMounts[0].MountPath+"/") {
		t.Errorf("%+v", file)
	}
	if values.ExtraVolumes[0].Name != values.ExtraVolumeMounts[0].Name {
		t.Error("the mount has no volume")
	}
	annotation := "azure.workload.identity/use-" + endpoint.AnnotationSuffix
	if !strings.Contains(string(page), annotation+`: "true"`) {
		t.Errorf("the page lacks %s", annotation)
	}
}

// checkMounts wants a volume for each mount.
func checkMounts(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	for _, m := range pod.Containers[0].VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			t.Errorf("the mount %s has no volume", m.Name)
		}
	}
}

// A mistake in a manifest is found.
func TestManifestsAreDecodedStrictly(t *testing.T) {
	good := manifests(t)
	for _, change := range [][2]string{{"replicas: 2", "replica: 2"}, {"replicas: 2", "replicas: two"}, {"expirationSeconds: 3600", "expiration: 3600"}, {"kind: Service\n", "kind: Services\n"}} {
		if _, err := clustertest.Decode(strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%q is accepted", change[1])
		}
	}
}
