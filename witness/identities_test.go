package witness_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/google/go-cmp/cmp"
)

func TestIdentityFromCreationToEnd(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	client := w.msi(t).NewUserAssignedIdentitiesClient()
	var answer *http.Response
	ctx := raw(t.Context(), &answer)

	made, err := client.CreateOrUpdate(ctx, "rg", "app", armmsi.Identity{
		Location: new("East US"), Tags: map[string]*string{"env": new("test")},
		Properties: &armmsi.UserAssignedIdentityProperties{IsolationScope: new(armmsi.IsolationScopeRegional)},
	}, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusCreated)
	id := w.scope() + "/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	want := armmsi.Identity{
		ID: &id, Name: new("app"), Type: new("Microsoft.ManagedIdentity/userAssignedIdentities"), Location: new("eastus"),
		Tags: map[string]*string{"env": new("test")},
		Properties: &armmsi.UserAssignedIdentityProperties{
			IsolationScope: new(armmsi.IsolationScopeRegional), TenantID: &w.TenantID,
			ClientID: made.Properties.ClientID, PrincipalID: made.Properties.PrincipalID,
		},
	}
	equal(t, want, made.Identity)
	if *made.Properties.ClientID == *made.Properties.PrincipalID {
		t.Error("client id and principal id are the same")
	}
	if got := answer.Header.Get("Location"); got != id {
		t.Errorf("Location %q", got)
	}
	got, err := client.Get(ctx, "RG", "APP", nil)
	check(t, err)
	equal(t, want, got.Identity)

	again, err := client.CreateOrUpdate(ctx, "rg", "app", armmsi.Identity{Location: new("eastus")}, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusOK)
	want.Tags, want.Properties.IsolationScope = map[string]*string{}, new(armmsi.IsolationScopeNone) // PUT replaces
	equal(t, want, again.Identity)
	updated, err := client.Update(ctx, "rg", "app", armmsi.IdentityUpdate{Tags: map[string]*string{"a": new("1"), "b": new("2")}}, nil)
	check(t, err)
	want.Tags = map[string]*string{"a": new("1"), "b": new("2")}
	equal(t, want, updated.Identity)
	updated, err = client.Update(ctx, "rg", "app", armmsi.IdentityUpdate{Properties: &armmsi.UserAssignedIdentityProperties{IsolationScope: new(armmsi.IsolationScopeNone)}}, nil)
	check(t, err)
	want.Properties.IsolationScope = new(armmsi.IsolationScopeNone)
	equal(t, want, updated.Identity)

	for _, status := range []int{http.StatusOK, http.StatusNoContent} {
		_, err = client.Delete(ctx, "rg", "app", nil)
		check(t, err)
		wantStatus(t, answer, status)
	}
	_, err = client.Get(ctx, "rg", "app", nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
	_, err = client.Update(ctx, "rg", "app", armmsi.IdentityUpdate{}, nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
}

func TestIdentitiesThatARMRefuses(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	w.identity(t, "rg", "here")
	client := w.msi(t).NewUserAssignedIdentitiesClient()
	for name, c := range map[string]struct {
		group, name string
		identity    armmsi.Identity
		status      int
		code        string
	}{
		"no location":    {"rg", "app", armmsi.Identity{}, 400, "LocationRequired"},
		"no group":       {"none", "app", armmsi.Identity{Location: new("eastus")}, 404, "ResourceGroupNotFound"},
		"short name":     {"rg", "ab", armmsi.Identity{Location: new("eastus")}, 400, "InvalidResourceName"},
		"moved":          {"rg", "here", armmsi.Identity{Location: new("westus")}, 409, "InvalidResourceLocation"},
		"too many tags":  {"rg", "app", armmsi.Identity{Location: new("eastus"), Tags: tags(51)}, 400, "InvalidTagCount"},
		"unknown region": {"rg", "app", armmsi.Identity{Location: new("no/where")}, 400, "LocationNotAvailableForResourceType"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.CreateOrUpdate(t.Context(), c.group, c.name, c.identity, nil)
			wantRefusal(t, err, c.status, c.code)
		})
	}
	list := pages(t, client.NewListByResourceGroupPager("rg", nil))
	if len(list) != 1 || len(list[0].Value) != 1 {
		t.Error("a refused identity is there")
	}
	_, err := client.Delete(t.Context(), "none", "app", nil)
	wantRefusal(t, err, 404, "ResourceGroupNotFound")
}

func tags(n int) map[string]*string {
	all := map[string]*string{}
	for i := range n {
		all[fmt.Sprint("tag", i)] = new("value")
	}
	return all
}

