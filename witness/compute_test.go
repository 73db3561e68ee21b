package witness_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

func (w *world) compute(t testing.TB) *armcompute.ClientFactory {
	t.Helper()
	f, err := armcompute.NewClientFactory(w.SubscriptionID, w.admin(t), w.options())
	check(t, err)
	return f
}

// done follows a long-running operation to its end, which must be near.
func done[T any](t testing.TB, poller *runtime.Poller[T], err error) T {
	t.Helper()
	check(t, err)
	result, err := poller.PollUntilDone(t.Context(), &runtime.PollUntilDoneOptions{Frequency: time.Second})
	check(t, err)
	return result
}

func (w *world) machine(t testing.TB, name string, identity *armcompute.VirtualMachineIdentity) armcompute.VirtualMachine {
	t.Helper()
	poller, err := w.compute(t).NewVirtualMachinesClient().BeginCreateOrUpdate(t.Context(), "rg", name,
		armcompute.VirtualMachine{Location: new("eastus"), Identity: identity}, nil)
	return done(t, poller, err).VirtualMachine
}

func TestAMachinesIdentitiesFromBeginningToEnd(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app, other := w.identity(t, "rg", "app"), w.identity(t, "rg", "other")
	client := w.compute(t).NewVirtualMachinesClient()

	made := w.machine(t, "vm", &armcompute.VirtualMachineIdentity{
		Type:                   new(armcompute.ResourceIdentityTypeSystemAssignedUserAssigned),
		UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{*app.ID: {}},
	})
	if *made.Properties.ProvisioningState != "Succeeded" || *made.Properties.VMID == "" || *made.Identity.TenantID != w.TenantID ||
		*made.Identity.UserAssignedIdentities[*app.ID].PrincipalID != *app.Properties.PrincipalID ||
		*made.Identity.UserAssignedIdentities[*app.ID].ClientID != *app.Properties.ClientID {
		t.Errorf("%+v", made)
	}
	system := *made.Identity.PrincipalID
	found, err := w.msi(t).NewSystemAssignedIdentitiesClient().GetByScope(t.Context(), strings.TrimPrefix(*made.ID, "/"), nil)
	check(t, err)
	if *found.Properties.PrincipalID != system || *found.Properties.TenantID != w.TenantID {
		t.Errorf("%+v", found.Properties)
	}

	// A patch adds one, and takes away the other in any spelling.
	poller, err := client.BeginUpdate(t.Context(), "rg", "vm", armcompute.VirtualMachineUpdate{Identity: &armcompute.VirtualMachineIdentity{
		Type: new(armcompute.ResourceIdentityTypeUserAssigned),
		UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{
			*other.ID: {}, strings.ToLower(*app.ID): nil,
		},
	}}, nil)
	patched := done(t, poller, err).VirtualMachine
	if ids := slices.Collect(maps.Keys(patched.Identity.UserAssignedIdentities)); !slices.Equal(ids, []string{*other.ID}) || patched.Identity.PrincipalID != nil {
		t.Errorf("%v, %v", ids, patched.Identity.PrincipalID)
	}

	// An identity that is deleted stays named, and one of its name does not take its place.
	_, err = w.msi(t).NewUserAssignedIdentitiesClient().Delete(t.Context(), "rg", "other", nil)
	check(t, err)
	again := w.identity(t, "rg", "other")
	kept, err := client.Get(t.Context(), "rg", "vm", nil)
	check(t, err)
	if id := *kept.Identity.UserAssignedIdentities[*other.ID].PrincipalID; id != *other.Properties.PrincipalID || id == *again.Properties.PrincipalID {
		t.Errorf("the machine's identity is %s", id)
	}
	view, err := client.InstanceView(t.Context(), "rg", "vm", nil)
	check(t, err)
	if len(view.Statuses) != 2 {
		t.Errorf("%+v", view)
	}
	if list := pages(t, client.NewListPager("rg", nil)); len(list) != 1 || len(list[0].Value) != 1 {
		t.Errorf("%+v", list)
	}
	if list := pages(t, client.NewListAllPager(nil)); len(list) != 1 || len(list[0].Value) != 1 {
		t.Errorf("%+v", list)
	}
	deleting, err := client.BeginDelete(t.Context(), "rg", "vm", nil)
	done(t, deleting, err)
	_, err = client.Get(t.Context(), "rg", "vm", nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
}

func TestScaleSetHasAsManyMachinesAsItsCapacity(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	sets, machines := w.compute(t).NewVirtualMachineScaleSetsClient(), w.compute(t).NewVirtualMachineScaleSetVMsClient()
	scale := func(capacity int64) {
		t.Helper()
		poller, err := sets.BeginCreateOrUpdate(t.Context(), "rg", "set", armcompute.VirtualMachineScaleSet{
			Location: new("eastus"), SKU: &armcompute.SKU{Name: new("Standard_B1s"), Capacity: &capacity},
			Identity: &armcompute.VirtualMachineScaleSetIdentity{
				Type:                   new(armcompute.ResourceIdentityTypeUserAssigned),
				UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{*app.ID: {}},
			},
			Properties: &armcompute.VirtualMachineScaleSetProperties{OrchestrationMode: new(armcompute.OrchestrationModeUniform)},
		}, nil)
		if made := done(t, poller, err); *made.SKU.Capacity != capacity || *made.Properties.UniqueID == "" {
			t.Errorf("%+v", made)
		}
	}
	numbers := func() (ids []string) {
		t.Helper()
		for _, page := range pages(t, machines.NewListPager("rg", "set", nil)) {
			for _, m := range page.Value {
				if *m.Name != "set_"+*m.InstanceID || *m.Properties.VMID == "" || !*m.Properties.LatestModelApplied {
					t.Errorf("%+v", m)
				}
				ids = append(ids, *m.InstanceID)
			}
		}
		slices.Sort(ids)
		return ids
	}
	scale(3)
	if got := numbers(); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("%q", got)
	}
	scale(1)
	scale(2) // numbers do not come back
	if got := numbers(); !slices.Equal(got, []string{"0", "3"}) {
		t.Errorf("%q", got)
	}
	ending, err := machines.BeginDelete(t.Context(), "rg", "set", "0", nil)
	done(t, ending, err)
	now, err := sets.Get(t.Context(), "rg", "set", nil)
	check(t, err)
	if got := numbers(); !slices.Equal(got, []string{"3"}) || *now.SKU.Capacity != 1 {
		t.Errorf("%q of %d", got, *now.SKU.Capacity)
	}
	one, err := machines.Get(t.Context(), "rg", "set", "3", nil)
	check(t, err)
	if *one.Properties.OSProfile.ComputerName != "set000003" {
		t.Errorf("%s", *one.Properties.OSProfile.ComputerName)
	}
	scale(120) // more than one transaction makes
	if got := numbers(); len(got) != 120 {
		t.Errorf("%d machines", len(got))
	}
	deleting, err := sets.BeginDelete(t.Context(), "rg", "set", nil)
	done(t, deleting, err)
	_, err = machines.Get(t.Context(), "rg", "set", "3", nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
}

func TestAFlexibleScaleSetHasUserAssignedIdentitiesOnly(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	sets := w.compute(t).NewVirtualMachineScaleSetsClient()
	set := func(identity armcompute.VirtualMachineScaleSetIdentity) (*runtime.Poller[armcompute.VirtualMachineScaleSetsClientCreateOrUpdateResponse], error) {
		return sets.BeginCreateOrUpdate(t.Context(), "rg", "set", armcompute.VirtualMachineScaleSet{
			Location: new("eastus"), Identity: &identity,
			Properties: &armcompute.VirtualMachineScaleSetProperties{OrchestrationMode: new(armcompute.OrchestrationModeFlexible)},
		}, nil)
	}
	_, err := set(armcompute.VirtualMachineScaleSetIdentity{Type: new(armcompute.ResourceIdentityTypeSystemAssigned)})
	wantRefusal(t, err, 400, "InvalidParameter")
	poller, err := set(armcompute.VirtualMachineScaleSetIdentity{
		Type:                   new(armcompute.ResourceIdentityTypeUserAssigned),
		UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{*app.ID: {}},
	})
	made := done(t, poller, err)
	if *made.Properties.OrchestrationMode != armcompute.OrchestrationModeFlexible || len(made.Identity.UserAssignedIdentities) != 1 {
		t.Errorf("%+v", made)
	}
}

// Any resource can carry identities, through the client that knows no types.
func TestAnyResourceCanHaveIdentities(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	client := w.resources(t).NewClient()
	id := group + "/providers/Microsoft.Batch/batchAccounts/nightly"
	poller, err := client.BeginCreateOrUpdateByID(t.Context(), id, "2024-01-01", armresources.GenericResource{
		Location: new("eastus"), Kind: new("batch"), Properties: map[string]any{"image": "x"},
		Identity: &armresources.Identity{
			Type:                   new(armresources.ResourceIdentityTypeSystemAssignedUserAssigned),
			UserAssignedIdentities: map[string]*armresources.IdentityUserAssignedIdentitiesValue{*app.ID: {}},
		},
	}, nil)
	made := done(t, poller, err)
	if *made.Kind != "batch" || *made.Identity.PrincipalID == "" || *made.Identity.UserAssignedIdentities[*app.ID].ClientID != *app.Properties.ClientID {
		t.Errorf("%+v", made)
	}
	exists, err := client.CheckExistenceByID(t.Context(), id, "2024-01-01", nil)
	check(t, err)
	if !exists.Success {
		t.Error("it does not exist")
	}
	deleting, err := client.BeginDeleteByID(t.Context(), id, "2024-01-01", nil)
	done(t, deleting, err)
	_, err = client.GetByID(t.Context(), id, "2024-01-01", nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
}

// Those who assign an identity while it is deleted and made again get it, or are told that it is
// not there; nothing ends in a fault, and the guard sees to that.
func TestAssigningWhileOthersDelete(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	identities, machines := w.msi(t).NewUserAssignedIdentitiesClient(), w.compute(t).NewVirtualMachinesClient()
	together(func(worker int) {
		for round := range 5 {
			if worker%4 == 0 {
				if _, err := identities.Delete(t.Context(), "rg", "app", nil); err != nil {
					t.Error(err)
				}
				if _, err := identities.CreateOrUpdate(t.Context(), "rg", "app", armmsi.Identity{Location: new("eastus")}, nil); err != nil {
					t.Error(err)
				}
				continue
			}
			name := fmt.Sprintf("vm-%d-%d", worker, round)
			_, err := machines.BeginCreateOrUpdate(t.Context(), "rg", name, armcompute.VirtualMachine{
				Location: new("eastus"), Identity: &armcompute.VirtualMachineIdentity{
					Type:                   new(armcompute.ResourceIdentityTypeUserAssigned),
					UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{*app.ID: {}},
				},
			}, nil)
			if !nilOr(err, "FailedIdentityOperation") {
				t.Error(err)
			}
			if worker%4 == 1 {
				if _, err := machines.BeginDelete(t.Context(), "rg", name, nil); err != nil {
					t.Error(err)
				}
			}
		}
	})
	// The identity lists the machines that name it.
	now, err := identities.Get(t.Context(), "rg", "app", nil)
	check(t, err)
	want := 0
	for _, page := range pages(t, machines.NewListPager("rg", nil)) {
		for _, m := range page.Value {
			if *m.Identity.UserAssignedIdentities[*app.ID].PrincipalID == *now.Properties.PrincipalID {
				want++
			}
		}
	}
	if got := w.associated(t, *app.ID); got != want {
		t.Errorf("the identity is assigned to %d machines, %d say so", got, want)
	}
}

// associated counts the resources that use an identity.
func (w *world) associated(t testing.TB, id string) int {
	t.Helper()
	pipeline, err := arm.NewClient("witness", "v1.0.0", w.admin(t), w.options())
	check(t, err)
	req, err := runtime.NewRequest(t.Context(), http.MethodPost, w.Endpoint+id+"/listAssociatedResources?api-version=2021-09-30-preview&$top=0")
	check(t, err)
	resp, err := pipeline.Pipeline().Do(req)
	check(t, err)
	var body struct{ TotalCount int }
	check(t, runtime.UnmarshalAsJSON(resp, &body))
	return body.TotalCount
}
