package management_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/store"
)

const (
	definitions   = "/providers/Microsoft.Authorization/roleDefinitions"
	authorization = "?api-version=2022-04-01"
	managedGroup  = "/providers/Microsoft.Management/managementGroups/"
)

// customRole is the body of a PUT of a custom role, with {sub} replaced.
func customRole(name string, actions []string, scopes ...string) string {
	for i := range scopes {
		scopes[i] = strings.ReplaceAll(scopes[i], "{sub}", "/subscriptions/"+sub)
	}
	body, _ := json.Marshal(map[string]any{"properties": map[string]any{
		"roleName": name, "type": "CustomRole", "description": "made by a test", "assignableScopes": scopes,
		"permissions": []any{map[string]any{"actions": actions}},
	}})
	return string(body)
}

// roleNames returns the names of the custom roles in a list.
func roleNames(t *testing.T, w *httptest.ResponseRecorder) (names []string) {
	t.Helper()
	var list struct {
		Value []struct {
			Properties struct{ RoleName, Type string }
		}
	}
	decode(t, w, &list)
	for _, d := range list.Value {
		if d.Properties.Type == "CustomRole" {
			names = append(names, d.Properties.RoleName)
		}
	}
	slices.Sort(names)
	return names
}

func (s *stack) assignCustom(t *testing.T, status int, caller, role, scope string) *httptest.ResponseRecorder {
	t.Helper()
	return s.want(t, status, "owner", "PUT", scope+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString()+authorization,
		fmt.Sprintf(`{"properties":{"roleDefinitionId":"%s/%s","principalId":"%s"}}`, definitions, role, s.callers[caller].ID))
}

func (s *stack) resourceGroup(t *testing.T, name string) {
	t.Helper()
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/"+name+"?api-version=2021-04-01", `{"location":"eastus"}`)
}

func TestCustomRoleFromCreationToEnd(t *testing.T) {
	s := newStack(t)
	s.resourceGroup(t, "rg1")
	role := uuid.NewString()
	path := "{sub}" + definitions + "/" + role + authorization
	body := customRole("Group Reader", []string{"Microsoft.Resources/subscriptions/resourceGroups/read"}, "{sub}")
	w := s.want(t, 201, "owner", "PUT", path, body)
	for _, part := range []string{`"type":"CustomRole"`, `"createdBy":null`, `"updatedBy":"` + s.callers["owner"].ID + `"`, `"dataActions":[]`, `"name":"` + role + `"`,
		`"id":"/subscriptions/` + sub + definitions + "/" + role + `"`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("PUT: no %s in %s", part, w.Body)
		}
	}
	if w := s.want(t, 200, "reader", "GET", path, ""); !strings.Contains(w.Body.String(), `"createdBy":"`+s.callers["owner"].ID+`"`) {
		t.Errorf("GET: %s", w.Body)
	}
	// A change of the role decides the next request.
	s.assignCustom(t, 201, "nobody", role, "{sub}/resourceGroups/rg1")
	const group, vm = "{sub}/resourceGroups/rg1?api-version=2021-04-01", "{sub}/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm?api-version=2024-07-01"
	s.want(t, 201, "owner", "PUT", vm, `{"location":"eastus"}`)
	s.want(t, 200, "nobody", "GET", group, "")
	s.want(t, 403, "nobody", "GET", vm, "")
	s.want(t, 201, "owner", "PUT", path, customRole("Group Reader", []string{"Microsoft.Compute/*/read"}, "{sub}"))
	s.want(t, 200, "nobody", "GET", vm, "")
	s.want(t, 403, "nobody", "GET", group, "")

	if w := s.want(t, 400, "owner", "DELETE", path, ""); !strings.Contains(w.Body.String(), "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments)") {
		t.Errorf("DELETE while assigned: %s", w.Body)
	}
	var list struct{ Value []struct{ ID, Name string } }
	decode(t, s.want(t, 200, "owner", "GET", "{sub}/resourceGroups/rg1/providers/Microsoft.Authorization/roleAssignments"+authorization+"&$filter=principalId%20eq%20'"+s.callers["nobody"].ID+"'", ""), &list)
	for _, a := range list.Value {
		s.want(t, 200, "owner", "DELETE", a.ID+authorization, "")
	}
	if w := s.want(t, 200, "owner", "DELETE", path, ""); !strings.Contains(w.Body.String(), `"roleName":"Group Reader"`) {
		t.Errorf("DELETE: %s", w.Body)
	}
	s.want(t, 204, "owner", "DELETE", path, "")
	s.want(t, 404, "owner", "GET", path, "")
	s.want(t, 201, "owner", "PUT", "{sub}"+definitions+"/"+uuid.NewString()+authorization, body) // the name is free again
}

