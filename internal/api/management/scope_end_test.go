package management_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/resource"
)

const (
	assignments = "/providers/Microsoft.Authorization/roleAssignments/"
	auth22      = "?api-version=2022-04-01"
	federated   = uaiPath + "app/federatedIdentityCredentials/fic"
	trust       = `{"properties":{"issuer":"https://i.test","subject":"s","audiences":["a"]}}`
)

// grantSomeone gives a principal that nobody knows the role of a reader, and returns the status.
func (s *stack) grantSomeone(t testing.TB, scope string) (status int, body string) {
	t.Helper()
	w := s.do(t, "owner", "PUT", scope+assignments+uuid.NewString()+auth22, fmt.Sprintf(
		`{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":"%s","principalType":"User"}}`,
		uuid.NewString()))
	return w.Code, w.Body.String()
}

// granted lists the scopes of the assignments in the group rg.
func (s *stack) granted(t testing.TB) (scopes []string) {
	t.Helper()
	group, err := arm.ParseID("/subscriptions/" + sub + "/resourceGroups/rg")
	must(t, err)
	page, err := s.rbac.ListAssignments(t.Context(), group, rbac.Filter{TenantID: tenant})
	must(t, err)
	for _, a := range page.Assignments {
		if strings.Contains(a.Scope, "/resourceGroups/") {
			scopes = append(scopes, a.Scope)
		}
	}
	return scopes
}

func (s *stack) makeScopes(t testing.TB) {
	t.Helper()
	s.want(t, 0, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 0, "owner", "PUT", uaiPath+"app?api-version=2023-01-31", `{"location":"eastus"}`)
	s.want(t, 0, "owner", "PUT", federated+"?api-version=2023-01-31", trust)
}

// TestARecreatedScopeInheritsNoAssignment has many writers give roles at a scope while it is deleted.
// They stop when they are refused.
func TestARecreatedScopeInheritsNoAssignment(t *testing.T) {
	s := newStack(t)
	scopes := []string{"{sub}/resourceGroups/rg", uaiPath + "app", federated}
	for round := range 6 {
		s.makeScopes(t)
		ended := scopes[round%len(scopes)]
		var writers sync.WaitGroup
		for range 12 {
			writers.Go(func() {
				for code, body := 201, ""; code == 201 || code == 503; {
					code, body = s.grantSomeone(t, ended)
					if code != 201 && code != 503 && code != 404 && code != 409 {
						t.Errorf("%d %s", code, body)
					}
				}
			})
		}
		if ended == scopes[0] {
			w := s.want(t, 202, "owner", "DELETE", ended+core, "")
			s.followed(t, "owner", strings.TrimPrefix(w.Header().Get("Location"), origin))
		} else {
			s.want(t, 200, "owner", "DELETE", ended+"?api-version=2023-01-31", "")
		}
		writers.Wait()
		s.makeScopes(t)
		for _, scope := range s.granted(t) {
			if full := strings.Replace(ended, "{sub}", "/subscriptions/"+sub, 1); strings.HasPrefix(scope, full) {
				t.Errorf("%s was made anew and has an assignment of before", scope)
			}
		}
	}
}

// held is a resource.Scopes that waits before it does its work.
type held struct {
	resource.Scopes
	reached, goOn chan struct{}
}

func (h held) DeleteScope(ctx context.Context, scope arm.ID) error {
	h.reached <- struct{}{}
	<-h.goOn
	return h.Scopes.DeleteScope(ctx, scope)
}

func TestNoRoleIsAssignedAtAScopeBeingDeleted(t *testing.T) {
	for _, row := range []struct {
		name, scope, version, code string
		deleted                    int
	}{
		{"group", "{sub}/resourceGroups/rg", core, "ResourceGroupBeingDeleted", 202},
		{"identity", uaiPath + "app", "?api-version=2023-01-31", "ResourceBeingDeleted", 200},
		{"credential", federated, "?api-version=2023-01-31", "ResourceBeingDeleted", 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStack(t)
			s.makeScopes(t)
			if code, body := s.grantSomeone(t, row.scope); code != http.StatusCreated {
				t.Fatalf("%d %s", code, body)
			}
			h := held{s.rbac, make(chan struct{}, 8), make(chan struct{})}
			s.resources.Scopes = h
			var deletion sync.WaitGroup
			deletion.Go(func() {
				if w := s.do(t, "owner", "DELETE", row.scope+row.version, ""); w.Code != row.deleted {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
			<-h.reached
			if code, body := s.grantSomeone(t, row.scope); code != http.StatusConflict || !strings.Contains(body, `"`+row.code+`"`) {
				t.Errorf("%d %s, want 409 %s", code, body, row.code)
			}
			close(h.goOn)
			deletion.Wait()
			if code, body := s.grantSomeone(t, row.scope); code != http.StatusNotFound && code != http.StatusConflict {
				t.Errorf("after the end: %d %s", code, body)
			}
		})
	}
}
