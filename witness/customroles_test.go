package witness_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/google/uuid"
)

// customRole is the body of a custom role that is assignable at the scopes.
func customRole(name string, actions []string, scopes ...string) armauthorization.RoleDefinition {
	body := armauthorization.RoleDefinition{Properties: &armauthorization.RoleDefinitionProperties{
		RoleName: &name, RoleType: new("CustomRole"), Description: new("made by a test"), Permissions: []*armauthorization.Permission{{}},
	}}
	for _, action := range actions {
		body.Properties.Permissions[0].Actions = append(body.Properties.Permissions[0].Actions, &action)
	}
	for _, scope := range scopes {
		body.Properties.AssignableScopes = append(body.Properties.AssignableScopes, &scope)
	}
	return body
}

// customNames lists the custom roles at a scope.
func customNames(t *testing.T, client *armauthorization.RoleDefinitionsClient, scope, filter string) (names []string) {
	t.Helper()
	for _, page := range pages(t, client.NewListPager(scope, &armauthorization.RoleDefinitionsClientListOptions{Filter: &filter})) {
		for _, d := range page.Value {
			names = append(names, *d.Properties.RoleName)
		}
	}
	slices.Sort(names)
	return names
}

// The client's methods create, read, change, assign, list and delete a custom role. Every answer is held against
// Microsoft's OpenAPI files.
func TestCustomRoleFromCreationToEnd(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	principal := *w.identity(t, "rg", "app").Properties.PrincipalID
	client, assignments := w.authorization(t).NewRoleDefinitionsClient(), w.authorization(t).NewRoleAssignmentsClient()
	var answer *http.Response
	ctx := raw(t.Context(), &answer)
	name := uuid.NewString()

	made, err := client.CreateOrUpdate(ctx, w.scope(), name, customRole("It's a role", []string{"*/read"}, w.scope(), group), nil)
	check(t, err)
	wantStatus(t, answer, http.StatusCreated)
	if p := made.Properties; *made.Name != name || *made.ID != w.role(name) || *p.RoleType != "CustomRole" || len(p.AssignableScopes) != 2 || len(p.Permissions) != 1 {
		t.Errorf("%+v", p)
	}
	for range 5 { // Terraform waits until it finds the role several times in a row
		got, err := client.Get(ctx, w.scope(), name, nil)
		check(t, err)
		equal(t, made.Properties.Permissions, got.Properties.Permissions)
	}
	byID, err := client.GetByID(ctx, group+"/providers/Microsoft.Authorization/roleDefinitions/"+name, nil)
	check(t, err)
	if *byID.Name != name {
		t.Error(*byID.Name)
	}
	for _, filter := range []string{"roleName eq 'it''s A ROLE'", "type eq 'CustomRole'", "atScopeAndBelow() and type eq 'CustomRole'"} {
		if got := customNames(t, client, group, filter); !slices.Equal(got, []string{"It's a role"}) {
			t.Errorf("%s: %q", filter, got)
		}
	}
	_, err = assignments.Create(ctx, group, name, w.grant(name, principal), nil)
	check(t, err)
	_, err = client.Delete(ctx, w.scope(), name, nil)
	wantRefusal(t, err, 400, "RoleDefinitionHasAssignments")
	_, err = client.CreateOrUpdate(ctx, w.scope(), name, customRole("renamed", []string{"*"}, group), nil)
	check(t, err)
	_, err = assignments.Delete(ctx, group, name, nil)
	check(t, err)
	gone, err := client.Delete(ctx, group, name, nil)
	check(t, err)
	if *gone.Properties.RoleName != "renamed" {
		t.Errorf("%+v", gone.Properties)
	}
	_, err = client.Get(ctx, w.scope(), name, nil)
	wantRefusal(t, err, 404, "RoleDefinitionDoesNotExist")
	if _, err = client.Delete(ctx, w.scope(), name, nil); err != nil { // 204
		t.Error(err)
	}
}

// atVersion sends requests with another api-version than the client's.
type atVersion string

func (v atVersion) Do(req *policy.Request) (*http.Response, error) {
	query := req.Raw().URL.Query()
	query.Set("api-version", string(v))
	req.Raw().URL.RawQuery = query.Encode()
	return req.Next()
}

// In every version the answers are those of Microsoft's OpenAPI files.
func TestCustomRolesInEveryVersion(t *testing.T) {
	w := start(t)
	for _, version := range []string{"2015-07-01", "2018-01-01-preview", "2022-04-01", "2022-05-01-preview"} {
		t.Run(version, func(t *testing.T) {
			clients, err := armauthorization.NewClientFactory(w.SubscriptionID, w.admin(t), w.options(atVersion(version)))
			check(t, err)
			client, name := clients.NewRoleDefinitionsClient(), uuid.NewString()
			for _, actions := range [][]string{{"*/read"}, {"*/read", "Microsoft.Compute/*"}} {
				_, err = client.CreateOrUpdate(t.Context(), w.scope(), name, customRole(version, actions, w.scope()), nil)
				check(t, err)
			}
			if got := customNames(t, client, w.scope(), "type eq 'CustomRole'"); !slices.Equal(got, []string{version}) {
				t.Errorf("%q", got)
			}
			for _, id := range []string{name, readerRole} {
				_, err = client.Get(t.Context(), w.scope(), id, nil)
				check(t, err)
			}
			_, err = client.Delete(t.Context(), w.scope(), name, nil)
			check(t, err)
		})
	}
}