func TestInvalidRoleDefinitionsAreRefused(t *testing.T) {
	s := newStack(t)
	s.resourceGroup(t, "rg1")
	read := []string{"*/read"}
	with := func(permission string) string {
		return `{"properties":{"roleName":"r","assignableScopes":["/subscriptions/` + sub + `"],"permissions":[` + permission + `]}}`
	}
	for _, c := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"no properties", `{}`, 400, "InvalidRequestContent"},
		{"no name", customRole(" ", read, "{sub}"), 400, "RoleDefinitionNameNullOrEmpty"},
		{"a long name", customRole(strings.Repeat("é", 513), read, "{sub}"), 400, "InvalidRoleDefinitionName"},
		{"control character", customRole("a\u0000b", read, "{sub}"), 400, "InvalidRoleDefinitionName"},
		{"a built-in type", strings.Replace(customRole("r", read, "{sub}"), "CustomRole", "BuiltInRole", 1), 400, "InvalidRoleDefinitionType"},
		{"a long description", strings.Replace(customRole("r", read, "{sub}"), "made by a test", strings.Repeat("d", 2049), 1), 400, "InvalidRoleDefinitionDescription"},
		{"no scopes", customRole("r", read), 400, "MissingAssignableScopes"},
		{"the root", customRole("r", read, "/"), 400, "InvalidAssignableScope"},
		{"not an id", customRole("r", read, "Invalid_Scope"), 400, "LinkedInvalidPropertyId"},
		{"a resource", customRole("r", read, "{sub}/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm"), 400, "InvalidAssignableScope"},
		{"too many scopes", customRole("r", read, slices.Repeat([]string{"{sub}"}, 2001)...), 400, "InvalidAssignableScope"},
		{"two management groups", customRole("r", read, managedGroup+"a", managedGroup+"b"), 400, "InvalidAssignableScope"},
		{"data actions at a management group", `{"properties":{"roleName":"r","assignableScopes":["` + managedGroup + `a"],"permissions":[{"dataActions":["Microsoft.Storage/*"]}]}}`, 400, "InvalidAssignableScope"},
		{"a group that does not exist", customRole("r", read, "{sub}/resourceGroups/none"), 403, "LinkedAuthorizationFailed"},
		{"a subscription that does not exist", customRole("r", read, "/subscriptions/"+uuid.NewString()), 403, "LinkedAuthorizationFailed"},
		{"a subscription of another tenant", customRole("r", read, "/subscriptions/"+otherSub), 403, "LinkedAuthorizationFailed"},
		{"a management group that does not exist", customRole("r", read, managedGroup+"none"), 403, "LinkedAuthorizationFailed"},
		{"an unknown provider", with(`{"actions":["Contoso.Nothing/jobs/read"]}`), 400, "InvalidActionOrNotAction"},
		{"an unknown verb", with(`{"actions":["Microsoft.Compute/virtualMachines/see"]}`), 400, "InvalidActionOrNotAction"},
		{"a namespace alone", with(`{"notActions":["Microsoft.Compute"]}`), 400, "InvalidActionOrNotAction"},
		{"an empty action", with(`{"actions":[""]}`), 400, "InvalidActionOrNotAction"},
		{"an empty word", with(`{"actions":["Microsoft.Compute//read"]}`), 400, "InvalidActionOrNotAction"},
		{"not ASCII", with(`{"actions":["Microsoft.Compute/vİrtualMachines/read"]}`), 400, "InvalidActionOrNotAction"},
		{"a long action", with(`{"actions":["Microsoft.Compute/` + strings.Repeat("x", 600) + `/read"]}`), 400, "InvalidActionOrNotAction"},
		{"a bad data action", with(`{"dataActions":["Microsoft.Storage/x"]}`), 400, "InvalidDataActionOrNotDataAction"},
		{"an action of the control plane among data actions", with(`{"dataActions":["Microsoft.Storage/storageAccounts/blobServices/containers/read"]}`), 400, "InvalidDataActionOrNotDataAction"},
		{"an operation of the server among data actions", with(`{"notDataActions":["microsoft.compute/virtualmachines/deallocate/action"]}`), 400, "InvalidDataActionOrNotDataAction"},
		{"a type of the server among data actions", with(`{"dataActions":["Microsoft.Storage/storageAccounts/read"]}`), 400, "InvalidDataActionOrNotDataAction"},
		{"a data action among actions", with(`{"actions":["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/READ"]}`), 400, "InvalidActionOrNotAction"},
		{"a data action among notActions", with(`{"actions":["*"],"notActions":["Microsoft.KeyVault/vaults/secrets/getSecret/action"]}`), 400, "InvalidActionOrNotAction"},
		{"too many actions", with(`{"actions":["*"` + strings.Repeat(`,"*/read"`, 2000) + `]}`), 400, "InvalidActionOrNotAction"},
		{"the name of a built-in role", customRole("READER", read, "{sub}"), 409, "RoleDefinitionWithSameNameExists"},
		{"actions is a text", with(`{"actions":"*"}`), 400, "InvalidRequestContent"},
	} {
		w := s.do(t, "owner", "PUT", "{sub}"+definitions+"/"+uuid.NewString()+authorization, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) {
			t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Body, c.status, c.code)
		}
	}
	const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	for path, status := range map[string]int{"{sub}" + definitions + "/" + reader: 409, "{sub}" + definitions + "/x": 400} {
		if w := s.do(t, "owner", "PUT", path+authorization, customRole("fresh", read, "{sub}")); w.Code != status {
			t.Errorf("PUT %s: %d %s", path, w.Code, w.Body)
		}
		if w := s.do(t, "owner", "DELETE", path+authorization, ""); w.Code != 400 {
			t.Errorf("DELETE %s: %d %s", path, w.Code, w.Body)
		}
	}
	if got := roleNames(t, s.want(t, 200, "owner", "GET", "{sub}"+definitions+authorization+"&$filter=type%20eq%20'CustomRole'", "")); got != nil {
		t.Errorf("refused requests have left %q", got)
	}
}

