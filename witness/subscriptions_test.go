package witness_test

import (
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armsubscriptions"
)

func TestSubscriptionOfTheAdministrator(t *testing.T) {
	w := start(t)
	client := w.subscriptions(t).NewClient()
	got, err := client.Get(t.Context(), w.SubscriptionID, nil)
	check(t, err)
	if *got.ID != w.scope() || *got.SubscriptionID != w.SubscriptionID || *got.TenantID != w.TenantID ||
		*got.State != armsubscriptions.SubscriptionStateEnabled || *got.AuthorizationSource != "RoleBased" || *got.DisplayName == "" {
		t.Errorf("%+v", got.Subscription)
	}
	list := pages(t, client.NewListPager(nil))
	if len(list) != 1 || len(list[0].Value) != 1 {
		t.Fatalf("%d pages", len(list))
	}
	equal(t, got.Subscription, *list[0].Value[0])
}

func TestUnknownSubscriptions(t *testing.T) {
	w := start(t)
	client := w.subscriptions(t).NewClient()
	_, err := client.Get(t.Context(), "99999999-9999-4999-8999-999999999999", nil)
	wantRefusal(t, err, 404, "SubscriptionNotFound")
	_, err = client.Get(t.Context(), "not-a-guid", nil)
	wantRefusal(t, err, 400, "InvalidSubscriptionId")
	_, err = client.NewListLocationsPager("99999999-9999-4999-8999-999999999999", nil).NextPage(t.Context())
	wantRefusal(t, err, 404, "SubscriptionNotFound")
}

func TestLocations(t *testing.T) {
	w := start(t)
	list := pages(t, w.subscriptions(t).NewClient().NewListLocationsPager(w.SubscriptionID, nil))
	i := slices.IndexFunc(list[0].Value, func(l *armsubscriptions.Location) bool { return *l.Name == "eastus" })
	if i < 0 {
		t.Fatal("there is no eastus")
	}
	if l := list[0].Value[i]; *l.DisplayName != "East US" || *l.ID != w.scope()+"/locations/eastus" || *l.Type != armsubscriptions.LocationTypeRegion {
		t.Errorf("%+v", l)
	}
	// Without these, tools that offer regions offer none.
	for _, l := range list[0].Value {
		m := l.Metadata
		if m == nil || *m.RegionType != armsubscriptions.RegionTypePhysical || m.RegionCategory == nil || *m.PhysicalLocation == "" || *m.GeographyGroup == "" {
			t.Errorf("%s: %+v", *l.Name, m)
		}
	}
}

func TestTenantOfTheAdministrator(t *testing.T) {
	w := start(t)
	list := pages(t, w.subscriptions(t).NewTenantsClient().NewListPager(nil))
	if len(list) != 1 || len(list[0].Value) != 1 {
		t.Fatalf("%d pages", len(list))
	}
	tenant := list[0].Value[0]
	if *tenant.ID != "/tenants/"+w.TenantID || *tenant.TenantID != w.TenantID || *tenant.TenantCategory != armsubscriptions.TenantCategoryHome ||
		*tenant.DisplayName == "" || len(tenant.Domains) != 1 || *tenant.Domains[0] != *tenant.DefaultDomain {
		t.Errorf("%+v", tenant)
	}
}
