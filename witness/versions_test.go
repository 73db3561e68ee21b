package witness_test

import (
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
)

// pin is the policy by which programs hold a client to an api-version that it was not made for.
type pin string

func (p pin) Do(req *policy.Request) (*http.Response, error) {
	query := req.Raw().URL.Query()
	query.Set("api-version", string(p))
	req.Raw().URL.RawQuery = query.Encode()
	return req.Next()
}

// knows is what the clients can see of a version.
type knows struct {
	version              string
	federated, isolation bool
}

// Each row is a fact of Microsoft's OpenAPI file of that version.
func versions() []knows {
	return []knows{
		{version: "2015-08-31-preview"},
		{version: "2018-11-30"},
		{version: "2021-09-30-preview"},
		{version: "2022-01-31-preview", federated: true},
		{version: "2023-01-31", federated: true},
		{version: "2023-07-31-preview", federated: true},
		{version: "2024-11-30", federated: true, isolation: true},
		{version: "2025-01-31-preview", federated: true, isolation: true},
		{version: "2025-05-31-preview", federated: true, isolation: true},
		{version: "2026-04-30", federated: true, isolation: true},
		{version: "2026-05-31", federated: true, isolation: true},
	}
}

// One server for all versions: what one of them leaves behind must not disturb the next.
func TestEveryVersionCreatesReadsListsChangesAndDeletes(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	w.identity(t, "rg", "bystander")
	for _, v := range versions() {
		t.Run(v.version, func(t *testing.T) {
			factory := w.msi(t, pin(v.version))
			client := factory.NewUserAssignedIdentitiesClient()
			var answer *http.Response
			ctx := raw(t.Context(), &answer)
			made, err := client.CreateOrUpdate(ctx, "rg", "app", armmsi.Identity{
				Location: new("eastus"), Tags: map[string]*string{"a": new("1")},
				Properties: &armmsi.UserAssignedIdentityProperties{IsolationScope: new(armmsi.IsolationScopeRegional)},
			}, nil)
			check(t, err)
			wantStatus(t, answer, http.StatusCreated)
			if asked := answer.Request.URL.Query().Get("api-version"); asked != v.version {
				t.Fatalf("asked for %s", asked)
			}
			if got := made.Properties.IsolationScope; (got != nil) != v.isolation {
				t.Errorf("isolationScope %v", got)
			}
			got, err := client.Get(ctx, "rg", "app", nil)
			check(t, err)
			equal(t, made.Identity, got.Identity)

			patched, err := client.Update(ctx, "rg", "app", armmsi.IdentityUpdate{Tags: map[string]*string{"b": new("2")}}, nil)
			check(t, err)
			made.Tags = map[string]*string{"b": new("2")}
			equal(t, made.Identity, patched.Identity)
			wantListed(t, client, made.Identity)
			v.federate(t, factory.NewFederatedIdentityCredentialsClient())
			if operations := pages(t, factory.NewOperationsClient().NewListPager(nil)); len(operations[0].Value) != 11 {
				t.Errorf("%d operations", len(operations[0].Value))
			}
			_, err = factory.NewSystemAssignedIdentitiesClient().GetByScope(ctx, *made.ID, nil)
			wantRefusal(t, err, 404, "ResourceNotFound")
			for _, status := range []int{http.StatusOK, http.StatusNoContent} {
				_, err = client.Delete(ctx, "rg", "app", nil)
				check(t, err)
				wantStatus(t, answer, status)
			}
		})
	}
	_, err := w.msi(t, pin("2024-01-01")).NewUserAssignedIdentitiesClient().Get(t.Context(), "rg", "bystander", nil)
	wantRefusal(t, err, 400, "NoRegisteredProviderFound")
}

// federate works with a federated credential, or sees that the version has none.
func (v knows) federate(t *testing.T, client *armmsi.FederatedIdentityCredentialsClient) {
	t.Helper()
	made, err := client.CreateOrUpdate(t.Context(), "rg", "app", "main", federated(github, "s", tokenExchange), nil)
	if !v.federated {
		wantRefusal(t, err, 400, "NoRegisteredProviderFound")
		return
	}
	check(t, err)
	got, err := client.Get(t.Context(), "rg", "app", "main", nil)
	check(t, err)
	equal(t, made.FederatedIdentityCredential, got.FederatedIdentityCredential)
	list := pages(t, client.NewListPager("rg", "app", nil))
	equal(t, made.FederatedIdentityCredential, *list[0].Value[0])
	_, err = client.Delete(t.Context(), "rg", "app", "main", nil)
	check(t, err)
}

// wantListed looks for an identity in both lists.
func wantListed(t *testing.T, client *armmsi.UserAssignedIdentitiesClient, want armmsi.Identity) {
	t.Helper()
	inGroup, inAll := map[string]armmsi.Identity{}, map[string]armmsi.Identity{}
	for _, page := range pages(t, client.NewListByResourceGroupPager("rg", nil)) {
		for _, identity := range page.Value {
			inGroup[*identity.Name] = *identity
		}
	}
	for _, page := range pages(t, client.NewListBySubscriptionPager(nil)) {
		for _, identity := range page.Value {
			inAll[*identity.Name] = *identity
		}
	}
	equal(t, want, inGroup["app"])
	equal(t, inGroup, inAll)
}
