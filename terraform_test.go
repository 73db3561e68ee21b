package midas_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas"
)

// terraform sends the requests of Terraform's azurerm provider, in its order and with its api-versions. What it
// reads into its state is in the maps that its read functions return; a plan is empty if they stay the same.
type terraform struct {
	*wire
	sub  string // /subscriptions/{id}
	arm  string // the Azure Resource Manager of the endpoints document
	plan func(t *testing.T) map[string]map[string]any
}

// The api-versions of the provider.
const (
	tfGroups      = "2023-07-01"
	tfIdentities  = "2024-11-30"
	tfAssignments = "2022-04-01"
	tfDefinitions = "2022-05-01-preview"
	tfProviders   = "2022-09-01"

	tfAssignment = "6a1c2c0e-6c5b-4b62-9b39-1c7e7c0c4c11"
)

// signIn discovers the endpoints by address, and gets the two tokens with which the provider begins: the first is for
// Microsoft Graph, and its claims name the caller.
func (f *terraform) signIn(t *testing.T, admin midas.Admin) {
	t.Helper()
	f.bearer = ""
	_, cloud := f.want(t, 200, "GET", "/metadata/endpoints?api-version=2022-09-01", "")
	signIn := cloud["authentication"].(map[string]any)
	if signIn["identityProvider"] != "AAD" || signIn["tenant"] != "common" || cloud["name"] == "" || cloud["name"] == "AzureStackCloud" {
		t.Fatalf("the provider takes this for Azure Stack: %v", cloud)
	}
	f.arm = strings.TrimSuffix(cloud["resourceManager"].(string), "/")
	for _, resource := range []string{cloud["microsoftGraphResourceId"].(string), cloud["resourceManager"].(string)} {
		endpoint := signIn["loginEndpoint"].(string) + "/" + admin.TenantID + "/oauth2/v2.0/token"
		if strings.Contains(strings.TrimPrefix(endpoint, "https://"), "//") {
			t.Fatalf("the token endpoint is %s", endpoint)
		}
		_, token := f.want(t, 200, "POST", strings.TrimPrefix(endpoint, f.Endpoint), url.Values{
			"client_id": {admin.ClientID}, "client_secret": {string(admin.ClientSecret)}, "grant_type": {"client_credentials"},
			"scope": {strings.TrimSuffix(resource, "/") + "/.default"},
		}.Encode())
		f.bearer = token["access_token"].(string)
		claims := claimsOf(t, f.bearer)
		if claims["appid"] != admin.ClientID || claims["tid"] != admin.TenantID || claims["oid"] == nil {
			t.Fatalf("claims %v", claims)
		}
	}
}

// at is the URL of a resource in the provider's spelling.
func (f *terraform) at(id, version string) string {
	return strings.TrimPrefix(f.arm, f.Endpoint) + id + "?api-version=" + version
}

// create reads a resource that must not exist, and writes it.
func (f *terraform) create(t *testing.T, id, version, body string) map[string]any {
	t.Helper()
	_, missing := f.want(t, 404, "GET", f.at(id, version), "")
	if code := missing["error"].(map[string]any)["code"]; !strings.HasSuffix(code.(string), "NotFound") {
		t.Fatalf("%s: code %v", id, code)
	}
	_, made := f.want(t, 201, "PUT", f.at(id, version), body)
	return made
}

// read returns the members of a resource that the provider keeps: the location and the tags, and its properties.
func (f *terraform) read(t *testing.T, id, version string) map[string]any {
	t.Helper()
	_, body := f.want(t, 200, "GET", f.at(id, version), "")
	state := map[string]any{"id": strings.ToLower(body["id"].(string)), "name": body["name"]}
	if location, found := body["location"]; found {
		state["location"], state["tags"] = location, map[string]any{} // for the provider, no tags and an empty object are the same
	}
	if tags, found := body["tags"]; found && tags != nil {
		state["tags"] = tags
	}
	maps.Copy(state, body["properties"].(map[string]any))
	for _, volatile := range []string{"provisioningState", "createdOn", "updatedOn", "createdBy", "updatedBy"} {
		delete(state, volatile)
	}
	return state
}

// roleID finds a role by its name, as the provider does where role_definition_name is given.
func (f *terraform) roleID(t *testing.T, scope, name string) string {
	t.Helper()
	_, found := f.want(t, 200, "GET", f.at(scope+"/providers/Microsoft.Authorization/roleDefinitions", tfDefinitions)+
		"&$filter="+url.QueryEscape("roleName eq '"+name+"'"), "")
	list := found["value"].([]any)
	if len(list) != 1 {
		t.Fatalf("%d roles %s", len(list), name)
	}
	id := list[0].(map[string]any)["id"].(string)
	_, role := f.want(t, 200, "GET", f.at(id, tfDefinitions), "")
	if got := role["properties"].(map[string]any)["roleName"]; got != name {
		t.Fatalf("%s is the role %v", id, got)
	}
	return id
}

