package witness_test

import (
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armlocks"
)

// Every operation of the SDK's client of locks, at each level that it has.
func TestSDKManagesLocks(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	w.identity(t, "rg", "app")
	client, err := armlocks.NewManagementLocksClient(w.SubscriptionID, w.admin(t), w.options())
	check(t, err)
	var answer *http.Response
	ctx := raw(t.Context(), &answer)
	const provider, kind = "Microsoft.ManagedIdentity", "userAssignedIdentities"
	body := armlocks.ManagementLockObject{Properties: &armlocks.ManagementLockProperties{
		Level: new(armlocks.LockLevelCanNotDelete), Notes: new("keep"), Owners: []*armlocks.ManagementLockOwner{{ApplicationID: &w.ClientID}},
	}}
	wantLock := func(l armlocks.ManagementLockObject, scope string) {
		t.Helper()
		if *l.ID != scope+"/providers/Microsoft.Authorization/locks/l" || *l.Name != "l" || *l.Type != "Microsoft.Authorization/locks" ||
			*l.Properties.Level != armlocks.LockLevelCanNotDelete || *l.Properties.Notes != "keep" || *l.Properties.Owners[0].ApplicationID != w.ClientID ||
			l.SystemData == nil || l.SystemData.CreatedAt == nil || *l.SystemData.CreatedBy != w.ClientID || *l.SystemData.CreatedByType != armlocks.CreatedByTypeApplication {
			t.Errorf("%+v %+v", l, l.Properties)
		}
	}

	atSubscription, err := client.CreateOrUpdateAtSubscriptionLevel(ctx, "l", body, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusCreated)
	wantLock(atSubscription.ManagementLockObject, w.scope())
	atGroup, err := client.CreateOrUpdateAtResourceGroupLevel(ctx, "rg", "l", body, nil)
	check(t, err)
	wantLock(atGroup.ManagementLockObject, group)
	atResource, err := client.CreateOrUpdateAtResourceLevel(ctx, "rg", provider, "", kind, "app", "l", body, nil)
	check(t, err)
	identity := w.scope() + "/resourcegroups/rg/providers/" + provider + "/" + kind + "/app"
	if *atResource.Name != "l" {
		t.Errorf("%+v", atResource)
	}
	_, err = client.CreateOrUpdateByScope(ctx, identity, "l", body, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusOK)

	_, err = client.GetAtSubscriptionLevel(ctx, "l", nil)
	check(t, err)
	_, err = client.GetAtResourceGroupLevel(ctx, "rg", "l", nil)
	check(t, err)
	_, err = client.GetAtResourceLevel(ctx, "rg", provider, "", kind, "app", "l", nil)
	check(t, err)
	_, err = client.GetByScope(ctx, group, "l", nil)
	check(t, err)

	subscriptions := client.NewListAtSubscriptionLevelPager(nil)
	page, err := subscriptions.NextPage(ctx)
	check(t, err)
	groups, err := client.NewListAtResourceGroupLevelPager("rg", nil).NextPage(ctx)
	check(t, err)
	resources, err := client.NewListAtResourceLevelPager("rg", provider, "", kind, "app", nil).NextPage(ctx)
	check(t, err)
	scopes, err := client.NewListByScopePager(group, &armlocks.ManagementLocksClientListByScopeOptions{Filter: new("atScope()")}).NextPage(ctx)
	check(t, err)
	if len(page.Value) != 3 || len(groups.Value) != 3 || len(resources.Value) != 3 || len(scopes.Value) != 2 {
		t.Errorf("%d, %d, %d and %d locks", len(page.Value), len(groups.Value), len(resources.Value), len(scopes.Value))
	}

	_, err = w.msi(t).NewUserAssignedIdentitiesClient().Delete(ctx, "rg", "app", nil)
	wantRefusal(t, err, http.StatusConflict, "ScopeLocked")
	_, err = client.DeleteByScope(ctx, identity, "l", nil)
	check(t, err)
	_, err = client.DeleteAtResourceLevel(ctx, "rg", provider, "", kind, "app", "l", nil)
	check(t, err)
	wantStatus(t, answer, http.StatusNoContent)
	_, err = client.DeleteAtResourceGroupLevel(ctx, "rg", "l", nil)
	check(t, err)
	_, err = client.DeleteAtSubscriptionLevel(ctx, "l", nil)
	check(t, err)
	wantStatus(t, answer, http.StatusOK)
	_, err = w.msi(t).NewUserAssignedIdentitiesClient().Delete(ctx, "rg", "app", nil)
	check(t, err)
	_, err = client.GetByScope(ctx, group, "l", nil)
	wantRefusal(t, err, http.StatusNotFound, "LockNotFound")
}
