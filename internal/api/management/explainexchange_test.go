package management_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"midas/internal/api/management"
	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/store"
)

// unreachable is an exchange whose issuer cannot be reached.
type unreachable struct{}

func (unreachable) Attempt(context.Context, string, string, directory.SecretText) (federation.Attempt, error) {
	return federation.Attempt{
		Code:    "AADSTS501661",
		Refused: outside{&federation.IssuerError{Reason: federation.Unreachable, Detail: errors.New("10.1.2.3 is a private address")}},
	}, nil
}

// outside is an error as clients see it.
type outside struct{ cause error }

func (outside) Error() string   { return "AADSTS501661: Request to External OIDC endpoint failed." }
func (e outside) Unwrap() error { return e.cause }

const exchangePath = "/providers/Midas.Authorization/explainExchange?api-version=2026-11-01"

// readable is a token that can be read and that nobody has signed.
const readable = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2EuZXhhbXBsZSIsInN1YiI6InMifQ.AAAA"

// Who may read the credentials gets an explanation, and all others the answer for a client that does not exist.
func TestExplainExchangeIsForWhoMayReadTheCredentials(t *testing.T) {
	s := newStackOf(t, func(h *management.Handler) {
		h.Exchanges = unreachable{}
		h.Inspect = func(string) federation.Inspection { return federation.Inspection{} }
	})
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	made := s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app?api-version=2023-01-31", `{"location":"eastus"}`)
	_, identity, _ := strings.Cut(made.Body.String(), `"clientId":"`)
	identity = identity[:36]
	app := directory.Application{ID: uuid.NewString(), AppID: uuid.NewString(), TenantID: tenant, DisplayName: "app"}
	for _, name := range []string{"admin", "appowner", "reads", "reads groups"} {
		s.addCaller(t, name)
	}
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(
			s.directory.CreateApplication(tx, app),
			s.directory.AddOwner(tx, tenant, app.ID, s.callers["appowner"].ID),
			s.directory.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, s.callers["admin"].ID),
			s.graphRole(tx, "reads", directory.RoleApplicationReadAll),
			s.graphRole(tx, "reads groups", directory.RoleGroupReadAll),
		)
	})
	must(t, err)
	s.assign(t, "admin", "Reader", "/subscriptions/"+sub)
	for _, test := range []struct {
		caller, client string
		status         int
	}{
		{"reader", identity, 200},
		{"owner", identity, 200},
		{"admin", identity, 200},
		{"nobody", identity, 404},
		{"mioperator", identity, 200},
		{"vmcontributor", identity, 404},
		{"reads", identity, 404},
		{"reader", app.AppID, 404},
		{"owner", app.AppID, 404},
		{"admin", app.AppID, 200},
		{"appowner", app.AppID, 200},
		{"reads", app.AppID, 200},
		{"reads groups", app.AppID, 404},
		{"admin", uuid.NewString(), 404},
		{"admin", "04b07795-8ddb-461a-bbee-02f9e1bf7b46", 404}, // Azure CLI, which has no credentials
	} {
		w := s.do(t, test.caller, http.MethodPost, exchangePath, `{"clientId":"`+test.client+`","token":"`+readable+`"}`)
		if w.Code != test.status {
			t.Errorf("%s asks about %s: %d, want %d: %s", test.caller, test.client, w.Code, test.status, w.Body)
		}
		// The network of the server is for its administrators.
		if got := strings.Contains(w.Body.String(), "10.1.2.3"); got != (w.Code == 200 && test.caller == "admin") {
			t.Errorf("%s sees the cause: %t: %s", test.caller, got, w.Body)
		}
	}
}

// graphRole gives a caller an app role of Microsoft Graph.
func (s *stack) graphRole(tx store.Tx, caller, value string) error {
	graph := directory.FirstPartyPrincipals(tenant)[0]
	roles, err := s.directory.RolesOf(tx, graph)
	if err != nil {
		return err
	}
	for _, role := range roles {
		if role.Value == value {
			_, err = s.directory.AssignAppRole(tx, directory.AppRoleAssignment{TenantID: tenant, PrincipalID: s.callers[caller].ID, ResourceID: graph.ID, AppRoleID: role.ID})
			return err
		}
	}
	return errors.New("no such role")
}
