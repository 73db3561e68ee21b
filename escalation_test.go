package midas_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"midas"
	"midas/midastest"
)

// TestNobodyGainsRights is a table of attempts to gain rights: every attacker tries every way up, against a whole
// server. Each request must be refused and must leave the store as it was, apart from the log of refused requests.
// The attackers of a way that have the right to it are named in the row.
func TestNobodyGainsRights(t *testing.T) {
	w := newBattlefield(t)
	rows := 0
	for _, way := range waysUp() {
		for _, attacker := range way.attackers() {
			rows++
			w.attempt(t, way, attacker)
		}
	}
	if rows < 200 {
		t.Errorf("only %d rows", rows)
	}
	// The owner of the group does at its own scope what is refused elsewhere, so the table does not test nothing.
	w.want(t, 201, "rg-owner", attempt{"PUT", "{rg}" + assignmentPath, assignmentBody("Reader", "{me}")})
}

// attempt is a request. In the path and the body, {name} stands for one of the battlefield's ids, {me} for the
// attacker's object id and {new} for a new GUID. Paths that begin with /v1.0 are for Microsoft Graph.
type attempt struct{ method, path, body string }

// wayUp is a way to gain rights. Everyone tries it but those who have the right.
type wayUp struct {
	name string
	attempt
	allowed []string
	only    []string // if it is not empty, the attackers
}

// attackers have one role each, by its name: those of everybody at the subscription, rg-... at the group, and
// limited one with a condition.
func (w wayUp) attackers() []string {
	if len(w.only) > 0 {
		return w.only
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(attackerRoles())), func(a string) bool { return slices.Contains(w.allowed, a) })
}

func attackerRoles() map[string][2]string {
	return map[string][2]string{
		"nobody":         {"", ""},
		"reader":         {"Reader", "{sub}"},
		"contributor":    {"Contributor", "{sub}"},
		"mi-contributor": {"Managed Identity Contributor", "{sub}"},
		"mi-operator":    {"Managed Identity Operator", "{sub}"},
		"vm-contributor": {"Virtual Machine Contributor", "{sub}"},
		"tagger":         {"Tag Contributor", "{sub}"},
		"rg-owner":       {"Owner", "{rg}"},
		"rg-uaa":         {"User Access Administrator", "{rg}"},
		"rg-rbac":        {"Role Based Access Control Administrator", "{rg}"},
	}
}

const (
	assignmentPath = "/providers/Microsoft.Authorization/roleAssignments/{new}?api-version=2022-04-01"
	definitionPath = "/providers/Microsoft.Authorization/roleDefinitions/{new}?api-version=2022-04-01"
	groupsVersion  = "?api-version=2020-05-01"
)

func assignmentBody(role, principal string) string {
	return `{"properties":{"roleDefinitionId":"{sub}/providers/Microsoft.Authorization/roleDefinitions/{` + role + `}","principalId":"` + principal + `"}}`
}

func definitionBody(scope string) string {
	return `{"properties":{"roleName":"mine {new}","type":"CustomRole","permissions":[{"actions":["*"],"notActions":[]}],"assignableScopes":["` + scope + `"]}}`
}

func waysUp() []wayUp {
	return slices.Concat(assignmentWays(), spellingWays(), definitionWays(), lockWays(), hierarchyWays(), identityWays(), graphWays())
}

