package witness_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// Ids of built-in roles, the same in every tenant of Azure.
const (
	ownerRole    = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	readerRole   = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	operatorRole = "f1a07417-d97a-45cb-824c-7a7467783830"
)

func (w *world) role(guid string) string {
	return w.scope() + "/providers/Microsoft.Authorization/roleDefinitions/" + guid
}

// grant is the body that gives a role to a principal.
func (w *world) grant(role, principal string) armauthorization.RoleAssignmentCreateParameters {
	return armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
		RoleDefinitionID: new(w.role(role)), PrincipalID: &principal,
	}}
}

func TestRoleAssignmentFromCreationToEnd(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	principal := *w.identity(t, "rg", "app").Properties.PrincipalID
	client := w.authorization(t).NewRoleAssignmentsClient()
	var answer *http.Response
	ctx := raw(t.Context(), &answer)
	name := uuid.NewString()

	made, err := client.Create(ctx, group, name, w.grant(readerRole, principal), nil)
	check(t, err)
	wantStatus(t, answer, http.StatusCreated)
	if got := made.Properties; *made.Name != name || *got.PrincipalID != principal || *got.PrincipalType != armauthorization.PrincipalTypeServicePrincipal ||
		*got.RoleDefinitionID != w.role(readerRole) || !strings.EqualFold(*got.Scope, group) || got.CreatedOn == nil {
		t.Errorf("%+v", got)
	}
	if want := group + "/providers/Microsoft.Authorization/roleAssignments/" + name; !strings.EqualFold(*made.ID, want) {
		t.Errorf("id %s, want %s", *made.ID, want)
	}
	got, err := client.Get(ctx, group, name, nil)
	check(t, err)
	byID, err := client.GetByID(ctx, *made.ID, nil)
	check(t, err)
	equal(t, got.RoleAssignment, byID.RoleAssignment)
	if got.Properties.CreatedBy == nil || *got.Properties.CreatedBy == "" {
		t.Error("nobody created it")
	}
	_, err = client.CreateByID(ctx, *made.ID, w.grant(readerRole, principal), nil)
	check(t, err)
	_, err = client.Create(ctx, group, uuid.NewString(), w.grant(readerRole, principal), nil)
	wantRefusal(t, err, 409, "RoleAssignmentExists")

	gone, err := client.Delete(ctx, group, name, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusOK)
	equal(t, got.RoleAssignment, gone.RoleAssignment)
	_, err = client.DeleteByID(ctx, *made.ID, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusNoContent)
	_, err = client.Get(ctx, group, name, nil)
	wantRefusal(t, err, 404, "RoleAssignmentNotFound")
}

func TestRoleAssignmentsThatAreRefused(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	principal := *w.identity(t, "rg", "app").Properties.PrincipalID
	client := w.authorization(t).NewRoleAssignmentsClient()
	typed := func(typ armauthorization.PrincipalType, principal string) armauthorization.RoleAssignmentCreateParameters {
		p := w.grant(readerRole, principal)
		p.Properties.PrincipalType = &typ
		return p
	}
	stranger := uuid.NewString()
	for name, c := range map[string]struct {
		scope, name string
		grant       armauthorization.RoleAssignmentCreateParameters
		status      int
		code        string
	}{
		"unknown principal": {group, uuid.NewString(), w.grant(readerRole, stranger), 400, "PrincipalNotFound"},
		"other type":        {group, uuid.NewString(), typed(armauthorization.PrincipalTypeUser, principal), 400, "UnmatchedPrincipalType"},
		"unknown role":      {group, uuid.NewString(), w.grant(stranger, principal), 400, "RoleDefinitionDoesNotExist"},
		"name is no GUID":   {group, "reader", w.grant(readerRole, principal), 400, "InvalidRoleAssignmentId"},
		"no properties":     {group, uuid.NewString(), armauthorization.RoleAssignmentCreateParameters{}, 400, "InvalidRequestContent"},
		"no group":          {w.scope() + "/resourceGroups/none", uuid.NewString(), w.grant(readerRole, principal), 404, "ResourceGroupNotFound"},
		"at the tenant":     {"/", uuid.NewString(), w.grant(readerRole, principal), 403, "AuthorizationFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Create(t.Context(), c.scope, c.name, c.grant, nil)
			wantRefusal(t, err, c.status, c.code)
		})
	}
	// Whoever says what the principal is does not have to wait until the directory knows it.
	_, err := client.Create(t.Context(), group, uuid.NewString(), typed(armauthorization.PrincipalTypeServicePrincipal, stranger), nil)
	check(t, err)
}

// A subscription without an Owner could never be given one again.
func TestLastOwnerStays(t *testing.T) {
	w := start(t)
	client := w.authorization(t).NewRoleAssignmentsClient()
	made, err := client.Create(t.Context(), w.group(t, "rg"), uuid.NewString(), w.grant(readerRole, *w.identity(t, "rg", "app").Properties.PrincipalID), nil)
	check(t, err)
	me, mine := *made.Properties.UpdatedBy, ""
	for _, id := range w.assignments(t, w.scope(), "atScope()") {
		a, err := client.GetByID(t.Context(), id, nil)
		check(t, err)
		switch p := a.Properties; {
		case *p.PrincipalID == me:
			mine = id
		case *p.Scope == w.scope() && *p.RoleDefinitionID == w.role(ownerRole):
			_, err := client.DeleteByID(t.Context(), id, nil)
			check(t, err)
		}
	}
	_, err = client.DeleteByID(t.Context(), mine, nil)
	wantRefusal(t, err, 412, "CannotDeleteLastRbacAdminAssignment")
}

