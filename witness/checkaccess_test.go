package witness_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	checkaccess "github.com/Azure/checkaccess-v2-go-sdk/client"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// Roles of the tests.
const (
	roleReader      = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	roleContributor = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	roleSecretsUser = "4633458b-17de-408a-b874-0445c86b69e6"
)

const (
	checkAccessPath  = "/providers/Microsoft.Authorization/checkAccess?api-version=2021-06-01-preview"
	checkAccessScope = "https://authorization.azure.net/.default"
	readSecret       = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
)

// decisions is the SDK for checkAccess with a credential.
func (w *world) decisions(t testing.TB, credential azcore.TokenCredential) checkaccess.RemotePDPClient {
	t.Helper()
	options := w.client()
	client, err := checkaccess.NewRemotePDPClient(w.Endpoint+checkAccessPath, checkAccessScope, credential, &options)
	check(t, err)
	return client
}

// assign gives a principal a role at a scope and returns the name of the assignment.
func (w *world) assign(t testing.TB, scope, role, principal string) string {
	t.Helper()
	name := uuid.NewString()
	_, err := w.authorization(t).NewRoleAssignmentsClient().Create(t.Context(), scope, name, armauthorization.RoleAssignmentCreateParameters{
		Properties: &armauthorization.RoleAssignmentProperties{RoleDefinitionID: new(w.role(role)), PrincipalID: &principal},
	}, nil)
	check(t, err)
	return name
}

