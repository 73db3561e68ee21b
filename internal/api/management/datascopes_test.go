package management_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// TestRolesAtScopesOfTheDataPlane: a namespace of a cluster and a secret of a vault are no resources of ARM, and roles can be
// assigned there as soon as the cluster or the vault exists. The assignments end with it.
func TestRolesAtScopesOfTheDataPlane(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	const providers = "{sub}/resourceGroups/rg/providers/"
	for _, test := range []struct{ parent, version, below string }{
		{"Microsoft.ContainerService/managedClusters/c", "2024-05-01", "namespaces/default"},
		{"Microsoft.Kubernetes/connectedClusters/c", "2024-01-01", "namespaces/kube-system"},
		{"Microsoft.Kubernetes/connectedClusters/d", "2024-01-01", "providers/Microsoft.KubernetesConfiguration/namespaces/n"},
		{"Microsoft.ContainerService/fleets/f", "2024-04-01", "namespaces/n"},
		{"Microsoft.ContainerService/fleets/f/members/m", "2024-04-01", "NAMESPACES/n"},
		{"Microsoft.KeyVault/vaults/v", "2023-07-01", "secrets/s"},
		{"Microsoft.Search/searchServices/s", "2023-11-01", "indexes/i"},
	} {
		t.Run(test.parent, func(t *testing.T) {
			parent := providers + test.parent
			below := parent + "/" + test.below
			if code, body := s.grantSomeone(t, below); code != 404 {
				t.Errorf("below a parent that does not exist: %d %s", code, body)
			}
			s.want(t, 201, "owner", "PUT", parent+"?api-version="+test.version, `{"location":"eastus","properties":{}}`)
			if code, body := s.grantSomeone(t, parent+"/pods/p"); code != 404 {
				t.Errorf("at something else below the parent: %d %s", code, body)
			}
			if code, body := s.grantSomeone(t, below+"/pods/p"); code != 404 {
				t.Errorf("below the scope: %d %s", code, body)
			}
			principal, name := uuid.NewString(), uuid.NewString()
			body := fmt.Sprintf(`{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/7f6c6a51-bcf8-42ba-9220-52d62157d7db","principalId":"%s","principalType":"User"}}`, principal)
			s.want(t, 201, "owner", "PUT", below+assignments+name+auth22, body)
			s.want(t, 200, "owner", "GET", below+assignments+name+auth22, "")
			list := s.want(t, 200, "owner", "GET", below+"/providers/Microsoft.Authorization/roleAssignments"+auth22+"&$filter=principalId%20eq%20'"+principal+"'", "")
			if !strings.Contains(list.Body.String(), name) {
				t.Errorf("the list has not the assignment: %s", list.Body)
			}
			if got := s.granted(t); len(got) != 1 {
				t.Errorf("assigned at %v", got)
			}
			s.want(t, 0, "owner", "DELETE", parent+"?api-version="+test.version, "")
			if got := s.granted(t); len(got) != 0 {
				t.Errorf("left at %v", got)
			}
			s.want(t, 201, "owner", "PUT", parent+"?api-version="+test.version, `{"location":"eastus","properties":{}}`)
			s.want(t, 404, "owner", "GET", below+assignments+name+auth22, "")
		})
	}
}

// TestARecreatedClusterInheritsNoAssignmentOfANamespace has many writers give roles at a namespace while its cluster is
// deleted.
func TestARecreatedClusterInheritsNoAssignmentOfANamespace(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	const cluster, version = "{sub}/resourceGroups/rg/providers/Microsoft.Kubernetes/connectedClusters/c", "?api-version=2024-01-01"
	for range 4 {
		s.want(t, 201, "owner", "PUT", cluster+version, `{"location":"eastus","properties":{}}`)
		var writers sync.WaitGroup
		for range 8 {
			writers.Go(func() {
				for code, body := 201, ""; code == 201 || code == 503; {
					code, body = s.grantSomeone(t, cluster+"/namespaces/n")
					if code != 201 && code != 503 && code != 404 && code != 409 {
						t.Errorf("%d %s", code, body)
					}
				}
			})
		}
		s.want(t, 0, "owner", "DELETE", cluster+version, "")
		writers.Wait()
		if got := s.granted(t); len(got) != 0 {
			t.Fatalf("left at %v", got)
		}
	}
}
