package witness_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/google/go-cmp/cmp"
)

func TestGroupFromCreationToEnd(t *testing.T) {
	w := start(t)
	client := w.resources(t).NewResourceGroupsClient()
	var answer *http.Response
	ctx := raw(t.Context(), &answer)

	exists, err := client.CheckExistence(ctx, "rg", nil)
	check(t, err)
	if exists.Success {
		t.Error("a group that was never made exists")
	}
	_, err = client.Get(ctx, "rg", nil)
	wantRefusal(t, err, 404, "ResourceGroupNotFound")
	_, err = client.Update(ctx, "rg", armresources.ResourceGroupPatchable{}, nil)
	wantRefusal(t, err, 404, "ResourceGroupNotFound")

	made, err := client.CreateOrUpdate(ctx, "rg", armresources.ResourceGroup{Location: new("West Europe"), Tags: map[string]*string{"a": new("1")}}, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusCreated)
	want := armresources.ResourceGroup{
		ID: made.ID, Name: new("rg"), Type: new("Microsoft.Resources/resourceGroups"),
		Location: new("westeurope"), Tags: map[string]*string{"a": new("1")},
		Properties: &armresources.ResourceGroupProperties{ProvisioningState: new("Succeeded")},
	}
	if !strings.EqualFold(*made.ID, w.scope()+"/resourceGroups/rg") { // its spelling is the client's own
		t.Errorf("the group is %s", *made.ID)
	}
	equal(t, want, made.ResourceGroup)
	exists, err = client.CheckExistence(ctx, "RG", nil)
	check(t, err)
	if !exists.Success {
		t.Error("a group does not exist")
	}
	patched, err := client.Update(ctx, "rg", armresources.ResourceGroupPatchable{Tags: map[string]*string{"b": new("2")}}, nil)
	check(t, err)
	want.Tags = map[string]*string{"b": new("2")}
	equal(t, want, patched.ResourceGroup)
	got, err := client.Get(ctx, "rg", nil)
	check(t, err)
	equal(t, want, got.ResourceGroup)
	_, err = client.CreateOrUpdate(ctx, "rg", armresources.ResourceGroup{Location: new("eastus")}, nil)
	wantRefusal(t, err, 409, "InvalidResourceGroupLocation")
	_, err = client.CreateOrUpdate(ctx, "rg.", armresources.ResourceGroup{Location: new("eastus")}, nil)
	wantRefusal(t, err, 400, "InvalidResourceGroup")
}

// Without a Retry-After the SDK would wait 30 seconds between its polls.
func TestDeletingAGroupIsPolledAsTheServerSays(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	client := w.resources(t).NewResourceGroupsClient()
	var answer *http.Response
	begun := time.Now()
	poller, err := client.BeginDelete(raw(t.Context(), &answer), "rg", nil)
	check(t, err)
	wantStatus(t, answer, http.StatusAccepted)
	if answer.Header.Get("Retry-After") == "" || !strings.HasPrefix(answer.Header.Get("Location"), w.Endpoint+"/subscriptions/") {
		t.Errorf("how to poll: %v", answer.Header)
	}
	_, err = poller.PollUntilDone(t.Context(), nil)
	check(t, err)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	polls := w.guard.count(func(e exchange) bool { return strings.Contains(e.Path, "/operationresults/") })
	if polls < 1 || polls > 5 {
		t.Errorf("%d polls", polls)
	}
	exists, err := client.CheckExistence(t.Context(), "rg", nil)
	check(t, err)
	if exists.Success {
		t.Error("the group is still there")
	}
	_, err = client.BeginDelete(t.Context(), "rg", nil)
	wantRefusal(t, err, 404, "ResourceGroupNotFound")
	w.group(t, "rg")
	if again := w.identity(t, "rg", "app"); *again.Properties.PrincipalID == *identity.Properties.PrincipalID {
		t.Error("the identity of the deleted group came back")
	}
}

