package management_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas/internal/store"
)

// TestRecordsOfANewerVersionAreUnavailable raises the version of each kind of record that a request reads.
// The answer is a 503 without the record, because another replica may be newer.
func TestRecordsOfANewerVersionAreUnavailable(t *testing.T) {
	for _, kind := range []store.Kind{store.ResourceKind, store.ResourceIdentityKind, store.AssignmentKind, store.AssignmentCount, store.EventKind, store.PrincipalKind} {
		t.Run(kind.Name, func(t *testing.T) {
			s := newStack(t)
			s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
			s.want(t, 201, "owner", "PUT", identities+"/app?api-version=2023-01-31", `{"location":"eastus"}`)
			vm := "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/j"
			s.want(t, 201, "owner", "PUT", vm+"?api-version=2024-01-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`)
			raised := raise(t, s, kind)
			refused := 0
			for _, request := range [][2]string{
				{"GET", identities + "/app?api-version=2023-01-31"},
				{"GET", identities + "?api-version=2023-01-31"},
				{"GET", vm + "?api-version=2024-01-01"},
				{"GET", "{sub}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"},
				{"GET", "{sub}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=eventTimestamp%20ge%20'" + time.Now().UTC().Add(-time.Hour).Format(time.RFC3339) + "'"},
				{"DELETE", "{sub}/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/11111111-1111-1111-1111-111111111111?api-version=2022-04-01"},
				{"PUT", "{sub}/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/11111111-1111-1111-1111-111111111111?api-version=2022-04-01"},
			} {
				body := ""
				if request[0] == "PUT" {
					body = `{"properties":{"roleDefinitionId":"/subscriptions/` + sub + `/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":"` + s.callers["reader"].ID + `"}}`
				}
				w := s.do(t, "owner", request[0], request[1], body)
				if w.Code == http.StatusServiceUnavailable {
					refused++
					if strings.Contains(w.Body.String(), "newer") || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "ServiceUnavailable") {
						t.Errorf("%s: %s", request[1], w.Body)
					}
				}
			}
			if raised == 0 || refused == 0 {
				t.Errorf("%d records were raised, %d requests refused", raised, refused)
			}
		})
	}
}

// raise makes all records of a kind those of the next version.
func raise(t *testing.T, s *stack, kind store.Kind) (n int) {
	t.Helper()
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		n = 0
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if kind.Holds(rec.Key) {
				tx.Put(rec.Key, []byte(strings.Replace(string(rec.Value), fmt.Sprintf(`"v":%d`, kind.Version), fmt.Sprintf(`"v":%d`, kind.Version+1), 1)))
				n++
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNewerVersion) {
		t.Fatal(err)
	}
	return n
}