// assignmentWays grant a role to the attacker.
func assignmentWays() (ways []wayUp) {
	granters := []string{"rg-owner", "rg-uaa", "rg-rbac"}
	for place, scope := range map[string]string{
		"the root": "", "the subscription": "{sub}", "another group": "{sub}/resourceGroups/other", "a group that does not exist": "{sub}/resourceGroups/none",
		"the root group": "/providers/Microsoft.Management/managementGroups/{tenant}", "a group of another name": "{sub}/resourceGroups/rg2",
		"a subscription of nobody": "/subscriptions/00000000-0000-4000-8000-000000000001",
	} {
		ways = append(ways, wayUp{name: "Owner for oneself at " + place, attempt: attempt{"PUT", scope + assignmentPath, assignmentBody("Owner", "{me}")}})
	}
	for place, scope := range map[string]string{"the group": "{rg}", "an identity": "{identity}", "a machine": "{vm}"} {
		ways = append(ways, wayUp{name: "Owner for oneself at " + place, attempt: attempt{"PUT", scope + assignmentPath, assignmentBody("Owner", "{me}")}, allowed: granters})
	}
	return append(ways,
		wayUp{name: "change the role of one's own assignment", attempt: attempt{"PUT", "{sub}/providers/Microsoft.Authorization/roleAssignments/{mine}?api-version=2022-04-01", assignmentBody("Owner", "{me}")}},
		wayUp{name: "take over the administrator's assignment", attempt: attempt{"PUT", "{sub}/providers/Microsoft.Authorization/roleAssignments/{admins}?api-version=2022-04-01", assignmentBody("Owner", "{me}")}},
		wayUp{name: "remove the administrator's assignment", attempt: attempt{"DELETE", "{sub}/providers/Microsoft.Authorization/roleAssignments/{admins}?api-version=2022-04-01", ""}},
		wayUp{name: "a principal type that is not true", attempt: attempt{"PUT", "{sub}" + assignmentPath, strings.Replace(assignmentBody("Owner", "{me}"), `"principalId"`, `"principalType":"ForeignGroup","principalId"`, 1)}},
		wayUp{name: "a principal type that is not true, with the right to assign", attempt: attempt{"PUT", "{rg}" + assignmentPath, strings.Replace(assignmentBody("Owner", "{me}"), `"principalId"`, `"principalType":"Group","principalId"`, 1)}},
		wayUp{name: "delegatedManagedIdentityResourceId", attempt: attempt{"PUT", "{sub}" + assignmentPath, strings.Replace(assignmentBody("Owner", "{me}"), `"principalId"`, `"delegatedManagedIdentityResourceId":"{identity}","principalId"`, 1)}},
		wayUp{name: "a scope in the body above that of the path", attempt: attempt{"PUT", "{sub}" + assignmentPath, strings.Replace(assignmentBody("Owner", "{me}"), `"principalId"`, `"scope":"/","principalId"`, 1)}},
		wayUp{name: "Owner for a group that one is in", attempt: attempt{"PUT", "{sub}" + assignmentPath, assignmentBody("Owner", "{team}")}},
		wayUp{name: "the delegation's condition forbids Owner", attempt: attempt{"PUT", "{other}" + assignmentPath, assignmentBody("Owner", "{me}")}, only: []string{"delegate"}},
		wayUp{name: "the delegation's condition forbids to change a role", attempt: attempt{"PUT", "{other}/providers/Microsoft.Authorization/roleAssignments/{mine}?api-version=2022-04-01", assignmentBody("Owner", "{me}")}, only: []string{"delegate"}},
		wayUp{name: "elevateAccess", attempt: attempt{"POST", "/providers/Microsoft.Authorization/elevateAccess?api-version=2017-05-01", ""}},
	)
}

// spellingWays reach the subscription by paths that could be taken for the group.
func spellingWays() (ways []wayUp) {
	for _, path := range []string{
		"{rg}/..", "{rg}/%2e%2e", "{rg}/%2E%2E/rg2", "{sub}/resourceGroups/rg%2f..%2fother", "{sub}//resourceGroups/other", "//subscriptions/{subid}",
		"{SUB}", "{sub}/ResourceGroups/OTHER", "{sub}/resourceGroups/other%20", "{sub}/resourceGroups/%6fther", "{rg}/providers/Microsoft.Authorization/../..",
		"/%2Fsubscriptions%2F{subid}", "/%2fsubscriptions%2F{subid}%2FresourceGroups%2fother", "/%2F%2Fsubscriptions%2F{subid}", "/%252Fsubscriptions%252F{subid}",
		"/%2Fsubscriptions%2F{subid}%2FresourceGroups%2Frg%2F..%2Fother", "/%2Fsubscriptions%2F{subid}%2F", "/%2Fproviders%2FMicrosoft.Management%2FmanagementGroups%2F{tenant}", "/%2F",
		"{sub}/resourceGroups/rg%252f..%252fother", "{sub}/resourceGroups/rg%2F", "{sub}/re\u017fourceGroups/other", "{sub}/resourceGroup\u017f/other",
		"{rg}%00", "{rg}%3f", "{sub}/resourceGroups/rg;x=/../other",
	} {
		ways = append(ways, wayUp{name: "a scope spelled " + path, attempt: attempt{"PUT", path + assignmentPath, assignmentBody("Owner", "{me}")}, only: []string{"rg-owner", "rg-uaa", "contributor"}})
	}
	for _, role := range []string{
		"{sub}/providers/Microsoft.Authorization/roleDefinitions/{Owner}/../{Reader}", "{sub}/providers/Microsoft.Authorization/roleDefinitions/{Owner}%20",
		"{sub}/providers/Microsoft.Authorization/roleAssignments/{Owner}", "{Owner}", "", "Owner",
	} {
		body := `{"properties":{"roleDefinitionId":"` + role + `","principalId":"{me}"}}`
		ways = append(ways, wayUp{name: "a role spelled " + role, attempt: attempt{"PUT", "{rg}" + assignmentPath, body}})
	}
	return ways
}

