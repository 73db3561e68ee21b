package witness_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armsubscriptions"

	"midas/midastest"
)

// world is a server and what the SDK needs to know of it.
type world struct {
	*midastest.Server
	guard *guard
	cloud cloud.Configuration
}

// start runs a server until the test ends. The names lead to it, too.
func start(t testing.TB, leads ...string) *world {
	t.Helper()
	return watch(t, midastest.Start(t), leads...)
}

func watch(t testing.TB, srv *midastest.Server, leads ...string) *world {
	t.Helper()
	return &world{
		Server: srv,
		guard:  newGuard(t, srv.CAFile, strings.TrimPrefix(srv.Endpoint, "https://"), leads...),
		cloud: cloud.Configuration{
			ActiveDirectoryAuthorityHost: srv.Endpoint,
			Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
				cloud.ResourceManager: {Endpoint: srv.Endpoint, Audience: "https://management.azure.com"},
			},
		},
	}
}

func (w *world) client() azcore.ClientOptions {
	return azcore.ClientOptions{Cloud: w.cloud, Transport: w.guard}
}

// options are those of any client of Azure Resource Manager.
func (w *world) options(each ...policy.Policy) *arm.ClientOptions {
	o := &arm.ClientOptions{ClientOptions: w.client()}
	o.PerCallPolicies = each
	return o
}

// secret is a credential of the SDK, made as programs in private clouds make it.
func (w *world) secret(t testing.TB, tenant, app, secret string) *azidentity.ClientSecretCredential {
	t.Helper()
	credential, err := azidentity.NewClientSecretCredential(tenant, app, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: w.client(), DisableInstanceDiscovery: true,
	})
	check(t, err)
	return credential
}

// admin is the credential of the administrator.
func (w *world) admin(t testing.TB) azcore.TokenCredential {
	t.Helper()
	return w.secret(t, w.TenantID, w.ClientID, w.ClientSecret)
}

func (w *world) msi(t testing.TB, each ...policy.Policy) *armmsi.ClientFactory {
	t.Helper()
	f, err := armmsi.NewClientFactory(w.SubscriptionID, w.admin(t), w.options(each...))
	check(t, err)
	return f
}

func (w *world) resources(t testing.TB) *armresources.ClientFactory {
	t.Helper()
	f, err := armresources.NewClientFactory(w.SubscriptionID, w.admin(t), w.options())
	check(t, err)
	return f
}

func (w *world) subscriptions(t testing.TB) *armsubscriptions.ClientFactory {
	t.Helper()
	f, err := armsubscriptions.NewClientFactory(w.admin(t), w.options())
	check(t, err)
	return f
}

func (w *world) authorization(t testing.TB) *armauthorization.ClientFactory {
	t.Helper()
	f, err := armauthorization.NewClientFactory(w.SubscriptionID, w.admin(t), w.options())
	check(t, err)
	return f
}

// group makes a resource group and gives its id.
func (w *world) group(t testing.TB, name string) string {
	t.Helper()
	made, err := w.resources(t).NewResourceGroupsClient().CreateOrUpdate(t.Context(), name, armresources.ResourceGroup{Location: new("eastus")}, nil)
	check(t, err)
	return *made.ID
}

// identity makes a user-assigned identity.
func (w *world) identity(t testing.TB, group, name string) armmsi.Identity {
	t.Helper()
	made, err := w.msi(t).NewUserAssignedIdentitiesClient().CreateOrUpdate(t.Context(), group, name, armmsi.Identity{Location: new("eastus")}, nil)
	check(t, err)
	return made.Identity
}

func (w *world) scope() string { return "/subscriptions/" + w.SubscriptionID }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantRefusal fails the test unless err is what the SDK makes of an ARM error with a status and a
// code.
func wantRefusal(t testing.TB, err error, status int, code string) {
	t.Helper()
	var refusal *azcore.ResponseError
	if !errors.As(err, &refusal) {
		t.Errorf("got %v, want %d %s", err, status, code)
		return
	}
	if refusal.StatusCode != status || refusal.ErrorCode != code {
		t.Errorf("got %d %s, want %d %s: %v", refusal.StatusCode, refusal.ErrorCode, status, code, refusal)
	}
}

// pages reads a list to its end.
func pages[T any](t testing.TB, pager *runtime.Pager[T]) []T {
	t.Helper()
	var all []T
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		check(t, err)
		if all = append(all, page); len(all) > 1000 {
			t.Fatal("the list has no end")
		}
	}
	return all
}

// raw lets a test see the HTTP answer behind a call of the SDK.
func raw(ctx context.Context, into **http.Response) context.Context {
	return policy.WithCaptureResponse(ctx, into)
}