// An action is refused on the wrong plane only if it is known and not known on both.
func TestActionsOfBothPlanesAreAllowed(t *testing.T) {
	s := newStack(t)
	for i, permission := range []string{
		`{"actions":["Microsoft.KeyVault/vaults/keys/read"],"dataActions":["Microsoft.KeyVault/vaults/keys/read"]}`,
		`{"actions":["*"],"dataActions":["*"],"notDataActions":["Microsoft.Storage/*"]}`,
		`{"actions":["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"],"dataActions":["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"]}`,
		`{"actions":["Microsoft.Quantum/workspaces/some/action"],"dataActions":["Microsoft.Quantum/workspaces/other/read"]}`,
	} {
		body := fmt.Sprintf(`{"properties":{"roleName":"r%d","assignableScopes":["/subscriptions/%s"],"permissions":[%s]}}`, i, sub, permission)
		s.want(t, 201, "owner", "PUT", "{sub}"+definitions+"/"+uuid.NewString()+authorization, body)
	}
}

func TestRoleNamesAreUniqueInATenant(t *testing.T) {
	s := newStack(t)
	s.resourceGroup(t, "rg1")
	first, second := uuid.NewString(), uuid.NewString()
	put := func(status int, role, name, scope string) {
		t.Helper()
		s.want(t, status, "owner", "PUT", scope+definitions+"/"+role+authorization, customRole(name, []string{"*/read"}, scope))
	}
	put(201, first, "Straße A", "{sub}")
	put(409, second, "STRAßE a", "{sub}/resourceGroups/rg1")
	put(201, second, "other", "{sub}/resourceGroups/rg1")
	put(409, second, "straße A", "{sub}/resourceGroups/rg1")
	put(201, first, "STRASSE", "{sub}")
	put(201, second, "straße A", "{sub}/resourceGroups/rg1")
	put(201, second, "STRAßE A", "{sub}/resourceGroups/rg1")
	s.consistent(t)
}