// assignments gives the ids of a list of role assignments.
func (w *world) assignments(t *testing.T, scope, filter string) (ids []string) {
	t.Helper()
	options := &armauthorization.RoleAssignmentsClientListForScopeOptions{}
	if filter != "" {
		options.Filter = &filter
	}
	for _, page := range pages(t, w.authorization(t).NewRoleAssignmentsClient().NewListForScopePager(scope, options)) {
		for _, a := range page.Value {
			ids = append(ids, *a.ID)
		}
	}
	return ids
}

// A role assignment belongs to a principal, not to a name: it outlives its principal, and the next
// identity of the name does not get it.
func TestAssignmentOutlivesItsPrincipal(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	first := *w.identity(t, "rg", "app").Properties.PrincipalID
	made, err := w.authorization(t).NewRoleAssignmentsClient().Create(t.Context(), group, uuid.NewString(), w.grant(readerRole, first), nil)
	check(t, err)
	_, err = w.msi(t).NewUserAssignedIdentitiesClient().Delete(t.Context(), "rg", "app", nil)
	check(t, err)
	second := *w.identity(t, "rg", "app").Properties.PrincipalID
	if first == second {
		t.Fatal("the new identity is the old principal")
	}
	if got := w.assignments(t, group, ""); !slices.Contains(got, *made.ID) {
		t.Errorf("it is not among %q", got)
	}
	if got := w.assignments(t, group, fmt.Sprintf("principalId eq '%s'", first)); len(got) != 1 || got[0] != *made.ID {
		t.Errorf("the deleted principal has %q", got)
	}
	if got := w.assignments(t, group, fmt.Sprintf("principalId eq '%s'", second)); got != nil {
		t.Errorf("the new one has %q", got)
	}
}

func TestRoleAssignmentsAreListedByFilter(t *testing.T) {
	w := start(t)
	client := w.authorization(t).NewRoleAssignmentsClient()
	principal := ""
	made := map[string]string{} // id -> what it is called below
	for _, id := range w.assignments(t, w.scope(), "") {
		made[id] = "first" // what the server began with
	}
	places := map[string]string{"sub": w.scope(), "rg1": w.group(t, "rg1"), "rg10": w.group(t, "rg10")}
	identity := w.identity(t, "rg1", "app")
	places["app"], principal = *identity.ID, *identity.Properties.PrincipalID
	other := *w.identity(t, "rg10", "other").Properties.PrincipalID
	for place, scope := range places {
		a, err := client.Create(t.Context(), scope, uuid.NewString(), w.grant(readerRole, principal), nil)
		check(t, err)
		made[*a.ID] = place
	}
	others, err := client.Create(t.Context(), places["rg1"], uuid.NewString(), w.grant(operatorRole, other), nil)
	check(t, err)
	made[*others.ID] = "other"

	theirs, assigned := fmt.Sprintf("principalId eq '%s'", principal), fmt.Sprintf("assignedTo('%s')", principal)
	for _, c := range []struct{ scope, filter, want string }{
		{"sub", "", "app first other rg1 rg10 sub"},
		{"sub", "atScope()", "first sub"},
		{"sub", theirs, "app rg1 rg10 sub"},
		{"sub", assigned, "app rg1 rg10 sub"},
		{"rg1", "", "app first other rg1 sub"},
		{"rg1", "atScope()", "first other rg1 sub"},
		{"rg1", theirs, "app rg1 sub"},
		{"rg1", "atScope() and " + assigned, "rg1 sub"},
		{"rg10", theirs, "rg10 sub"},
		{"app", "atScope()", "app first other rg1 sub"},
	} {
		if diff := cmp.Diff(c.want, whose(made, w.assignments(t, places[c.scope], c.filter))); diff != "" {
			t.Errorf("at %s with %q\n%s", c.scope, c.filter, diff)
		}
	}
	// The SDK does not encode this filter, so careful programs do it themselves.
	if got := whose(made, w.assignments(t, places["rg1"], url.QueryEscape(theirs))); got != "app rg1 sub" {
		t.Errorf("encoded: %s", got)
	}
	_, err = client.NewListForScopePager(w.scope(), &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: new("name eq 'x'")}).NextPage(t.Context())
	wantRefusal(t, err, 400, "UnsupportedQuery")

	ids := elsewhere(t, client, theirs, assigned)
	if got := whose(made, ids); got != "app first rg1 rg10 sub sub sub" {
		t.Errorf("by the other lists: %s", got)
	}
}