// definitionWays change roles.
func definitionWays() []wayUp {
	put := func(scope, assignable string) attempt {
		return attempt{"PUT", scope + definitionPath, definitionBody(assignable)}
	}
	owners := []string{"rg-owner", "rg-uaa"}
	return []wayUp{
		{name: "a role at the subscription", attempt: put("{sub}", "{sub}")},
		{name: "a role at the root", attempt: put("", "/")},
		{name: "a role at the group with the subscription as assignable scope", attempt: put("{rg}", "{sub}")},
		{name: "a role at the group that is also assignable elsewhere", attempt: attempt{"PUT", "{rg}" + definitionPath, strings.Replace(definitionBody("{rg}"), `"{rg}"`, `"{rg}","{sub}/resourceGroups/other"`, 1)}},
		{name: "a role at the group", attempt: put("{rg}", "{rg}"), allowed: owners},
		{name: "change the built-in role Reader", attempt: attempt{"PUT", "{sub}/providers/Microsoft.Authorization/roleDefinitions/{Reader}?api-version=2022-04-01", definitionBody("{sub}")}},
		{name: "change the built-in role Reader at the group", attempt: attempt{"PUT", "{rg}/providers/Microsoft.Authorization/roleDefinitions/{Reader}?api-version=2022-04-01", definitionBody("{rg}")}},
		{name: "remove the built-in role Reader", attempt: attempt{"DELETE", "{sub}/providers/Microsoft.Authorization/roleDefinitions/{Reader}?api-version=2022-04-01", ""}},
	}
}

// lockWays remove what protects a scope.
func lockWays() []wayUp {
	const lock = "/providers/Microsoft.Authorization/locks/keep?api-version=2020-05-01"
	const deny = "/providers/Microsoft.Authorization/denyAssignments/{new}?api-version=2024-07-01-preview"
	body := `{"properties":{"denyAssignmentName":"d","permissions":[{"actions":["*"]}],"principals":[{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}],"excludePrincipals":[{"id":"{me}","type":"ServicePrincipal"}],"scope":"{sub}"}}`
	return []wayUp{
		{name: "remove a lock", attempt: attempt{"DELETE", "{other}" + lock, ""}},
		{name: "weaken a lock", attempt: attempt{"PUT", "{other}" + lock, `{"properties":{"level":"NotSpecified"}}`}},
		{name: "delete what a lock protects", attempt: attempt{"DELETE", "{other}?api-version=2021-04-01", ""}},
		{name: "deny everyone else", attempt: attempt{"PUT", "{sub}" + deny, body}},
		{name: "remove a deny assignment", attempt: attempt{"DELETE", "{sub}" + deny, ""}, only: []string{"nobody", "reader", "contributor", "tagger", "rg-owner"}},
	}
}