// A page holds 100, so both lists need more than one; every identity is on exactly one page.
func TestListsOfIdentitiesArePaged(t *testing.T) {
	w := start(t)
	client := w.msi(t).NewUserAssignedIdentitiesClient()
	inGroup, inAll := map[string]int{}, map[string]int{}
	for _, group := range []string{"rg1", "rg10"} { // one name begins with the other
		w.group(t, group)
		for i := range 105 {
			made, err := client.CreateOrUpdate(t.Context(), group, fmt.Sprintf("identity-%03d", i), armmsi.Identity{Location: new("eastus")}, nil)
			check(t, err)
			inAll[*made.ID] = 1
			if group == "rg1" {
				inGroup[*made.ID] = 1
			}
		}
	}
	seen := map[string]int{}
	list := pages(t, client.NewListByResourceGroupPager("rg1", nil))
	for _, page := range list {
		tally(t, seen, page.Value, page.NextLink, w)
	}
	if diff := cmp.Diff(inGroup, seen); diff != "" || len(list) != 2 {
		t.Errorf("%d pages of the group\n%s", len(list), diff)
	}
	seen = map[string]int{}
	all := pages(t, client.NewListBySubscriptionPager(nil))
	for _, page := range all {
		tally(t, seen, page.Value, page.NextLink, w)
	}
	if diff := cmp.Diff(inAll, seen); diff != "" || len(all) != 3 {
		t.Errorf("%d pages of the subscription\n%s", len(all), diff)
	}
}

// tally counts each identity of a page. The link to the next must lead to the server.
func tally(t *testing.T, seen map[string]int, page []*armmsi.Identity, next *string, w *world) {
	t.Helper()
	for _, identity := range page {
		seen[*identity.ID]++
	}
	if next != nil && !strings.HasPrefix(*next, w.Endpoint+"/") {
		t.Errorf("the next page is said to be at %s", *next)
	}
	if next != nil && len(page) != 100 {
		t.Errorf("a page of %d is followed by another", len(page))
	}
}

func TestOperationsOfManagedIdentity(t *testing.T) {
	w := start(t)
	var names []string
	for _, page := range pages(t, w.msi(t).NewOperationsClient().NewListPager(nil)) {
		for _, operation := range page.Value {
			if d := operation.Display; d == nil || *d.Provider != "Microsoft Managed Identity" || *d.Operation == "" || *d.Resource == "" || *d.Description == "" {
				t.Errorf("%s is not described: %+v", *operation.Name, d)
			}
			names = append(names, strings.TrimPrefix(*operation.Name, "Microsoft.ManagedIdentity/"))
		}
	}
	want := []string{
		"identities/read", "operations/read", "register/action",
		"userAssignedIdentities/assign/action", "userAssignedIdentities/delete",
		"userAssignedIdentities/federatedIdentityCredentials/read", "userAssignedIdentities/federatedIdentityCredentials/write",
		"userAssignedIdentities/federatedIdentityCredentials/delete", "userAssignedIdentities/listAssociatedResources/action",
		"userAssignedIdentities/read", "userAssignedIdentities/write",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

// What has no system-assigned identity, because it is not there or was not given one, says which.
func TestSystemAssignedIdentityIsNotFound(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	client := w.msi(t).NewSystemAssignedIdentitiesClient()
	for scope, code := range map[string]string{
		*identity.ID: "ResourceNotFound",
		group:        "ResourceNotFound",
		w.scope():    "ResourceNotFound",
		strings.TrimPrefix(group, "/") + "/providers/Microsoft.Compute/virtualMachines/vm": "ResourceNotFound",
		w.scope() + "/resourceGroups/none/providers/Microsoft.Compute/virtualMachines/vm":  "ResourceGroupNotFound",
	} {
		_, err := client.GetByScope(t.Context(), scope, nil)
		wantRefusal(t, err, 404, code)
	}
}

// Programs take ids apart with the SDK's own parser.
func TestSDKParsesTheIDs(t *testing.T) {
	w := start(t)
	w.group(t, "My.Group_(1)")
	identity := w.identity(t, "My.Group_(1)", "My-App_1")
	id, err := arm.ParseResourceID(*identity.ID)
	check(t, err)
	if id.SubscriptionID != w.SubscriptionID || id.ResourceGroupName != "My.Group_(1)" || id.Name != "My-App_1" ||
		id.ResourceType.String() != "Microsoft.ManagedIdentity/userAssignedIdentities" {
		t.Errorf("%s reads as %+v", *identity.ID, id)
	}
}

func wantStatus(t *testing.T, answer *http.Response, want int) {
	t.Helper()
	if answer.StatusCode != want {
		t.Errorf("%s %s: %s, want %d", answer.Request.Method, answer.Request.URL.Path, answer.Status, want)
	}
}

func equal[T any](t *testing.T, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