// elsewhere reads the three lists that have URLs of their own.
func elsewhere(t *testing.T, client *armauthorization.RoleAssignmentsClient, theirs, assigned string) []string {
	t.Helper()
	var ids []string
	for _, page := range pages(t, client.NewListForSubscriptionPager(&armauthorization.RoleAssignmentsClientListForSubscriptionOptions{Filter: new("atScope()")})) {
		for _, a := range page.Value {
			ids = append(ids, *a.ID)
		}
	}
	for _, page := range pages(t, client.NewListForResourceGroupPager("rg10", &armauthorization.RoleAssignmentsClientListForResourceGroupOptions{Filter: &theirs})) {
		for _, a := range page.Value {
			ids = append(ids, *a.ID)
		}
	}
	for _, page := range pages(t, client.NewListForResourcePager("rg1", "Microsoft.ManagedIdentity", "userAssignedIdentities", "app", &armauthorization.RoleAssignmentsClientListForResourceOptions{Filter: &assigned})) {
		for _, a := range page.Value {
			ids = append(ids, *a.ID)
		}
	}
	return ids
}

// whose says by name which assignments a list has; the first ones are one name.
func whose(made map[string]string, ids []string) string {
	var got []string
	for _, id := range ids {
		name, known := made[id]
		if !known {
			name = id
		}
		if name != "first" || !slices.Contains(got, "first") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	return strings.Join(got, " ")
}

func TestRoleAssignmentsArePaged(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	client := w.authorization(t).NewRoleAssignmentsClient()
	want := map[string]int{}
	for _, id := range w.assignments(t, group, "") {
		want[id] = 1
	}
	for range 120 {
		p := w.grant(readerRole, uuid.NewString())
		p.Properties.PrincipalType = new(armauthorization.PrincipalTypeServicePrincipal)
		made, err := client.Create(t.Context(), group, uuid.NewString(), p, nil)
		check(t, err)
		want[*made.ID] = 1
	}
	got := map[string]int{}
	for _, id := range w.assignments(t, group, "") {
		got[id]++
	}
	equal(t, want, got)
	// A program may keep the token of the next page and hand it over later.
	first := pages(t, client.NewListForScopePager(group, nil))[0]
	next, err := url.Parse(*first.NextLink)
	check(t, err)
	token := next.Query().Get("$skiptoken")
	second, err := client.NewListForScopePager(group, &armauthorization.RoleAssignmentsClientListForScopeOptions{SkipToken: &token}).NextPage(t.Context())
	check(t, err)
	if len(first.Value)+len(second.Value) != len(want) || second.NextLink != nil {
		t.Errorf("%d and then %d", len(first.Value), len(second.Value))
	}
}

func TestRoleDefinitions(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	client := w.authorization(t).NewRoleDefinitionsClient()
	named := func(filter string) (names []string) {
		for _, page := range pages(t, client.NewListPager(group, &armauthorization.RoleDefinitionsClientListOptions{Filter: &filter})) {
			for _, d := range page.Value {
				names = append(names, *d.Properties.RoleName)
			}
		}
		return names
	}
	if diff := cmp.Diff([]string{"Managed Identity Operator"}, named("roleName eq 'managed identity operator'")); diff != "" {
		t.Error(diff)
	}
	if got := named("roleName eq 'Nobody'"); got != nil {
		t.Errorf("%q", got)
	}
	if got := named("type eq 'CustomRole'"); got != nil {
		t.Errorf("%q", got)
	}
	if got := named("atScopeAndBelow()"); len(got) < 19 {
		t.Errorf("%q", got)
	}
	got, err := client.Get(t.Context(), group, operatorRole, nil)
	check(t, err)
	if d := got.Properties; *got.ID != w.role(operatorRole) || *got.Name != operatorRole || *d.RoleName != "Managed Identity Operator" || *d.RoleType != "BuiltInRole" ||
		len(d.Permissions) != 1 || !slices.ContainsFunc(d.Permissions[0].Actions, func(a *string) bool {
		return *a == "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action"
	}) {
		t.Errorf("%+v", got.RoleDefinition)
	}
	for _, id := range []string{*got.ID, "/providers/Microsoft.Authorization/roleDefinitions/" + ownerRole} {
		byID, err := client.GetByID(t.Context(), id, nil)
		check(t, err)
		if *byID.ID != id {
			t.Errorf("%s answers for %s", *byID.ID, id)
		}
	}
	_, err = client.Get(t.Context(), group, uuid.NewString(), nil)
	wantRefusal(t, err, 404, "RoleDefinitionDoesNotExist")
}

func TestPermissionsOfTheAdministrator(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	w.identity(t, "rg", "app")
	client := w.authorization(t).NewPermissionsClient()
	owner := []*armauthorization.Permission{{Actions: []*string{new("*")}, NotActions: []*string{}, DataActions: []*string{}, NotDataActions: []*string{}}}
	list := pages(t, client.NewListForResourceGroupPager("rg", nil))
	equal(t, owner, list[0].Value)
	ofApp := pages(t, client.NewListForResourcePager("rg", "Microsoft.ManagedIdentity", "", "userAssignedIdentities", "app", nil))
	equal(t, owner, ofApp[0].Value)
}
