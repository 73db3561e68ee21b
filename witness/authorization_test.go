package witness_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/google/uuid"
)

// TestElevatedAdministratorAssignsRolesAtTheRootAndAtManagementGroups uses the SDK's clients for elevateAccess and
// for every method of role assignments, at scopes above subscriptions.
func TestElevatedAdministratorAssignsRolesAtTheRootAndAtManagementGroups(t *testing.T) {
	w := start(t)
	principal := *w.identity(t, w.groupName(t, "rg"), "app").Properties.PrincipalID
	clients := w.authorization(t)
	assignments := clients.NewRoleAssignmentsClient()
	rootGroup := "/providers/Microsoft.Management/managementGroups/" + w.TenantID
	_, err := assignments.Create(t.Context(), rootGroup, uuid.NewString(), w.grant(readerRole, principal), nil)
	wantRefusal(t, err, 403, "AuthorizationFailed")

	_, err = clients.NewGlobalAdministratorClient().ElevateAccess(t.Context(), nil)
	check(t, err)
	var ids []string
	for _, scope := range []string{"/", rootGroup} {
		name := uuid.NewString()
		made, err := assignments.Create(t.Context(), scope, name, w.grant(readerRole, principal), nil)
		check(t, err)
		if *made.Properties.Scope != scope || *made.Name != name {
			t.Errorf("%+v", made.Properties)
		}
		byID, err := assignments.GetByID(t.Context(), *made.ID, nil)
		check(t, err)
		again, err := assignments.CreateByID(t.Context(), *made.ID, w.grant(readerRole, principal), nil)
		check(t, err)
		if *byID.ID != *made.ID || *again.ID != *made.ID {
			t.Errorf("%s, %s and %s", *made.ID, *byID.ID, *again.ID)
		}
		ids = append(ids, *made.ID)
	}
	filter := "atScope() and assignedTo('" + principal + "')"
	var inherited []string
	for _, page := range pages(t, assignments.NewListForSubscriptionPager(&armauthorization.RoleAssignmentsClientListForSubscriptionOptions{Filter: &filter})) {
		for _, a := range page.Value {
			inherited = append(inherited, *a.ID)
		}
	}
	if slices.Sort(ids); !slices.Equal(ids, slices.Sorted(slices.Values(inherited))) {
		t.Errorf("the subscription inherits %q, want %q", inherited, ids)
	}
	var answer *http.Response
	for _, id := range ids {
		_, err := assignments.DeleteByID(raw(t.Context(), &answer), id, nil)
		check(t, err)
		wantStatus(t, answer, http.StatusOK)
	}
}

// TestOtherClientsOfAuthorization calls the clients for eligible children, classic administrators and the
// operations of providers.
func TestOtherClientsOfAuthorization(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	clients := w.authorization(t)
	children := func(filter *string) (names []string) {
		for _, page := range pages(t, clients.NewEligibleChildResourcesClient().NewGetPager(strings.TrimPrefix(w.scope(), "/"), &armauthorization.EligibleChildResourcesClientGetOptions{Filter: filter})) {
			for _, c := range page.Value {
				names = append(names, *c.Type+" "+*c.Name)
			}
		}
		return names
	}
	for _, filter := range []*string{nil, new("resourceType+eq+'resourcegroup'")} {
		if got := children(filter); !slices.Equal(got, []string{"resourcegroup rg"}) {
			t.Errorf("children %q", got)
		}
	}
	for _, page := range pages(t, clients.NewClassicAdministratorsClient().NewListPager(nil)) {
		if len(page.Value) != 0 {
			t.Errorf("%d classic administrators", len(page.Value))
		}
	}
	operations := clients.NewProviderOperationsMetadataClient()
	vault, err := operations.Get(t.Context(), "Microsoft.KeyVault", &armauthorization.ProviderOperationsMetadataClientGetOptions{Expand: new("resourceTypes")})
	check(t, err)
	data := 0
	for _, typ := range vault.ResourceTypes {
		for _, o := range typ.Operations {
			if *o.IsDataAction {
				data++
			}
		}
	}
	if data == 0 {
		t.Error("Microsoft.KeyVault has no data actions")
	}
	list := pages(t, operations.NewListPager(nil))
	if len(list[0].Value) < 10 {
		t.Errorf("%d providers", len(list[0].Value))
	}
}

// groupName makes a resource group and gives its name.
func (w *world) groupName(t testing.TB, name string) string {
	t.Helper()
	w.group(t, name)
	return name
}
