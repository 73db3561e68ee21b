package witness_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/managementgroups/armmanagementgroups"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/subscription/armsubscription"
	"github.com/google/uuid"
)

const groups = "/providers/Microsoft.Management/managementGroups/"

// fast polls without waiting for seconds.
var fast = &runtime.PollUntilDoneOptions{Frequency: time.Millisecond}

func (w *world) managementGroups(t testing.TB) *armmanagementgroups.ClientFactory {
	t.Helper()
	f, err := armmanagementgroups.NewClientFactory(w.admin(t), w.options())
	check(t, err)
	return f
}

func (w *world) newGroup(t testing.TB, name, parent string) {
	t.Helper()
	body := armmanagementgroups.CreateManagementGroupRequest{Properties: &armmanagementgroups.CreateManagementGroupProperties{
		DisplayName: new("Group " + name),
		Details:     &armmanagementgroups.CreateManagementGroupDetails{Parent: &armmanagementgroups.CreateParentGroupInfo{ID: new(groups + parent)}},
	}}
	poller, err := w.managementGroups(t).NewClient().BeginCreateOrUpdate(t.Context(), name, body, nil)
	check(t, err)
	made, err := poller.PollUntilDone(t.Context(), fast)
	check(t, err)
	if *made.Name != name || *made.Properties.DisplayName != "Group "+name {
		t.Errorf("made %+v", made.ManagementGroup)
	}
}

// TestManagementGroupsWithTheSDK calls every operation of the SDK's clients for management groups.
func TestManagementGroupsWithTheSDK(t *testing.T) {
	w := start(t)
	f := w.managementGroups(t)
	client, api, below := f.NewClient(), f.NewAPIClient(), f.NewManagementGroupSubscriptionsClient()
	free, err := api.CheckNameAvailability(t.Context(), armmanagementgroups.CheckNameAvailabilityRequest{
		Name: new("platform"), Type: new("Microsoft.Management/managementGroups"),
	}, nil)
	check(t, err)
	if !*free.NameAvailable {
		t.Errorf("%+v", free)
	}
	w.newGroup(t, "Platform", w.TenantID)
	w.newGroup(t, "apps", "platform")
	moved, err := client.Update(t.Context(), "APPS", armmanagementgroups.PatchManagementGroupRequest{DisplayName: new("Apps"), ParentGroupID: new(groups + w.TenantID)}, nil)
	check(t, err)
	if *moved.Name != "apps" || *moved.Properties.DisplayName != "Apps" || *moved.Properties.Details.Parent.Name != w.TenantID {
		t.Errorf("moved %+v", moved.ManagementGroup)
	}
	_, err = client.Update(t.Context(), "apps", armmanagementgroups.PatchManagementGroupRequest{ParentGroupID: new(groups + "Platform")}, nil)
	check(t, err)
	_, err = below.Create(t.Context(), "apps", w.SubscriptionID, nil)
	check(t, err)
	got, err := below.GetSubscription(t.Context(), "apps", w.SubscriptionID, nil)
	check(t, err)
	if *got.Properties.Parent.ID != groups+"apps" {
		t.Errorf("%+v", got.Properties)
	}
	if list := pages(t, below.NewGetSubscriptionsUnderManagementGroupPager("apps", nil)); len(list[0].Value) != 1 {
		t.Errorf("%d subscriptions", len(list[0].Value))
	}
	expand := armmanagementgroups.ManagementGroupExpandTypeChildren
	full, err := client.Get(t.Context(), "platform", &armmanagementgroups.ClientGetOptions{Expand: &expand, Recurse: new(true)})
	check(t, err)
	if c := full.Properties.Children; len(c) != 1 || *c[0].Name != "apps" || len(c[0].Children) != 1 || *c[0].Children[0].Name != w.SubscriptionID {
		t.Errorf("children %+v", c)
	}
	var names []string
	for _, page := range pages(t, client.NewGetDescendantsPager("Platform", &armmanagementgroups.ClientGetDescendantsOptions{Top: new(int32(1))})) {
		for _, d := range page.Value {
			names = append(names, *d.Name)
		}
	}
	if !slices.Equal(names, []string{"apps", w.SubscriptionID}) {
		t.Errorf("descendants %q", names)
	}
	names = nil
	for _, page := range pages(t, client.NewListPager(nil)) {
		for _, g := range page.Value {
			names = append(names, *g.Name)
		}
	}
	if slices.Sort(names); !slices.Equal(names, []string{"Platform", "apps"}) {
		t.Errorf("groups %q", names)
	}
	if list := pages(t, f.NewEntitiesClient().NewListPager(nil)); len(list[0].Value) != 3 {
		t.Errorf("%d entities", len(list[0].Value))
	}
	if list := pages(t, f.NewOperationsClient().NewListPager(nil)); len(list[0].Value) < 10 {
		t.Errorf("%d operations", len(list[0].Value))
	}
	_, err = client.BeginDelete(t.Context(), "apps", nil)
	wantRefusal(t, err, 400, "BadRequest")
	_, err = below.Delete(t.Context(), "apps", w.SubscriptionID, nil)
	check(t, err)
	for _, name := range []string{"apps", "Platform"} {
		poller, err := client.BeginDelete(t.Context(), name, nil)
		check(t, err)
		_, err = poller.PollUntilDone(t.Context(), fast)
		check(t, err)
	}
	var answer *http.Response
	_, err = client.BeginDelete(raw(t.Context(), &answer), "apps", nil)
	wantRefusal(t, err, 403, "AuthorizationFailed") // nobody has a right at the root group
	for _, ask := range []func() (*armmanagementgroups.Status, error){
		func() (*armmanagementgroups.Status, error) {
			r, err := api.StartTenantBackfill(t.Context(), nil)
			return r.Status, err
		},
		func() (*armmanagementgroups.Status, error) {
			r, err := api.TenantBackfillStatus(t.Context(), nil)
			return r.Status, err
		},
	} {
		status, err := ask()
		check(t, err)
		if *status != armmanagementgroups.StatusCompleted {
			t.Errorf("backfill %s", *status)
		}
	}
}