// hierarchyWays change which management group a subscription is below.
func hierarchyWays() []wayUp {
	const groups = "/providers/Microsoft.Management/managementGroups/"
	return []wayUp{
		// As in Azure, everyone may create a management group and is its Owner. No subscription is below it.
		{name: "the subscription below a management group of one's own", attempt: attempt{"PUT", groups + "own-{attacker}/subscriptions/{subid}" + groupsVersion, ""}},
		{name: "a management group of one's own above that of the administrator", attempt: attempt{"PATCH", groups + "admins" + groupsVersion, `{"parentGroupId":"` + groups + `own-{attacker}"}`}},
		{name: "Owner of the management group of the administrator", attempt: attempt{"PUT", groups + "admins" + assignmentPath, assignmentBody("Owner", "{me}")}},
		{name: "the subscription below a management group", attempt: attempt{"PUT", groups + "{tenant}/subscriptions/{subid}" + groupsVersion, ""}},
		{name: "the subscription out of its management group", attempt: attempt{"DELETE", groups + "{tenant}/subscriptions/{subid}" + groupsVersion, ""}},
		{name: "rename the root group", attempt: attempt{"PATCH", groups + "{tenant}" + groupsVersion, `{"displayName":"mine"}`}},
		{name: "remove the root group", attempt: attempt{"DELETE", groups + "{tenant}" + groupsVersion, ""}},
		{name: "an alias that gives the subscription to the attacker", attempt: attempt{"PUT", "/providers/Microsoft.Subscription/aliases/mine?api-version=2021-10-01", `{"properties":{"subscriptionId":"{subid}","additionalProperties":{"subscriptionOwnerId":"{me}"}}}`}, allowed: []string{"contributor"}},
		{name: "cancel the subscription", attempt: attempt{"POST", "{sub}/providers/Microsoft.Subscription/cancel?api-version=2021-10-01", ""}},
		{name: "cancel the subscription by its path at the tenant", attempt: attempt{"POST", "/providers/Microsoft.Subscription/subscriptions/{subid}/cancel?api-version=2021-10-01", ""}},
		{name: "rename the subscription by its path at the tenant", attempt: attempt{"POST", "/providers/Microsoft.Subscription/subscriptions/{subid}/rename?api-version=2021-10-01", `{"subscriptionName":"mine"}`}, allowed: []string{"contributor"}},
		{name: "settings of the hierarchy", attempt: attempt{"PUT", groups + "{tenant}/settings/default" + groupsVersion, `{"properties":{"defaultManagementGroup":"` + groups + `own-{attacker}"}}`}},
		{name: "a group below that of the administrator", attempt: attempt{"PUT", groups + "below-{attacker}" + groupsVersion, `{"properties":{"details":{"parent":{"id":"` + groups + `admins"}}}}`}},
		{name: "a subscription below the group of the administrator", attempt: attempt{"PUT", "/providers/Microsoft.Subscription/aliases/below?api-version=2021-10-01", `{"properties":{"displayName":"below","workload":"Production","billingScope":"/b","additionalProperties":{"managementGroupId":"` + groups + `admins"}}}`}},
		{name: "rename the subscription", attempt: attempt{"POST", "{sub}/providers/Microsoft.Subscription/rename?api-version=2021-10-01", `{"subscriptionName":"mine"}`}, allowed: []string{"contributor"}},
	}
}

// identityWays become an identity, which is Owner of the subscription.
func identityWays() []wayUp {
	machine := `{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{"{identity}":{}}},"properties":{}}`
	const version = "?api-version=2024-07-01"
	return []wayUp{
		{name: "attach the identity to a new machine", attempt: attempt{"PUT", "{rg}/providers/Microsoft.Compute/virtualMachines/mine" + version, machine}, allowed: []string{"contributor", "rg-owner"}},
		{name: "attach the identity to one's machine", attempt: attempt{"PATCH", "{vm}" + version, machine}, allowed: []string{"contributor", "rg-owner"}},
		{name: "attach the identity to a resource of any type", attempt: attempt{"PUT", "{rg}/providers/Microsoft.Web/sites/mine?api-version=2023-12-01", machine}, allowed: []string{"contributor", "rg-owner"}},
		{name: "a federated credential of the identity", attempt: attempt{"PUT", "{identity}/federatedIdentityCredentials/mine?api-version=2023-01-31", `{"properties":{"issuer":"https://evil.example","subject":"me","audiences":["api://AzureADTokenExchange"]}}`}, allowed: []string{"contributor", "mi-contributor", "rg-owner"}},
		{name: "replace the identity", attempt: attempt{"PUT", "{identity}?api-version=2023-01-31", `{"location":"eastus"}`}, allowed: []string{"contributor", "mi-contributor", "rg-owner"}},
		{name: "enroll a host as the machine", attempt: attempt{"POST", "{vm}/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01", ""}, allowed: []string{"contributor", "rg-owner"}},
	}
}