// A program may end while a group is being deleted, and go on polling when it runs again.
func TestPollingResumes(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	client := w.resources(t).NewResourceGroupsClient()
	poller, err := client.BeginDelete(t.Context(), "rg", nil)
	check(t, err)
	token, err := poller.ResumeToken()
	check(t, err)
	resumed, err := client.BeginDelete(t.Context(), "", &armresources.ResourceGroupsClientBeginDeleteOptions{ResumeToken: token})
	check(t, err)
	_, err = resumed.PollUntilDone(t.Context(), &runtime.PollUntilDoneOptions{Frequency: 50 * time.Millisecond})
	check(t, err)
}

func TestGroupsAreListedByTagAndByPage(t *testing.T) {
	w := start(t)
	client := w.resources(t).NewResourceGroupsClient()
	for i := range 7 {
		_, err := client.CreateOrUpdate(t.Context(), fmt.Sprint("rg", i), armresources.ResourceGroup{
			Location: new("eastus"), Tags: map[string]*string{"parity": new([]string{"even", "odd"}[i%2])},
		}, nil)
		check(t, err)
	}
	names := func(options *armresources.ResourceGroupsClientListOptions) (names []string, pageCount int) {
		list := pages(t, client.NewListPager(options))
		for _, page := range list {
			for _, group := range page.Value {
				names = append(names, *group.Name)
			}
		}
		return names, len(list)
	}
	all, count := names(&armresources.ResourceGroupsClientListOptions{Top: new(int32(3))})
	if diff := cmp.Diff([]string{"rg0", "rg1", "rg2", "rg3", "rg4", "rg5", "rg6"}, all); diff != "" || count != 3 {
		t.Errorf("%d pages\n%s", count, diff)
	}
	odd, _ := names(&armresources.ResourceGroupsClientListOptions{Filter: new("tagName eq 'parity' and tagValue eq 'odd'")})
	if diff := cmp.Diff([]string{"rg1", "rg3", "rg5"}, odd); diff != "" {
		t.Error(diff)
	}
	if none, _ := names(&armresources.ResourceGroupsClientListOptions{Filter: new("tagName eq 'other'")}); none != nil {
		t.Errorf("without the tag: %q", none)
	}
	pager := client.NewListPager(&armresources.ResourceGroupsClientListOptions{Filter: new("name eq")})
	_, err := pager.NextPage(t.Context())
	wantRefusal(t, err, 400, "InvalidFilterInQueryString")
}

func TestResourcesAreListedByType(t *testing.T) {
	w := start(t)
	const typ = "Microsoft.ManagedIdentity/userAssignedIdentities"
	var want []string
	for _, group := range []string{"rg1", "rg10"} {
		w.group(t, group)
		for _, name := range []string{"one", "two"} {
			w.identity(t, group, name)
			want = append(want, group+"/"+name)
		}
	}
	client := w.resources(t).NewClient()
	read := func(value []*armresources.GenericResourceExpanded, into *[]string) {
		for _, r := range value {
			if *r.Type != typ || *r.Location != "eastus" {
				t.Errorf("%s is a %s in %s", *r.ID, *r.Type, *r.Location)
			}
			*into = append(*into, strings.Split(*r.ID, "/")[4]+"/"+*r.Name)
		}
	}
	for filter, want := range map[string][]string{
		"resourceType eq '" + typ + "'":                   want,
		"resourceType eq '" + strings.ToLower(typ) + "'":  want,
		"resourceType eq 'Microsoft.Compute/disks'":       nil,
		"resourceType eq '" + typ + "' and name eq 'one'": {"rg1/one", "rg10/one"},
		"": want,
	} {
		var got []string
		options := &armresources.ClientListOptions{Top: new(int32(3))}
		if filter != "" {
			options.Filter = &filter
		}
		for _, page := range pages(t, client.NewListPager(options)) {
			read(page.Value, &got)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s\n%s", filter, diff)
		}
	}
	var got []string
	for _, page := range pages(t, client.NewListByResourceGroupPager("rg1", &armresources.ClientListByResourceGroupOptions{Filter: new("resourceType eq '" + typ + "'")})) {
		read(page.Value, &got)
	}
	if diff := cmp.Diff(want[:2], got); diff != "" {
		t.Error(diff)
	}
	_, err := client.NewListByResourceGroupPager("none", nil).NextPage(t.Context())
	wantRefusal(t, err, 404, "ResourceGroupNotFound")
}

