package clustertest

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Decode reads manifests strictly: a field that Kubernetes does not know, a wrong type or a key that is there twice is
// an error.
func Decode(manifests string) (objects []any, err error) {
	for _, text := range strings.Split("\n"+manifests, "\n---") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
			return nil, err
		}
		object := kinds()[kind]
		if object == nil {
			return nil, fmt.Errorf("%s %s is of no kind that is known here", kind.APIVersion, kind.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
			return nil, fmt.Errorf("%s: %w", kind.Kind, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// kinds are empty objects of the kinds that Decode knows.
func kinds() map[metav1.TypeMeta]any {
	of := func(version, kind string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: version, Kind: kind} }
	return map[metav1.TypeMeta]any{
		of("v1", "Namespace"):                                    &corev1.Namespace{},
		of("v1", "ServiceAccount"):                               &corev1.ServiceAccount{},
		of("v1", "ConfigMap"):                                    &corev1.ConfigMap{},
		of("v1", "Secret"):                                       &corev1.Secret{},
		of("v1", "Service"):                                      &corev1.Service{},
		of("v1", "Pod"):                                          &corev1.Pod{},
		of("apps/v1", "Deployment"):                              &appsv1.Deployment{},
		of("policy/v1", "PodDisruptionBudget"):                   &policyv1.PodDisruptionBudget{},
		of("networking.k8s.io/v1", "NetworkPolicy"):              &networkingv1.NetworkPolicy{},
		of("rbac.authorization.k8s.io/v1", "ClusterRole"):        &rbacv1.ClusterRole{},
		of("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): &rbacv1.ClusterRoleBinding{},
		of("rbac.authorization.k8s.io/v1", "Role"):               &rbacv1.Role{},
		of("rbac.authorization.k8s.io/v1", "RoleBinding"):        &rbacv1.RoleBinding{},
	}
}

// Apply decodes manifests and makes their service accounts, pods, ClusterRoles and ClusterRoleBindings.
func (c *Cluster) Apply(manifests string) []any {
	c.t.Helper()
	objects, err := Decode(manifests)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.ServiceAccount:
			c.addAccount(o.Namespace, o.Name)
		case *corev1.Pod:
			c.addPod(o)
		case *rbacv1.ClusterRole:
			c.mu.Lock()
			c.roles[o.Name] = *o
			c.mu.Unlock()
		case *rbacv1.ClusterRoleBinding:
			c.mu.Lock()
			c.bindings = append(c.bindings, *o)
			c.mu.Unlock()
		}
	}
	return objects
}

// Allow lets a service account use the identity with a client id.
func (c *Cluster) Allow(namespace, account, clientID string) {
	c.t.Helper()
	c.Apply(fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: use-%[3]s}
rules:
- {verbs: [use-managed-identity], apiGroups: [cid.wi.aks.azure.com], resources: ["%[3]s"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: use-%[3]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-%[3]s}
subjects:
- {kind: ServiceAccount, name: %[2]s, namespace: %[1]s}
`, namespace, account, clientID))
}