// graphWays go through the directory. No attacker has a right there.
func graphWays() []wayUp {
	reference := `{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/{me}"}`
	ways := []wayUp{
		{name: "become a member of a group with a role", attempt: attempt{"POST", "/v1.0/groups/{admingroup}/members/$ref", reference}},
		{name: "become an owner of a group with a role", attempt: attempt{"POST", "/v1.0/groups/{admingroup}/owners/$ref", reference}},
		{name: "a password of the administrator's application", attempt: attempt{"POST", "/v1.0/applications/{adminapp}/addPassword", `{}`}},
		{name: "a password of the administrator's service principal", attempt: attempt{"POST", "/v1.0/servicePrincipals/{adminsp}/addPassword", `{}`}},
		{name: "a federated credential of the administrator's application", attempt: attempt{"POST", "/v1.0/applications/{adminapp}/federatedIdentityCredentials", `{"name":"evil","issuer":"https://evil.example","subject":"me","audiences":["api://AzureADTokenExchange"]}`}},
		{name: "become an owner of the administrator's application", attempt: attempt{"POST", "/v1.0/applications/{adminapp}/owners/$ref", reference}},
		{name: "Global Administrator", attempt: attempt{"POST", "/v1.0/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members/$ref", reference}},
		{name: "an app role of Microsoft Graph", attempt: attempt{"POST", "/v1.0/servicePrincipals/{me}/appRoleAssignments", `{"principalId":"{me}","resourceId":"{graphsp}","appRoleId":"9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"}`}},
		{name: "the administrator's password", attempt: attempt{"PATCH", "/v1.0/users/{adminuser}", `{"passwordProfile":{"password":"Evil-Password-77"}}`}},
		{name: "a new user", attempt: attempt{"POST", "/v1.0/users", `{"accountEnabled":true,"displayName":"x","mailNickname":"x","userPrincipalName":"x@midas.localhost","passwordProfile":{"password":"Evil-Password-77"}}`}},
		{name: "a new group", attempt: attempt{"POST", "/v1.0/groups", `{"displayName":"x","mailNickname":"x","mailEnabled":false,"securityEnabled":true}`}},
	}
	for i := range ways {
		ways[i].only = []string{"nobody", "contributor", "rg-owner"}
	}
	return ways
}

// battlefield is a server with the attackers and what they are after.
type battlefield struct {
	*midastest.Server
	data    string
	ids     map[string]string
	tokens  map[string]map[string]string // by attacker and resource
	objects map[string]string            // object ids by attacker
	mine    map[string]string            // names of role assignments by attacker
	last    map[string]string            // the records after the last attempt
}

const graphAPI = "https://graph.microsoft.com"