// Programs that know a resource only by its id use the generic client, whatever the type is. It
// takes the answer to a create for the beginning of a long operation and finds no URL to poll in its
// Location, which is relative; the same happens with Azure (azure-sdk-for-go#21035). The identity is
// made all the same, and the second PUT shows it.
func TestIdentityByTheGenericClient(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	const version = "2023-01-31"
	id := w.scope() + "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	client := w.resources(t).NewClient()
	wanted := armresources.GenericResource{Location: new("eastus")}
	_, err := client.BeginCreateOrUpdateByID(t.Context(), id, version, wanted, nil)
	if err == nil || !strings.Contains(err.Error(), "invalid polling URL") {
		t.Errorf("got %v", err)
	}
	making, err := client.BeginCreateOrUpdateByID(t.Context(), id, version, wanted, nil)
	check(t, err)
	made, err := making.PollUntilDone(t.Context(), nil)
	check(t, err)
	updating, err := client.BeginUpdateByID(t.Context(), id, version, armresources.GenericResource{Tags: map[string]*string{"a": new("1")}}, nil)
	check(t, err)
	_, err = updating.PollUntilDone(t.Context(), nil)
	check(t, err)
	got, err := client.GetByID(t.Context(), id, version, nil)
	check(t, err)
	if *got.ID != *made.ID || *got.Tags["a"] != "1" {
		t.Errorf("%+v", got.GenericResource)
	}
	typed, err := w.msi(t).NewUserAssignedIdentitiesClient().Get(t.Context(), "rg", "app", nil)
	check(t, err)
	if properties := got.Properties.(map[string]any); properties["principalId"] != *typed.Properties.PrincipalID {
		t.Errorf("%v", properties)
	}
	deleting, err := client.BeginDeleteByID(t.Context(), id, version, nil)
	check(t, err)
	_, err = deleting.PollUntilDone(t.Context(), nil)
	check(t, err)
	_, err = client.GetByID(t.Context(), id, version, nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
}

func TestProviders(t *testing.T) {
	w := start(t)
	client := w.resources(t).NewProvidersClient()
	got, err := client.Get(t.Context(), "microsoft.managedidentity", nil)
	check(t, err)
	if *got.Namespace != "Microsoft.ManagedIdentity" || *got.RegistrationState != "Registered" || *got.ID != w.scope()+"/providers/Microsoft.ManagedIdentity" {
		t.Errorf("%s is %s: %s", *got.Namespace, *got.RegistrationState, *got.ID)
	}
	i := slices.IndexFunc(got.ResourceTypes, func(r *armresources.ProviderResourceType) bool { return *r.ResourceType == "userAssignedIdentities" })
	if i < 0 || len(got.ResourceTypes[i].APIVersions) != 11 || *got.ResourceTypes[i].APIVersions[0] != "2026-05-31" || len(got.ResourceTypes[i].Locations) == 0 {
		t.Errorf("%+v", got.ResourceTypes)
	}
	registered, err := client.Register(t.Context(), "Microsoft.ManagedIdentity", nil)
	check(t, err)
	equal(t, got.Provider, registered.Provider)
	_, err = client.Get(t.Context(), "Nothing", nil)
	wantRefusal(t, err, 404, "InvalidResourceNamespace")
	_, err = client.Register(t.Context(), "Nothing", nil)
	wantRefusal(t, err, 404, "InvalidResourceNamespace")
	var names []string
	for _, page := range pages(t, client.NewListPager(nil)) {
		for _, provider := range page.Value {
			names = append(names, *provider.Namespace)
		}
	}
	for _, want := range []string{"Microsoft.Authorization", "Microsoft.ManagedIdentity", "Microsoft.Resources"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not among %q", want, names)
		}
	}
	tenant, err := client.GetAtTenantScope(t.Context(), "Microsoft.ManagedIdentity", nil)
	check(t, err)
	if *tenant.Namespace != "Microsoft.ManagedIdentity" {
		t.Errorf("%+v", tenant.Provider)
	}
}