// destroyGroup deletes an empty resource group and polls until it is gone.
func (f *terraform) destroyGroup(t *testing.T, group string) {
	t.Helper()
	_, nested := f.want(t, 200, "GET", f.at(group+"/resources", tfGroups)+"&$expand=provisioningState&$top=500", "")
	if left := nested["value"].([]any); len(left) > 0 {
		t.Fatalf("the provider refuses to delete a group with resources: %v", left)
	}
	accepted, _ := f.want(t, 202, "DELETE", f.at(group, tfGroups), "")
	at := strings.TrimPrefix(accepted.Header.Get("Location"), f.Endpoint)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, body := f.do(t, "GET", at, "")
		if resp.StatusCode == http.StatusOK {
			break
		}
		if resp.StatusCode != http.StatusAccepted || time.Now().After(deadline) {
			t.Fatalf("%s: %s %s", at, resp.Status, body)
		}
	}
	f.want(t, 404, "GET", f.at(group, tfGroups), "")
}

func TestTerraformAppliesPlansChangesAndDestroys(t *testing.T) {
	cfg := quiet(t)
	s := start(t, cfg)
	f := &terraform{wire: wireOf(t, cfg), sub: "/subscriptions/" + s.Admin().SubscriptionID}
	f.signIn(t, s.Admin())
	f.want(t, 200, "GET", f.at(f.sub, "2022-12-01"), "")
	f.want(t, 200, "GET", f.at(f.sub+"/providers", tfProviders), "")
	f.want(t, 200, "POST", f.at(f.sub+"/providers/Microsoft.ManagedIdentity/register", tfProviders), "")
	group := f.sub + "/resourceGroups/Example-RG"
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/Example"
	credential := identity + "/federatedIdentityCredentials/github"
	assignment := group + "/providers/Microsoft.Authorization/roleAssignments/" + tfAssignment
	f.plan = func(t *testing.T) map[string]map[string]any {
		return map[string]map[string]any{
			"group": f.read(t, group, tfGroups), "identity": f.read(t, identity, tfIdentities),
			"credential": f.read(t, credential, tfIdentities), "assignment": f.read(t, assignment, tfAssignments),
		}
	}

	f.create(t, group, tfGroups, `{"location":"westeurope","tags":{"Env":"Test"}}`)
	made := f.create(t, identity, tfIdentities, `{"location":"westeurope","tags":{}}`)
	principal := made["properties"].(map[string]any)["principalId"]
	f.create(t, credential, tfIdentities, `{"properties":{"audiences":["api://AzureADTokenExchange"],"issuer":"https://token.actions.githubusercontent.com","subject":"repo:o/r:ref:refs/heads/main"}}`)
	role := f.roleID(t, group, "Reader")
	f.create(t, assignment, tfAssignments, `{"properties":{"principalId":"`+principal.(string)+`","roleDefinitionId":"`+role+`"}}`)

	want := map[string]map[string]any{
		"group": {"id": strings.ToLower(group), "name": "Example-RG", "location": "westeurope", "tags": map[string]any{"Env": "Test"}},
		"identity": {"id": strings.ToLower(identity), "name": "Example", "location": "westeurope", "tags": map[string]any{}, "isolationScope": "None",
			"principalId": principal, "clientId": made["properties"].(map[string]any)["clientId"], "tenantId": s.Admin().TenantID},
		"credential": {"id": strings.ToLower(credential), "name": "github", "audiences": []any{"api://AzureADTokenExchange"},
			"issuer": "https://token.actions.githubusercontent.com", "subject": "repo:o/r:ref:refs/heads/main"},
		"assignment": {"id": strings.ToLower(assignment), "name": tfAssignment, "principalId": principal, "principalType": "ServicePrincipal", "roleDefinitionId": role,
			"scope": group, "condition": nil, "conditionVersion": nil, "description": nil, "delegatedManagedIdentityResourceId": nil},
	}
	f.wantPlan(t, want)

	f.want(t, 200, "PUT", f.at(group, tfGroups), `{"location":"westeurope","tags":{}}`)
	f.want(t, 200, "PATCH", f.at(identity, tfIdentities), `{"tags":{"Env":"Prod"}}`)
	f.want(t, 200, "PUT", f.at(credential, tfIdentities), `{"properties":{"audiences":["api://AzureADTokenExchange"],"issuer":"https://token.actions.githubusercontent.com","subject":"repo:o/r:environment:prod"}}`)
	want["group"]["tags"], want["identity"]["tags"], want["credential"]["subject"] = map[string]any{}, map[string]any{"Env": "Prod"}, "repo:o/r:environment:prod"
	f.wantPlan(t, want)

	for _, c := range []struct{ id, version string }{{assignment, tfAssignments}, {credential, tfIdentities}, {identity, tfIdentities}} {
		f.want(t, 200, "DELETE", f.at(c.id, c.version), "")
		f.want(t, 404, "GET", f.at(c.id, c.version), "")
	}
	f.destroyGroup(t, group)
}

// wantPlan fails the test unless the state is the wanted one, and stays the same when it is read again.
func (f *terraform) wantPlan(t *testing.T, want map[string]map[string]any) {
	t.Helper()
	for range 2 {
		if diff := cmp.Diff(want, f.plan(t)); diff != "" {
			t.Fatalf("the plan is not empty (-want +got)\n%s", diff)
		}
	}
}

// claimsOf decodes the claims of a token and does not verify it.
func claimsOf(t *testing.T, raw string) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}