// graphCall sends a request to Microsoft Graph as the administrator and returns the answer.
func (w *world) graphCall(t testing.TB, method, path, body string) map[string]any {
	t.Helper()
	status, answer := w.send(t, method, w.Endpoint+"/v1.0/"+path, w.Token(t, "https://graph.microsoft.com"), body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	var decoded map[string]any
	_ = json.Unmarshal([]byte(answer), &decoded) // empty for 204
	return decoded
}

// send sends a request with a bearer token and returns the status and the body.
func (w *world) send(t testing.TB, method, url, bearer, body string) (int, string) {
	t.Helper()
	status, text, _ := w.exchange(t, method, url, bearer, body)
	return status, text
}

func (w *world) exchange(t testing.TB, method, url, bearer, body string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	check(t, err)
	req.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := w.guard.Do(req)
	check(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	check(t, err)
	return resp.StatusCode, string(text), resp.Header
}

// resource makes a resource without properties.
func (w *world) resource(t testing.TB, id, version string) {
	t.Helper()
	status, body := w.send(t, "PUT", w.Endpoint+id+"?api-version="+version, w.Token(t, "https://management.azure.com"), `{"location":"eastus","properties":{}}`)
	if status/100 != 2 {
		t.Fatalf("PUT %s: %d %s", id, status, body)
	}
}

// user makes a user and returns its object id.
func (w *world) user(t testing.TB, name string) string {
	t.Helper()
	domain := w.graphCall(t, "GET", "domains", "")["value"].([]any)[0].(map[string]any)["id"].(string)
	made := w.graphCall(t, "POST", "users", fmt.Sprintf(`{"accountEnabled":true,"displayName":%q,"mailNickname":%q,
		"userPrincipalName":%q,"passwordProfile":{"password":"correct horse battery 7 Staple"}}`, name, name, name+"@"+domain))
	return made["id"].(string)
}

// groupOf makes a security group with members and returns its object id.
func (w *world) groupOf(t testing.TB, name string, members ...string) string {
	t.Helper()
	id := w.graphCall(t, "POST", "groups", fmt.Sprintf(`{"displayName":%q,"mailNickname":%q,"mailEnabled":false,"securityEnabled":true}`, name, name))["id"].(string)
	for _, member := range members {
		w.graphCall(t, "POST", "groups/"+id+"/members/$ref", fmt.Sprintf(`{"@odata.id":"%s/v1.0/directoryObjects/%s"}`, w.Endpoint, member))
	}
	return id
}

// app makes an application with a secret and returns a credential and the object id of its service principal.
func (w *world) app(t testing.TB, name string) (*azidentity.ClientSecretCredential, string) {
	t.Helper()
	application := w.graphCall(t, "POST", "applications", fmt.Sprintf(`{"displayName":%q}`, name))
	principal := w.graphCall(t, "POST", "servicePrincipals", fmt.Sprintf(`{"appId":%q}`, application["appId"]))
	secret := w.graphCall(t, "POST", "applications/"+application["id"].(string)+"/addPassword", `{"passwordCredential":{"displayName":"x"}}`)
	return w.secret(t, w.TenantID, application["appId"].(string), secret["secretText"].(string)), principal["id"].(string)
}

func decided(t testing.TB, client checkaccess.RemotePDPClient, q checkaccess.AuthorizationRequest) (all []string) {
	t.Helper()
	got, err := client.CheckAccess(t.Context(), q)
	check(t, err)
	for _, d := range got.Value {
		all = append(all, string(d.AccessDecision))
	}
	return all
}

func question(subject, resource string, actions ...checkaccess.ActionInfo) checkaccess.AuthorizationRequest {
	return checkaccess.AuthorizationRequest{
		Subject: checkaccess.SubjectInfo{Attributes: checkaccess.SubjectAttributes{ObjectId: subject}},
		Actions: actions, Resource: checkaccess.ResourceInfo{Id: resource},
	}
}

// TestCheckAccessSDK runs Microsoft's SDK for checkAccess unmodified, as a resource service uses it: with an application
// of its own that may read role assignments.
func TestCheckAccessSDK(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	service, servicePrincipal := w.app(t, "service")
	w.assign(t, group, roleReader, servicePrincipal)
	alice := w.user(t, "alice")
	team := w.groupOf(t, "team", alice)
	outer := w.groupOf(t, "outer", team)
	vault := group + "/providers/Microsoft.KeyVault/vaults/v"
	w.resource(t, vault, "2023-07-01")
	assignment := w.assign(t, vault, roleSecretsUser, outer)
	client := w.decisions(t, service)

	secret := checkaccess.ActionInfo{Id: readSecret, IsDataAction: true}
	control := checkaccess.ActionInfo{Id: readSecret}
	write := checkaccess.ActionInfo{Id: "Microsoft.KeyVault/vaults/write"}

	t.Run("groups come from the directory if the question asks for it", func(t *testing.T) {
		q := question(alice, vault+"/secrets/s", secret, control, write) // the secret does not exist here
		q.Subject.Attributes.ClaimName = checkaccess.GroupExpansion
		got, err := client.CheckAccess(t.Context(), q)
		check(t, err)
		want := &checkaccess.AuthorizationDecisionResponse{Value: []checkaccess.AuthorizationDecision{
			{
				ActionId: readSecret, AccessDecision: checkaccess.Allowed, IsDataAction: true, TimeToLiveInMs: 60000,
				RoleAssignment: checkaccess.RoleAssignment{
					Id: assignment, RoleDefinitionId: roleSecretsUser, PrincipalId: outer, PrincipalType: "Group", Scope: strings.ToLower(vault),
				},
			},
			{ActionId: readSecret, AccessDecision: checkaccess.NotAllowed, TimeToLiveInMs: 60000},
			{ActionId: write.Id, AccessDecision: checkaccess.NotAllowed, TimeToLiveInMs: 60000},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("groups of the question count if they exist", func(t *testing.T) {
		for name, groups := range map[string][]string{
			"Allowed":    {outer},
			"NotAllowed": {team, servicePrincipal, uuid.NewString()},
		} {
			q := question(alice, vault, secret)
			q.Subject.Attributes.Groups = groups
			if got := decided(t, client, q); !slices.Equal(got, []string{name}) {
				t.Errorf("groups %v: %v", groups, got)
			}
		}
		if got := decided(t, client, question(alice, vault, secret)); !slices.Equal(got, []string{"NotAllowed"}) {
			t.Errorf("no groups: %v", got)
		}
		q := question(alice, vault, secret) // the rights of a user are not those of a group with its id
		q.Subject.Attributes.ObjectId, q.Subject.Attributes.Groups = alice, []string{servicePrincipal}
		q.Actions = []checkaccess.ActionInfo{{Id: "Microsoft.KeyVault/vaults/read"}}
		if got := decided(t, client, q); !slices.Equal(got, []string{"NotAllowed"}) {
			t.Errorf("a service principal as a group: %v", got)
		}
	})
	t.Run("a change is in the next answer", func(t *testing.T) {
		q := question(alice, vault, secret)
		q.Subject.Attributes.ClaimName = checkaccess.GroupExpansion
		w.graphCall(t, "DELETE", "groups/"+outer+"/members/"+team+"/$ref", "")
		if got := decided(t, client, q); !slices.Equal(got, []string{"NotAllowed"}) {
			t.Errorf("after the group has lost its member: %v", got)
		}
		w.assign(t, vault, roleSecretsUser, alice)
		if got := decided(t, client, q); !slices.Equal(got, []string{"Allowed"}) {
			t.Errorf("after the assignment: %v", got)
		}
		w.graphCall(t, "PATCH", "users/"+alice, `{"accountEnabled":false}`)
		if got := decided(t, client, q); !slices.Equal(got, []string{"NotAllowed"}) {
			t.Errorf("after the user was disabled: %v", got)
		}
		q.Subject.Attributes.ObjectId = uuid.NewString()
		if got := decided(t, client, q); !slices.Equal(got, []string{"NotAllowed"}) {
			t.Errorf("a subject that does not exist: %v", got)
		}
	})
	t.Run("the SDK makes the question from a token", func(t *testing.T) {
		q, err := client.CreateAuthorizationRequest(vault, []string{write.Id}, w.Token(t, "https://management.azure.com"))
		check(t, err)
		if got := decided(t, client, *q); !slices.Equal(got, []string{"Allowed"}) { // the administrator is Owner
			t.Errorf("the administrator: %v", got)
		}
	})
}

// TestCheckAccessIsRefused: every refusal has the form {statusCode, message} that the SDK decodes, and does not tell
// whether a resource exists.
func TestCheckAccessIsRefused(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	service, _ := w.app(t, "service")
	none := w.decisions(t, service)
	refused := map[string]bool{}
	for _, resource := range []string{
		group, group + "/providers/Microsoft.KeyVault/vaults/v", w.scope() + "/resourceGroups/none", "/subscriptions/" + uuid.NewString(), "/",
		"/providers/Microsoft.Management/managementGroups/" + w.TenantID, "/providers/Microsoft.Management/managementGroups/none",
	} {
		_, err := none.CheckAccess(t.Context(), question(uuid.NewString(), resource, checkaccess.ActionInfo{Id: readSecret}))
		wantRefusal(t, err, 403, "403")
		var refusal *azcore.ResponseError
		if errors.As(err, &refusal) {
			refusal.RawResponse.Body = http.NoBody
			refused[fmt.Sprint(refusal.RawResponse.Header["X-Ms-Error-Code"], refusal.RawResponse.ContentLength)] = true
		}
	}
	if len(refused) != 1 {
		t.Errorf("refusals differ: %v", refused)
	}
	_, err := w.decisions(t, w.admin(t)).CheckAccess(t.Context(), question("not a guid", group, checkaccess.ActionInfo{Id: readSecret}))
	wantRefusal(t, err, 400, "400")

	token := w.Token(t, "https://authorization.azure.net")
	long := strings.Repeat("x", 600)
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	subject := `"Subject":{"Attributes":{"ObjectId":"` + uuid.NewString() + `"}}`
	action, resource := `"Actions":[{"Id":"A.B/c/read"}]`, `"Resource":{"Id":"`+group+`"}`
	for name, test := range map[string]struct {
		method, path, bearer, body string
		status                     int
	}{
		"no token":               {"POST", checkAccessPath, "", "{}", 401},
		"a token for ARM":        {"POST", checkAccessPath, w.Token(t, "https://management.azure.com"), "{}", 401},
		"no body":                {"POST", checkAccessPath, token, "", 400},
		"not JSON":               {"POST", checkAccessPath, token, "{", 400},
		"an array":               {"POST", checkAccessPath, token, "[]", 400},
		"a wrong type":           {"POST", checkAccessPath, token, `{"Actions":7}`, 400},
		"no subject":             {"POST", checkAccessPath, token, "{" + action + "," + resource + "}", 400},
		"no actions":             {"POST", checkAccessPath, token, "{" + subject + "," + resource + "}", 400},
		"no resource":            {"POST", checkAccessPath, token, "{" + subject + "," + action + "}", 400},
		"a bad resource":         {"POST", checkAccessPath, token, "{" + subject + "," + action + `,"Resource":{"Id":"x?y"}}`, 400},
		"a long action":          {"POST", checkAccessPath, token, "{" + subject + `,"Actions":[{"Id":"` + long + `"}],` + resource + "}", 400},
		"an empty action":        {"POST", checkAccessPath, token, "{" + subject + `,"Actions":[{"Id":""}],` + resource + "}", 400},
		"too many actions":       {"POST", checkAccessPath, token, "{" + subject + `,"Actions":[` + many(501, `{"Id":"A.B/c/read"}`) + "]," + resource + "}", 400},
		"too many groups":        {"POST", checkAccessPath, token, `{"Subject":{"Attributes":{"ObjectId":"` + uuid.NewString() + `","Groups":[` + many(1025, `"`+uuid.NewString()+`"`) + "]}}," + action + "," + resource + "}", 400},
		"a group without a guid": {"POST", checkAccessPath, token, `{"Subject":{"Attributes":{"ObjectId":"` + uuid.NewString() + `","Groups":["admins"]}},` + action + "," + resource + "}", 400},
		"a bad _claim_names":     {"POST", checkAccessPath, token, `{"Subject":{"Attributes":{"ObjectId":"` + uuid.NewString() + `","_claim_names":"x"}},` + action + "," + resource + "}", 400},
		"another tenant":         {"POST", checkAccessPath, token, `{"Subject":{"Attributes":{"ObjectId":"` + uuid.NewString() + `","tid":"` + uuid.NewString() + `"}},` + action + "," + resource + "}", 400},
		"a long attribute":       {"POST", checkAccessPath, token, "{" + subject + "," + action + `,"Resource":{"Id":"` + group + `","Attributes":{"` + long + `":1}}}`, 400},
		"a fraction":             {"POST", checkAccessPath, token, "{" + subject + "," + action + `,"Resource":{"Id":"` + group + `","Attributes":{"a:b":1.5}}}`, 400},
		"a nested attribute":     {"POST", checkAccessPath, token, "{" + subject + "," + action + `,"Resource":{"Id":"` + group + `","Attributes":{"a:b":{"c":[]}}}}`, 400},
		"deep nesting":           {"POST", checkAccessPath, token, strings.Repeat("[", 200) + strings.Repeat("]", 200), 400},
		"too long":               {"POST", checkAccessPath, token, `{"x":"` + strings.Repeat("x", 300<<10) + `"}`, 413},
		"another version":        {"POST", strings.ReplaceAll(checkAccessPath, "2021", "2020"), token, "{}", 400},
		"no version":             {"POST", "/providers/Microsoft.Authorization/checkAccess", token, "{}", 400},
		"another method":         {"PUT", checkAccessPath, token, "{}", 405},
		"GET without a token":    {"GET", checkAccessPath, token, "", 400},
		"a forged skip token":    {"GET", checkAccessPath + "&$skipToken=abcd", token, "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := w.send(t, test.method, w.Endpoint+test.path, test.bearer, test.body)
			var decoded struct {
				StatusCode int
				Message    string
			}
			if err := json.Unmarshal([]byte(body), &decoded); err != nil || status != test.status || decoded.StatusCode != status || decoded.Message == "" {
				t.Errorf("%d %s, want %d", status, body, test.status)
			}
			if strings.Contains(body, "midas/") || strings.Contains(body, "decision.") {
				t.Errorf("the error names a type of Go: %s", body)
			}
		})
	}
}

// TestCheckAccessPages: more than 50 decisions come in pages. A client that takes the first page for the whole answer, as
// guard does, sees a refusal if there is one anywhere.
func TestCheckAccessPages(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	alice := w.user(t, "alice")
	w.assign(t, group, roleReader, alice)
	q := question(alice, group)
	for i := range 120 {
		q.Actions = append(q.Actions, checkaccess.ActionInfo{Id: fmt.Sprintf("A.B/c%d/read", i)})
	}
	order := func() []string {
		got, err := w.decisions(t, w.admin(t)).CheckAccess(t.Context(), q)
		check(t, err)
		return w.follow(t, got)
	}
	var want []string
	for _, a := range q.Actions {
		want = append(want, a.Id+" Allowed")
	}
	if diff := cmp.Diff(want, order()); diff != "" {
		t.Error(diff)
	}
	q.Actions[77].Id, q.Actions[99].Id = "A.B/x/write", "A.B/y/write"
	got := order()
	if len(got) != 120 || got[49] != "A.B/x/write NotAllowed" || !slices.Contains(got, "A.B/y/write NotAllowed") {
		t.Errorf("with refusals on later pages: %q", got)
	}
	q.Actions[3].Id = "A.B/z/write"
	if got = order(); got[3] != "A.B/z/write NotAllowed" || got[77] != "A.B/x/write NotAllowed" || got[99] != "A.B/y/write NotAllowed" {
		t.Errorf("with a refusal on the first page: %q", got)
	}

	first, err := w.decisions(t, w.admin(t)).CheckAccess(t.Context(), q)
	check(t, err)
	service, principal := w.app(t, "other")
	w.assign(t, group, roleReader, principal)
	token, err := service.GetToken(t.Context(), policyFor(checkAccessScope))
	check(t, err)
	if status, body := w.send(t, "GET", first.NextLink, token.Token, ""); status != 400 {
		t.Errorf("another caller has got the next page: %d %s", status, body)
	}
	if status, body := w.send(t, "POST", first.NextLink, w.Token(t, "https://authorization.azure.net"), "{}"); status != 200 {
		t.Errorf("the next page by POST: %d %s", status, body)
	}
	q.Actions = nil
	for range 500 { // names that cannot be compressed, so that the rest does not fit into a link
		q.Actions = append(q.Actions, checkaccess.ActionInfo{Id: "A.B/" + uuid.NewString() + uuid.NewString() + uuid.NewString() + "/read"})
	}
	whole, err := w.decisions(t, w.admin(t)).CheckAccess(t.Context(), q)
	check(t, err)
	if len(whole.Value) != 500 || whole.NextLink != "" {
		t.Errorf("%d decisions and the link %q", len(whole.Value), whole.NextLink)
	}
}

// follow reads all pages of an answer and returns each action with its decision.
func (w *world) follow(t testing.TB, page *checkaccess.AuthorizationDecisionResponse) (all []string) {
	t.Helper()
	for {
		if len(page.Value) > 50 {
			t.Fatalf("a page of %d", len(page.Value))
		}
		for _, d := range page.Value {
			all = append(all, d.ActionId+" "+string(d.AccessDecision))
		}
		if page.NextLink == "" {
			return all
		}
		status, body := w.send(t, "GET", page.NextLink, w.Token(t, "https://authorization.azure.net"), "")
		if page = new(checkaccess.AuthorizationDecisionResponse); status != 200 || json.Unmarshal([]byte(body), page) != nil || len(all) > 1000 {
			t.Fatalf("next page: %d %s", status, body)
		}
	}
}

// TestCheckAccessAtTheNamesOfRegions: the host of every region leads to checkAccess, and its pages stay at that host.
func TestCheckAccessAtTheNamesOfRegions(t *testing.T) {
	const host = "westus2.authorization.azure.net"
	w := start(t, host+":443")
	q := question(w.user(t, "alice"), w.scope())
	for i := range 60 {
		q.Actions = append(q.Actions, checkaccess.ActionInfo{Id: fmt.Sprintf("A.B/c%d/read", i)})
	}
	body, err := json.Marshal(q)
	check(t, err)
	status, text := w.send(t, "POST", "https://"+host+"/providers/microsoft.authorization/checkaccess?api-version=2021-06-01-preview", w.Token(t, "https://authorization.azure.net/"), string(body))
	var page checkaccess.AuthorizationDecisionResponse
	if status != 200 || json.Unmarshal([]byte(text), &page) != nil || len(page.Value) != 50 || !strings.HasPrefix(page.NextLink, "https://"+host+"/providers/") {
		t.Errorf("%d %s", status, text)
	}
	if status, text = w.send(t, "GET", "https://"+host+"/other", "", ""); status != 404 || !strings.Contains(text, `"statusCode":404`) {
		t.Errorf("another path: %d %s", status, text)
	}
}

func policyFor(scope string) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{scope}}
}

// TestCheckAccessOfARM asks with version 1, below the path of a resource, and decodes what guard decodes.
func TestCheckAccessOfARM(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	alice := w.user(t, "alice")
	w.assign(t, group, roleSecretsUser, alice)
	vault := group + "/providers/Microsoft.KeyVault/vaults/v/namespaces/n"
	const version = "/providers/Microsoft.Authorization/checkaccess?api-version=2018-09-01-preview"
	ask := func(resource string, actions ...string) (int, string, http.Header) {
		t.Helper()
		var list []string
		for _, a := range actions {
			list = append(list, fmt.Sprintf(`{"Id":%q,"IsDataAction":true,"Attributes":null}`, a))
		}
		body := fmt.Sprintf(`{"Subject":{"Attributes":{"ObjectId":%q}},"Actions":[%s],"Resource":{"Id":%q}}`, alice, strings.Join(list, ","), resource)
		return w.exchange(t, "POST", w.Endpoint+vault+version, w.Token(t, "https://management.azure.com"), body)
	}
	batch := slices.Repeat([]string{readSecret}, 200)
	batch[150] = "Microsoft.KeyVault/vaults/secrets/setSecret/action"
	status, text, header := ask(vault, batch...)
	var answer []struct {
		AccessDecision, ActionId string
		IsDataAction             bool
		RoleAssignment           struct{ Id, RoleDefinitionId, PrincipalId, PrincipalType, Scope, Condition string }
		DenyAssignment           struct{ Id, Name, Scope, IsSystemProtected string }
		TimeToLiveInMs           int
	}
	if status != 200 || json.Unmarshal([]byte(text), &answer) != nil || len(answer) != 200 {
		t.Fatalf("%d %s", status, text)
	}
	for i, d := range answer {
		if d.ActionId != batch[i] || (d.AccessDecision == "Allowed") != (i != 150) || (d.RoleAssignment.PrincipalId == alice) != (i != 150) || d.TimeToLiveInMs != 60000 {
			t.Fatalf("decision %d: %+v", i, d)
		}
	}
	if header.Get("X-Ms-Ratelimit-Remaining-Subscription-Reads") != "11999" {
		t.Errorf("guard would close its connections: %v", header)
	}
	if status, text, _ = ask(group, readSecret); status != 400 || armCode(text) != "InvalidRequestContent" {
		t.Errorf("a question about a resource above the path: %d %s", status, text)
	}
	service, _ := w.app(t, "without a role")
	token, err := service.GetToken(t.Context(), policyFor("https://management.azure.com/.default"))
	check(t, err)
	if status, text := w.send(t, "POST", w.Endpoint+vault+version, token.Token, "{}"); status != 403 || armCode(text) != "AuthorizationFailed" {
		t.Errorf("a caller without a role: %d %s", status, text)
	}
}

// TestActionsOfKubernetesAreDataActions: guard does not mark its actions in version 2, and a role with * in its actions
// must not open a cluster.
func TestActionsOfKubernetesAreDataActions(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	alice := w.user(t, "alice")
	w.assign(t, group, roleContributor, alice)
	client := w.decisions(t, w.admin(t))
	for action, want := range map[string]string{
		"Microsoft.ContainerService/managedClusters/read":                              "Allowed",
		"Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action": "Allowed",
		"Microsoft.ContainerService/managedClusters/agentPools/write":                  "Allowed",
		"Microsoft.ContainerService/fleets/members/write":                              "Allowed",
		"Microsoft.Kubernetes/connectedClusters/delete":                                "Allowed",
		"Microsoft.ContainerService/managedClusters/pods/read":                         "NotAllowed",
		"microsoft.containerservice/MANAGEDCLUSTERS/secrets/read":                      "NotAllowed",
		"Microsoft.ContainerService/managedClusters/pods/exec/action":                  "NotAllowed",
		"Microsoft.ContainerService/managedClusters/example.com/widgets/write":         "NotAllowed",
		"Microsoft.ContainerService/managedClusters/logs/read":                         "NotAllowed",
		"Microsoft.ContainerService/managedClusters/nodes":                             "NotAllowed",
		"Microsoft.ContainerService/fleets/members/pods/read":                          "NotAllowed",
		"Microsoft.ContainerService/fleets/secrets/read":                               "NotAllowed",
		"Microsoft.Kubernetes/connectedClusters/rbac.authorization.k8s.io/roles/write": "NotAllowed",
		"Microsoft.Kubernetes/connectedClusters/users/impersonate/action":              "NotAllowed",
	} {
		if got := decided(t, client, question(alice, group, checkaccess.ActionInfo{Id: action})); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v, want %s", action, got, want)
		}
	}
}

// TestDenyAppliesToGroupsThatTheQuestionLeavesOut: a service cannot escape the deny assignment of a group.
func TestDenyAppliesToGroupsThatTheQuestionLeavesOut(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	alice := w.user(t, "alice")
	team := w.groupOf(t, "team", alice)
	w.assign(t, group, roleReader, alice)
	name := uuid.NewString()
	status, text := w.send(t, "PUT", w.Endpoint+group+"/providers/Microsoft.Authorization/denyAssignments/"+name+"?api-version=2024-07-01-preview",
		w.Token(t, "https://management.azure.com"), fmt.Sprintf(`{"properties":{"denyAssignmentName":"no","permissions":[{"actions":["A.B/c/read"]}],
			"principals":[{"id":%q,"type":"Group"}],"denyAssignmentEffect":"Enforced"}}`, team))
	if status/100 != 2 {
		t.Fatalf("the deny assignment: %d %s", status, text)
	}
	got, err := w.decisions(t, w.admin(t)).CheckAccess(t.Context(), question(alice, group, checkaccess.ActionInfo{Id: "A.B/c/read"}, checkaccess.ActionInfo{Id: "A.B/d/read"}))
	check(t, err)
	if len(got.Value) != 2 || got.Value[0].AccessDecision != checkaccess.Denied || got.Value[0].DenyAssignment.Id != name || got.Value[1].AccessDecision != checkaccess.Allowed {
		t.Errorf("%+v", got)
	}
}