// TestHierarchySettingsWithTheSDK calls every operation of the SDK's client for the settings, as an elevated
// administrator.
func TestHierarchySettingsWithTheSDK(t *testing.T) {
	w := start(t)
	_, err := w.authorization(t).NewGlobalAdministratorClient().ElevateAccess(t.Context(), nil)
	check(t, err)
	// User Access Administrator at the root may assign Owner at the root group.
	_, err = w.authorization(t).NewRoleAssignmentsClient().Create(t.Context(), groups+w.TenantID, "11111111-2222-4333-8444-555555555555", w.grant(ownerRole, w.adminObject()), nil)
	check(t, err)
	settings := w.managementGroups(t).NewHierarchySettingsClient()
	_, err = settings.Get(t.Context(), w.TenantID, nil)
	wantRefusal(t, err, 404, "NotFound")
	w.newGroup(t, "inbox", w.TenantID)
	body := armmanagementgroups.CreateOrUpdateSettingsRequest{Properties: &armmanagementgroups.CreateOrUpdateSettingsProperties{
		DefaultManagementGroup: new(groups + "inbox"), RequireAuthorizationForGroupCreation: new(true),
	}}
	_, err = settings.CreateOrUpdate(t.Context(), w.TenantID, body, nil)
	check(t, err)
	_, err = settings.Update(t.Context(), w.TenantID, body, nil)
	check(t, err)
	got, err := settings.Get(t.Context(), w.TenantID, nil)
	check(t, err)
	if *got.Properties.DefaultManagementGroup != groups+"inbox" || !*got.Properties.RequireAuthorizationForGroupCreation {
		t.Errorf("%+v", got.Properties)
	}
	list, err := settings.List(t.Context(), w.TenantID, nil)
	check(t, err)
	if len(list.Value) != 1 {
		t.Errorf("%d settings", len(list.Value))
	}
	made := w.newSubscription(t, "in the inbox")
	if _, err := w.managementGroups(t).NewManagementGroupSubscriptionsClient().GetSubscription(t.Context(), "inbox", made, nil); err != nil {
		t.Errorf("a new subscription below the default group: %v", err)
	}
	_, err = settings.Delete(t.Context(), w.TenantID, nil)
	check(t, err)
}

// adminObject is the object id of the administrator's service principal, which is made from the client id.
func (w *world) adminObject() string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("midas:"+w.ClientID+"/principal")).String()
}

func (w *world) subscriptionClients(t testing.TB) *armsubscription.ClientFactory {
	t.Helper()
	f, err := armsubscription.NewClientFactory(w.admin(t), w.options())
	check(t, err)
	return f
}

// newSubscription makes a subscription under an alias and returns its id.
func (w *world) newSubscription(t testing.TB, name string) string {
	t.Helper()
	production := armsubscription.WorkloadProduction
	poller, err := w.subscriptionClients(t).NewAliasClient().BeginCreate(t.Context(), "alias", armsubscription.PutAliasRequest{
		Properties: &armsubscription.PutAliasRequestProperties{DisplayName: &name, Workload: &production, BillingScope: new("/billingAccounts/x")},
	}, nil)
	check(t, err)
	made, err := poller.PollUntilDone(t.Context(), fast)
	check(t, err)
	if *made.Properties.ProvisioningState != armsubscription.ProvisioningStateSucceeded {
		t.Errorf("%+v", made.Properties)
	}
	return *made.Properties.SubscriptionID
}

// TestSubscriptionsWithTheSDK makes, renames, cancels and enables a subscription.
func TestSubscriptionsWithTheSDK(t *testing.T) {
	w := start(t)
	f := w.subscriptionClients(t)
	made := w.newSubscription(t, "Second")
	alias, err := f.NewAliasClient().Get(t.Context(), "ALIAS", nil)
	check(t, err)
	all, err := f.NewAliasClient().List(t.Context(), nil)
	check(t, err)
	if *alias.Properties.SubscriptionID != made || len(all.Value) != 1 || *alias.Properties.DisplayName != "Second" {
		t.Errorf("%+v", alias.Properties)
	}
	client := f.NewClient()
	_, err = client.Rename(t.Context(), made, armsubscription.Name{SubscriptionName: new("Renamed")}, nil)
	check(t, err)
	_, err = client.Cancel(t.Context(), made, nil)
	check(t, err)
	got, err := f.NewSubscriptionsClient().Get(t.Context(), made, nil)
	check(t, err)
	if *got.DisplayName != "Renamed" || *got.State != armsubscription.SubscriptionStateDisabled {
		t.Errorf("%+v", got.Subscription)
	}
	_, err = client.Enable(t.Context(), made, nil)
	check(t, err)
	if list := pages(t, f.NewSubscriptionsClient().NewListPager(nil)); len(list[0].Value) != 2 {
		t.Errorf("%d subscriptions", len(list[0].Value))
	}
	_, err = f.NewAliasClient().Delete(t.Context(), "alias", nil)
	check(t, err)
}