func TestWritingARoleNeedsTheRightAtEveryAssignableScope(t *testing.T) {
	s := newStack(t)
	s.resourceGroup(t, "rg1")
	s.resourceGroup(t, "rg2")
	s.addCaller(t, "admin1") // of rg1 only
	s.assign(t, "admin1", "User Access Administrator", "/subscriptions/"+sub+"/resourceGroups/rg1")
	const rg1, rg2 = "{sub}/resourceGroups/rg1", "{sub}/resourceGroups/rg2"
	read, all := []string{"*/read"}, []string{"*"}
	both, own := uuid.NewString(), uuid.NewString()
	s.want(t, 201, "owner", "PUT", "{sub}"+definitions+"/"+both+authorization, customRole("both", read, rg1, rg2))
	s.want(t, 201, "admin1", "PUT", rg1+definitions+"/"+own+authorization, customRole("own", all, rg1))
	for name, w := range map[string]*httptest.ResponseRecorder{
		"changes a role that another group uses": s.do(t, "admin1", "PUT", rg1+definitions+"/"+both+authorization, customRole("both", all, rg1, rg2)),
		"takes a role away from another group":   s.do(t, "admin1", "PUT", rg1+definitions+"/"+both+authorization, customRole("both", all, rg1)),
		"brings a role to another group":         s.do(t, "admin1", "PUT", rg1+definitions+"/"+own+authorization, customRole("own", all, rg1, rg2)),
		"brings a role to the subscription":      s.do(t, "admin1", "PUT", rg1+definitions+"/"+own+authorization, customRole("own", all, "{sub}")),
		"deletes a role of another group":        s.do(t, "admin1", "DELETE", rg1+definitions+"/"+both+authorization, ""),
	} {
		if w.Code != 403 || !strings.Contains(w.Body.String(), `"code":"LinkedAuthorizationFailed"`) || !strings.Contains(w.Body.String(), "has permission to perform action 'Microsoft.Authorization/roleDefinitions/") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	s.want(t, 403, "contributor", "PUT", rg1+definitions+"/"+own+authorization, customRole("own", all, rg1))
	s.want(t, 403, "owner", "PUT", definitions+"/"+own+authorization, customRole("own", all, rg1)) // needs the right at the root
	s.assign(t, "admin1", "User Access Administrator", "/subscriptions/"+sub+"/resourceGroups/rg2")
	s.want(t, 201, "admin1", "PUT", rg1+definitions+"/"+both+authorization, customRole("both", all, rg1, rg2))
}

func TestCustomRolesAreAssignedAndListedAtTheirScopes(t *testing.T) {
	s := newStack(t)
	s.resourceGroup(t, "rg1")
	s.resourceGroup(t, "rg2")
	_, _, err := s.hierarchy.Put(t.Context(), activity.Event{TenantID: tenant}, hierarchy.Write{TenantID: tenant, Name: "mg1", Allow: func(store.Tx, string, arm.ID) error { return nil }})
	must(t, err)
	s.assign(t, "owner", "Owner", managedGroup+"mg1")
	s.addCaller(t, "stranger")
	read := []string{"*/read"}
	roles := map[string]string{"at sub": "{sub}", "at rg1": "{sub}/resourceGroups/rg1", "at rg2": "{sub}/resourceGroups/rg2", "at mg1": managedGroup + "mg1"}
	ids := map[string]string{}
	for name, scope := range roles {
		ids[name] = uuid.NewString()
		s.want(t, 201, "owner", "PUT", scope+definitions+"/"+ids[name]+authorization, customRole(name, read, scope))
	}
	list := func(caller, scope, filter string) string {
		t.Helper()
		return strings.Join(roleNames(t, s.want(t, 200, caller, "GET", scope+definitions+authorization+filter, "")), ", ")
	}
	const below = "&$filter=atScopeAndBelow()"
	for _, c := range []struct{ caller, scope, filter, want string }{
		{"owner", "{sub}", "", "at sub"},
		{"owner", "{sub}", below, "at rg1, at rg2, at sub"},
		{"owner", "{sub}", below + "%20and%20type%20eq%20'customrole'", "at rg1, at rg2, at sub"},
		{"owner", "{sub}", "&$filter=type%20eq%20'BuiltInRole'", ""},
		{"owner", "{sub}", "&$filter=roleName%20eq%20'AT%20SUB'", "at sub"},
		{"owner", "{sub}/resourceGroups/rg1", "", "at rg1, at sub"},
		{"owner", managedGroup + "mg1", "", "at mg1"},
		{"owner", "", "", "at mg1, at rg1, at rg2, at sub"},
		{"nobody", "", "", ""},
	} {
		if got := list(c.caller, c.scope, c.filter); got != c.want {
			t.Errorf("%s at %q%s: %q, want %q", c.caller, c.scope, c.filter, got, c.want)
		}
	}
	for role, scopes := range map[string]map[string]int{
		"at rg1": {"{sub}/resourceGroups/rg1": 201, "{sub}/resourceGroups/rg2": 400, "{sub}": 400, managedGroup + "mg1": 400},
		"at sub": {"{sub}/resourceGroups/rg2": 201, managedGroup + "mg1": 400},
		"at mg1": {managedGroup + "mg1": 201, "{sub}": 400}, // the subscription is not below the group
	} {
		for scope, status := range scopes {
			if w := s.assignCustom(t, status, "nobody", ids[role], scope); status == 400 && !strings.Contains(w.Body.String(), "RoleDefinitionDoesNotExist") {
				t.Errorf("%s at %s: %s", role, scope, w.Body)
			}
		}
	}
	s.want(t, 404, "owner", "GET", "{sub}/resourceGroups/rg1"+definitions+"/"+ids["at rg2"]+authorization, "")
	s.want(t, 200, "owner", "GET", "{sub}"+definitions+"/"+ids["at rg2"]+authorization, "")
	s.want(t, 404, "stranger", "GET", definitions+"/"+ids["at rg2"]+authorization, "")
	// A scope with assignments stays assignable.
	w := s.want(t, 400, "owner", "PUT", "{sub}"+definitions+"/"+ids["at sub"]+authorization, customRole("at sub", read, "{sub}/resourceGroups/rg1"))
	if !strings.Contains(w.Body.String(), `"code":"RoleScopeBeingRemovedContainsAssignments"`) || !strings.Contains(w.Body.String(), "under scope '/subscriptions/"+sub+"'") {
		t.Error(w.Body)
	}
	s.want(t, 201, "owner", "PUT", "{sub}"+definitions+"/"+ids["at sub"]+authorization, customRole("at sub", read, "{sub}/resourceGroups/rg2"))
	s.consistent(t)
}

// Versions without data actions neither show nor change them.
func TestOldVersionsKeepDataActions(t *testing.T) {
	s := newStack(t)
	path := "{sub}" + definitions + "/" + uuid.NewString()
	body := `{"properties":{"roleName":"r","assignableScopes":["/subscriptions/` + sub + `"],"permissions":[{"actions":["*/read"],"dataActions":["Microsoft.Storage/*"]}]}}`
	s.want(t, 201, "owner", "PUT", path+"?api-version=2018-01-01-preview", body)
	if w := s.want(t, 201, "owner", "PUT", path+"?api-version=2015-07-01", customRole("r", []string{"*"}, "{sub}")); strings.Contains(w.Body.String(), "dataActions") {
		t.Error(w.Body)
	}
	if w := s.want(t, 200, "owner", "GET", path+"?api-version=2022-05-01-preview", ""); !strings.Contains(w.Body.String(), `"dataActions":["Microsoft.Storage/*"]`) || !strings.Contains(w.Body.String(), `"actions":["*"]`) {
		t.Error(w.Body)
	}
}

// A deleted group stays among the assignable scopes, and the role can still be changed.
func TestRolesOutliveTheirScopes(t *testing.T) {
	s := newStack(t)
	s.resourceGroup(t, "rg1")
	role := uuid.NewString()
	path := "{sub}" + definitions + "/" + role + authorization
	s.want(t, 201, "owner", "PUT", path, customRole("r", []string{"*/read"}, "{sub}", "{sub}/resourceGroups/rg1"))
	s.assignCustom(t, 201, "nobody", role, "{sub}/resourceGroups/rg1")
	deleting := s.want(t, 202, "owner", "DELETE", "{sub}/resourceGroups/rg1?api-version=2021-04-01", "")
	s.followed(t, "owner", deleting.Header().Get("Location"))
	if w := s.want(t, 200, "owner", "GET", path, ""); !strings.Contains(w.Body.String(), "/resourceGroups/rg1") {
		t.Error(w.Body)
	}
	s.want(t, 403, "owner", "PUT", path, customRole("r", []string{"*"}, "{sub}", "{sub}/resourceGroups/rg1"))
	s.want(t, 201, "owner", "PUT", path, customRole("r", []string{"*"}, "{sub}"))
	s.want(t, 200, "owner", "DELETE", path, "")
}

// Terraform's update of a role waits until updatedOn differs from what it was. createdOn and createdBy stay.
func TestEveryUpdateOfARoleHasALaterDate(t *testing.T) {
	s := newStack(t)
	path := "{sub}" + definitions + "/" + uuid.NewString() + authorization
	var created, last string
	for i := range 4 {
		s.want(t, 201, "owner", "PUT", path, customRole(fmt.Sprint("r", i), []string{"*/read"}, "{sub}"))
		var got struct {
			Properties struct{ CreatedOn, UpdatedOn, CreatedBy, UpdatedBy string }
		}
		decode(t, s.want(t, 200, "reader", "GET", path, ""), &got)
		p := got.Properties
		if created == "" {
			created = p.CreatedOn
		}
		if p.CreatedOn != created || p.UpdatedOn <= last || p.CreatedBy != s.callers["owner"].ID || p.UpdatedBy != p.CreatedBy {
			t.Errorf("%+v after %s", p, last)
		}
		last = p.UpdatedOn
	}
}
