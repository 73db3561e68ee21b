package management_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestOperationsAllowedToEachRole sends every operation as every role. A caller without permission gets 403; any
// other gets the operation's own answer.
func TestOperationsAllowedToEachRole(t *testing.T) {
	const (
		v    = "?api-version=2022-01-31-preview"
		core = "?api-version=2021-04-01"
		auth = "?api-version=2022-04-01"
		uai  = "{sub}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
		fic  = uai + "/app/federatedIdentityCredentials"
	)
	everyone := []string{"owner", "contributor", "reader", "micontributor", "mioperator", "nobody"}
	withRole := everyone[:5]
	readers := everyone[:3]
	writers := everyone[:2]
	owner := everyone[:1]
	identityWriters := []string{"owner", "contributor", "micontributor"}
	readerID := "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	assignment := func(s *stack) string {
		return fmt.Sprintf(`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":"%s"}}`,
			sub, readerID, s.callers["nobody"].ID)
	}
	stacks := map[string]*stack{}
	for _, caller := range everyone {
		stacks[caller] = newRolesStack(t)
	}
	since := url.QueryEscape(time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
	for _, op := range []struct {
		name, method, path, body string
		status                   int
		allowed                  []string
	}{
		{"list tenants", "GET", "/tenants" + core, "", 200, everyone},
		{"list subscriptions", "GET", "/subscriptions" + core, "", 200, everyone},
		{"read subscription", "GET", "{sub}" + core, "", 200, withRole},
		{"list locations", "GET", "{sub}/locations" + core, "", 200, withRole},
		{"list groups", "GET", "{sub}/resourceGroups" + core, "", 200, withRole},
		{"read group", "GET", "{sub}/resourceGroups/rg" + core, "", 200, withRole},
		{"head group", "HEAD", "{sub}/resourceGroups/rg" + core, "", 204, withRole},
		{"write group", "PUT", "{sub}/resourceGroups/rg" + core, `{"location":"eastus"}`, 200, writers},
		{"patch group", "PATCH", "{sub}/resourceGroups/rg" + core, `{}`, 200, writers},
		{"delete group", "DELETE", "{sub}/resourceGroups/gone" + core, "", 202, writers},
		{"list resources", "GET", "{sub}/resources" + core, "", 200, withRole},
		{"list group's resources", "GET", "{sub}/resourceGroups/rg/resources" + core, "", 200, withRole},
		{"list providers", "GET", "/providers" + core, "", 200, everyone},
		{"read provider", "GET", "/providers/Microsoft.ManagedIdentity" + core, "", 200, everyone},
		{"list subscription's providers", "GET", "{sub}/providers" + core, "", 200, readers},
		{"read subscription's provider", "GET", "{sub}/providers/Microsoft.ManagedIdentity" + core, "", 200, readers},
		{"register provider", "POST", "{sub}/providers/Microsoft.ManagedIdentity/register" + core, "", 200, writers},

		{"list identities of group", "GET", uai + v, "", 200, withRole},
		{"list identities of subscription", "GET", "{sub}/providers/Microsoft.ManagedIdentity/userAssignedIdentities" + v, "", 200, withRole},
		{"read identity", "GET", uai + "/app" + v, "", 200, withRole},
		{"write identity", "PUT", uai + "/app" + v, `{"location":"eastus"}`, 200, identityWriters},
		{"patch identity", "PATCH", uai + "/app" + v, `{"tags":{}}`, 200, identityWriters},
		{"delete identity", "DELETE", uai + "/none" + v, "", 204, identityWriters},
		{"list associated resources", "POST", uai + "/app/listAssociatedResources" + v, "", 200, writers},
		{"revoke tokens", "POST", uai + "/app/revokeTokens?api-version=2023-07-31-preview", "", 200, identityWriters},
		{"list machines", "GET", "{sub}/providers/Microsoft.Compute/virtualMachines" + compute24, "", 200, readers},
		{"read machine", "GET", vmPath + compute24, "", 200, readers},
		{"write machine", "PUT", vmPath + compute24, `{"location":"eastus"}`, 200, writers},
		{"patch machine", "PATCH", vmPath + compute24, `{"identity":{"type":"SystemAssigned"}}`, 200, writers},
		{"delete machine", "DELETE", vmPath + "x" + compute24, "", 204, writers},
		{"read machine's state", "GET", vmPath + "/instanceView" + compute24, "", 200, readers},
		{"read operation", "GET", "{sub}/providers/Microsoft.Compute/locations/eastus/operations/x" + compute24, "", 404, readers},
		{"upgrade scale set", "POST", setPath + "/manualUpgrade" + compute24, "", 404, writers},
		{"list scale set's machines", "GET", setPath + "/virtualMachines" + compute24, "", 404, readers},
		{"delete scale set's machine", "DELETE", setPath + "/virtualMachines/0" + compute24, "", 204, writers},
		{"write hybrid machine", "PUT", "{sub}/resourceGroups/rg/providers/Microsoft.HybridCompute/machines/m" + compute24, `{"location":"eastus"}`, 201, writers},
		{"read resource of any type", "GET", "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/none" + compute24, "", 404, readers},
		{"head resource of any type", "HEAD", "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/none" + compute24, "", 404, readers},
		{"write resource of any type", "PUT", "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/j" + compute24, `{}`, 201, writers},
		{"delete resource of any type", "DELETE", "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/none" + compute24, "", 204, writers},
		{"system identity", "GET", "{sub}/providers/Microsoft.ManagedIdentity/identities/default" + v, "", 404, readers},
		{"list identity operations", "GET", "/providers/Microsoft.ManagedIdentity/operations" + v, "", 200, everyone},
		{"list federated", "GET", fic + v, "", 200, withRole},
		{"read federated", "GET", fic + "/fic" + v, "", 200, withRole},
		{"write federated", "PUT", fic + "/fic" + v, `{"properties":{"issuer":"https://i.test","subject":"s","audiences":["a"]}}`, 200, identityWriters},
		{"delete federated", "DELETE", fic + "/none" + v, "", 204, identityWriters},

		{"list role assignments", "GET", "{sub}/providers/Microsoft.Authorization/roleAssignments" + auth, "", 200, withRole},
		{"read role assignment", "GET", "{sub}/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString() + auth, "", 404, withRole},
		{"write role assignment", "PUT", "{sub}/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString() + auth, "assignment", 201, owner},
		{"delete role assignment", "DELETE", "{sub}/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString() + auth, "", 204, owner},
		{"list role definitions", "GET", "{sub}/providers/Microsoft.Authorization/roleDefinitions" + auth, "", 200, withRole},
		{"read role definition", "GET", "{sub}/providers/Microsoft.Authorization/roleDefinitions/" + readerID + auth, "", 200, withRole},
		{"list role definitions of tenant", "GET", "/providers/Microsoft.Authorization/roleDefinitions" + auth, "", 200, everyone},
		{"read role definition of tenant", "GET", "/providers/Microsoft.Authorization/roleDefinitions/" + readerID + auth, "", 200, everyone},
		{"list permissions", "GET", "{sub}/resourceGroups/rg/providers/Microsoft.Authorization/permissions" + auth, "", 200, everyone},
		{"read activity log", "GET", "{sub}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=eventTimestamp%20ge%20'" + since + "'", "", 200, readers},
	} {
		for _, caller := range everyone {
			t.Run(op.name+" as "+caller, func(t *testing.T) {
				s := stacks[caller]
				body := op.body
				if body == "assignment" {
					body = assignment(s)
				}
				want := http.StatusForbidden
				if slices.Contains(op.allowed, caller) {
					want = op.status
				}
				s.want(t, want, caller, op.method, op.path, body)
			})
		}
	}
}

func newRolesStack(t *testing.T) *stack {
	t.Helper()
	s := newStack(t)
	const uai = "{sub}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/gone?api-version=2021-04-01", `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", uai+"?api-version=2023-01-31", `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", uai+"/federatedIdentityCredentials/fic?api-version=2023-01-31", `{"properties":{"issuer":"https://i.test","subject":"s","audiences":["a"]}}`)
	return s
}