func newBattlefield(t *testing.T) *battlefield {
	t.Helper()
	w := &battlefield{tokens: map[string]map[string]string{}, objects: map[string]string{}, mine: map[string]string{}}
	w.Server = midastest.Start(t, midastest.With(func(c *midas.Config) { w.data = c.Data }))
	w.ids = map[string]string{
		"subid": w.SubscriptionID, "tenant": w.TenantID, "sub": "/subscriptions/" + w.SubscriptionID, "SUB": "/SUBSCRIPTIONS/" + strings.ToUpper(w.SubscriptionID),
		"rg": "/subscriptions/" + w.SubscriptionID + "/resourceGroups/rg", "other": "/subscriptions/" + w.SubscriptionID + "/resourceGroups/other",
	}
	w.ids["identity"] = w.ids["rg"] + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/boss"
	w.ids["vm"] = w.ids["rg"] + "/providers/Microsoft.Compute/virtualMachines/vm"
	w.tokens["admin"] = map[string]string{"arm": w.Token(t, midastest.Management), "graph": w.Token(t, graphAPI)}
	for _, role := range []string{"Owner", "Reader", "Role Based Access Control Administrator"} {
		w.ids[role] = w.role(t, role)
	}
	admin := func(method, path, body string) map[string]any {
		return w.want(t, 0, "admin", attempt{method, path, body})
	}
	for _, group := range []string{"{rg}", "{other}", "{sub}/resourceGroups/rg2"} {
		admin("PUT", group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	}
	boss := admin("PUT", "{identity}?api-version=2023-01-31", `{"location":"eastus"}`)
	admin("PUT", "{sub}"+assignmentPath, assignmentBody("Owner", boss["properties"].(map[string]any)["principalId"].(string)))
	admin("PUT", "{vm}?api-version=2024-07-01", `{"location":"eastus","properties":{}}`)
	admin("PUT", "{other}/providers/Microsoft.Authorization/locks/keep?api-version=2020-05-01", `{"properties":{"level":"CanNotDelete"}}`)
	admin("PUT", "/providers/Microsoft.Management/managementGroups/admins"+groupsVersion, "{}")
	w.directory(t, admin)
	for name, role := range attackerRoles() {
		w.addAttacker(t, name, role[0], role[1], "")
		w.want(t, 0, name, attempt{"PUT", "/providers/Microsoft.Management/managementGroups/own-{attacker}" + groupsVersion, "{}"})
	}
	w.addAttacker(t, "delegate", "Role Based Access Control Administrator", "{other}",
		"((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {"+w.ids["Reader"]+"}))")
	return w
}

// directory makes the groups, and finds the objects of the administrator.
func (w *battlefield) directory(t *testing.T, admin func(method, path, body string) map[string]any) {
	t.Helper()
	for _, name := range []string{"admingroup", "team"} {
		made := admin("POST", "/v1.0/groups", `{"displayName":"`+name+`","mailNickname":"x","mailEnabled":false,"securityEnabled":true}`)
		w.ids[name] = made["id"].(string)
	}
	admin("PUT", "{sub}"+assignmentPath, assignmentBody("Owner", w.ids["admingroup"]))
	first := func(path string) string {
		return admin("GET", path, "")["value"].([]any)[0].(map[string]any)["id"].(string)
	}
	filter := "?$filter=" + url.QueryEscape("appId eq '"+w.ClientID+"'")
	w.ids["adminapp"], w.ids["adminsp"] = first("/v1.0/applications"+filter), first("/v1.0/servicePrincipals"+filter)
	w.ids["adminuser"] = first("/v1.0/users")
	w.ids["graphsp"] = first("/v1.0/servicePrincipals?$filter=" + url.QueryEscape("appId eq '00000003-0000-0000-c000-000000000000'"))
	list := admin("GET", "{sub}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter="+url.QueryEscape("principalId eq '"+w.ids["adminsp"]+"'"), "")
	w.ids["admins"] = list["value"].([]any)[0].(map[string]any)["name"].(string)
}

func (w *battlefield) role(t *testing.T, name string) string {
	t.Helper()
	list := w.want(t, 0, "admin", attempt{"GET", "{sub}/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01&$filter=" + url.QueryEscape("roleName eq '"+name+"'"), ""})
	return list["value"].([]any)[0].(map[string]any)["name"].(string)
}

// addAttacker makes an application with a secret and a role, and signs it in.
func (w *battlefield) addAttacker(t *testing.T, name, role, scope, condition string) {
	t.Helper()
	app := w.want(t, 0, "admin", attempt{"POST", "/v1.0/applications", `{"displayName":"` + name + `"}`})
	sp := w.want(t, 0, "admin", attempt{"POST", "/v1.0/servicePrincipals", fmt.Sprintf(`{"appId":%q}`, app["appId"])})
	secret := w.want(t, 0, "admin", attempt{"POST", fmt.Sprintf("/v1.0/applications/%s/addPassword", app["id"]), `{}`})
	w.objects[name], w.mine[name] = sp["id"].(string), uuid.NewString()
	w.want(t, 0, "admin", attempt{"POST", "/v1.0/groups/{team}/members/$ref", `{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/` + w.objects[name] + `"}`})
	if role != "" {
		w.ids[role] = w.role(t, role)
		body := assignmentBody(role, w.objects[name])
		if condition != "" {
			text, _ := json.Marshal(condition)
			body = strings.Replace(body, `"principalId"`, `"condition":`+string(text)+`,"conditionVersion":"2.0","principalId"`, 1)
		}
		w.want(t, 0, "admin", attempt{"PUT", scope + "/providers/Microsoft.Authorization/roleAssignments/" + w.mine[name] + "?api-version=2022-04-01", body})
	}
	w.tokens[name] = map[string]string{}
	for api, resource := range map[string]string{"arm": midastest.Management, "graph": graphAPI + "/"} {
		w.tokens[name][api] = w.signIn(t, app["appId"].(string), secret["secretText"].(string), resource)
	}
}

func (w *battlefield) signIn(t *testing.T, client, secret, resource string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret}, "scope": {resource + ".default"}}
	resp, err := w.Client().PostForm(w.Endpoint+"/"+w.TenantID+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("sign in %s: %d %v", client, resp.StatusCode, err)
	}
	return answer.Token
}

