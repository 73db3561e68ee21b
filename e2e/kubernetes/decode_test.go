package kubernetes

import (
	"regexp"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// kinds are the API types of what the chart renders.
var kinds = map[string]func() any{
	"v1/ConfigMap":                            func() any { return new(core.ConfigMap) },
	"v1/Service":                              func() any { return new(core.Service) },
	"v1/ServiceAccount":                       func() any { return new(core.ServiceAccount) },
	"apps/v1/Deployment":                      func() any { return new(apps.Deployment) },
	"policy/v1/PodDisruptionBudget":           func() any { return new(policy.PodDisruptionBudget) },
	"networking.k8s.io/v1/NetworkPolicy":      func() any { return new(networking.NetworkPolicy) },
	"monitoring.coreos.com/v1/ServiceMonitor": func() any { return new(monitoring.ServiceMonitor) },
}

// decode decodes manifests into the API types. An unknown or repeated field is an error.
func decode(t *testing.T, manifests string) (objects []any) {
	t.Helper()
	for _, text := range regexp.MustCompile(`(?m)^---$`).Split(manifests, -1) {
		var head meta.TypeMeta
		if err := yaml.Unmarshal([]byte(text), &head); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		if head.Kind == "" && !regexp.MustCompile(`(?m)^[^#\s]`).MatchString(text) {
			continue // a comment
		}
		newObject, known := kinds[head.APIVersion+"/"+head.Kind]
		if !known {
			t.Fatalf("the kind of this is not known:\n%s", text)
		}
		object := newObject()
		if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
			t.Fatalf("%s: %v:\n%s", head.Kind, err, text)
		}
		objects = append(objects, object)
	}
	return objects
}

// of returns the objects of one type.
func of[T any](objects []any) (found []*T) {
	for _, o := range objects {
		if o, is := o.(*T); is {
			found = append(found, o)
		}
	}
	return found
}