// fill replaces the names in a text.
func (w *battlefield) fill(as, text string) string {
	pairs := []string{"{attacker}", as, "{me}", w.objects[as], "{new}", uuid.NewString(), "{mine}", w.mine[as]}
	for name, id := range w.ids {
		pairs = append(pairs, "{"+name+"}", id)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// request makes the request of an attempt as one of the attackers, with its path as it is written.
func (w *battlefield) request(t *testing.T, as string, a attempt, body io.Reader) *http.Request {
	t.Helper()
	api := "arm"
	if strings.HasPrefix(a.path, "/v1.0/") {
		api = "graph"
	}
	address, err := url.Parse(w.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	path, query, _ := strings.Cut(w.fill(as, a.path), "?")
	req, err := http.NewRequestWithContext(t.Context(), a.method, w.Endpoint, body)
	if err != nil {
		t.Fatal(err)
	}
	address.Opaque, address.RawQuery = "//"+address.Host+strings.ReplaceAll(path, " ", "%20"), query
	req.URL = address
	req.Header.Set("Authorization", "Bearer "+w.tokens[as][api])
	if a.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return req
}

// send sends a request as one of the attackers.
func (w *battlefield) send(t *testing.T, as string, a attempt) (int, string) {
	t.Helper()
	resp, err := w.Client().Do(w.request(t, as, a, strings.NewReader(w.fill(as, a.body))))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// want sends a request that must get a status; 0 is any success.
func (w *battlefield) want(t *testing.T, status int, as string, a attempt) (answer map[string]any) {
	t.Helper()
	code, body := w.send(t, as, a)
	if status != 0 && code != status || status == 0 && code >= 300 {
		t.Fatalf("%s %s as %s: %d %s", a.method, a.path, as, code, body)
	}
	_ = json.Unmarshal([]byte(body), &answer)
	return answer
}

// attempt tries a way up.
func (w *battlefield) attempt(t *testing.T, way wayUp, attacker string) {
	t.Helper()
	if w.last == nil {
		w.last = w.records(t)
	}
	code, body := w.send(t, attacker, way.attempt)
	if code < 400 || code >= 500 {
		t.Errorf("%s as %s: %s %s is answered %d %s", way.name, attacker, way.method, way.path, code, body)
	}
	before := w.last
	w.last = w.records(t)
	if diff := cmp.Diff(before, w.last); diff != "" {
		t.Errorf("%s as %s has changed (-before +after)\n%s", way.name, attacker, diff)
	}
}

// records is the whole store, but for the logs and the clock.
func (w *battlefield) records(t *testing.T) map[string]string {
	t.Helper()
	var dump bytes.Buffer
	if err := midas.Dump(t.Context(), midas.Config{Data: w.data, Store: "memory:"}, &dump); err != nil {
		t.Fatal(err)
	}
	records := map[string]string{}
	for line := range strings.Lines(dump.String()) {
		var rec struct {
			Key   string
			Value json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(rec.Key, "x/") && !strings.HasPrefix(rec.Key, "xr/") && rec.Key != "m/clock" {
			records[rec.Key] = string(rec.Value)
		}
	}
	if len(records) < 50 {
		t.Fatalf("the dump has only %d records", len(records))
	}
	return records
}
