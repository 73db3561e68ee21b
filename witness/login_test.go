package witness_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
)

const (
	managementScope = "https://management.azure.com/.default"
	microsoft       = "login.microsoftonline.com:443"
)

func TestClientSecretCredentialGetsAToken(t *testing.T) {
	w := start(t)
	got, err := w.admin(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{managementScope}})
	check(t, err)
	if got.Token == "" || time.Until(got.ExpiresOn) < 50*time.Minute {
		t.Errorf("a token of %d bytes until %s", len(got.Token), got.ExpiresOn)
	}
	list := pages(t, w.subscriptions(t).NewClient().NewListPager(nil))
	if len(list) != 1 || len(list[0].Value) != 1 {
		t.Errorf("the token opens %d subscriptions", len(list[0].Value))
	}
}

// A tenant has an id and a domain, and programs are configured with either.
func TestTenantIsFoundByItsDomainToo(t *testing.T) {
	w := start(t)
	list := pages(t, w.subscriptions(t).NewTenantsClient().NewListPager(nil))
	domain := *list[0].Value[0].DefaultDomain
	_, err := w.secret(t, domain, w.ClientID, w.ClientSecret).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{managementScope}})
	check(t, err)
}

func (w *world) discovering(t *testing.T) *azidentity.ClientSecretCredential {
	t.Helper()
	credential, err := azidentity.NewClientSecretCredential(w.TenantID, w.ClientID, w.ClientSecret, &azidentity.ClientSecretCredentialOptions{ClientOptions: w.client()})
	check(t, err)
	return credential
}

// A client that was not told otherwise asks Microsoft whether it may trust the authority. Where that
// name leads to Midas, it may.
func TestInstanceDiscoveryIsAnsweredUnderMicrosoftsName(t *testing.T) {
	w := start(t, microsoft)
	got, err := w.discovering(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{managementScope}})
	check(t, err)
	if got.Token == "" {
		t.Error("no token")
	}
	asked := w.guard.count(func(e exchange) bool {
		return e.Host == "login.microsoftonline.com" && e.Path == "/common/discovery/instance"
	})
	if asked == 0 {
		t.Error("the client did not ask, so this test shows nothing")
	}
}

// If Microsoft's name does not go to Midas, the guard refuses the connection and the client reports it.
func TestInstanceDiscoveryDoesNotLeaveTheMachine(t *testing.T) {
	w := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // it would try four times
	defer cancel()
	if _, err := w.discovering(t).GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{managementScope}}); err == nil {
		t.Error("got a token without the discovery")
	}
	if diff := cmp.Diff([]string{microsoft}, w.guard.takeRefused()); diff != "" {
		t.Error(diff)
	}
}

func TestRefusedCredentialsSayWhy(t *testing.T) {
	w := start(t)
	const unknown = "99999999-9999-4999-8999-999999999999"
	for name, c := range map[string]struct {
		tenant, app, secret string
		scopes              []string
		want                []string
	}{
		"wrong secret":        {w.TenantID, w.ClientID, "not-the-secret", nil, []string{"AADSTS7000215", "invalid_client", "Invalid client secret provided", w.ClientID}},
		"unknown application": {w.TenantID, unknown, w.ClientSecret, nil, []string{"AADSTS700016", "unauthorized_client", unknown}},
		"unknown tenant":      {unknown, w.ClientID, w.ClientSecret, nil, []string{"AADSTS90002", unknown}},
		"unknown domain":      {"nowhere.example", w.ClientID, w.ClientSecret, nil, []string{"AADSTS90002", "nowhere.example"}},
		"scope of a user":     {w.TenantID, w.ClientID, w.ClientSecret, []string{"https://management.azure.com/user_impersonation"}, []string{"AADSTS1002012"}},
		"two resources":       {w.TenantID, w.ClientID, w.ClientSecret, []string{managementScope, "https://vault.azure.net/.default"}, []string{"AADSTS70011"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.scopes == nil {
				c.scopes = []string{managementScope}
			}
			_, err := w.secret(t, c.tenant, c.app, c.secret).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: c.scopes})
			if err == nil {
				t.Fatal("got a token")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), w.ClientSecret) {
				t.Error("the error repeats the secret")
			}
		})
	}
}

// A program that never asks for a token itself sees the same reason in its first call.
func TestCallsFailWithTheReasonOfTheCredential(t *testing.T) {
	w := start(t)
	w.ClientSecret = "not-the-secret"
	_, err := w.resources(t).NewResourceGroupsClient().Get(t.Context(), "rg", nil)
	if err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("got %v", err)
	}
}

// Any relying party can check a token when it knows its issuer and nothing else.
func TestTokensForOtherAudiencesAreVerifiedFromDiscovery(t *testing.T) {
	w := start(t)
	for scope, audience := range map[string]string{
		"https://vault.azure.net/.default":                   "https://vault.azure.net",
		"https://storage.azure.com//.default":                "https://storage.azure.com/",
		"11111111-2222-4333-8444-555555555555/.default":      "11111111-2222-4333-8444-555555555555",
		"https://management.core.windows.net//.default":      "https://management.core.windows.net/",
		"https://ossrdbms-aad.database.windows.net/.default": "https://ossrdbms-aad.database.windows.net",
	} {
		t.Run(audience, func(t *testing.T) {
			got, err := w.admin(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
			check(t, err)
			ctx := oidc.ClientContext(t.Context(), w.guard.Client)
			provider, err := oidc.NewProvider(ctx, w.Endpoint+"/"+w.TenantID+"/")
			check(t, err)
			token, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, got.Token)
			check(t, err)
			var claims struct{ Oid, Sub, Tid, Appid, Appidacr, Idtyp, Ver string }
			check(t, token.Claims(&claims))
			if claims.Tid != w.TenantID || claims.Appid != w.ClientID || claims.Oid == "" || claims.Oid != claims.Sub {
				t.Errorf("whose token is it? %+v", claims)
			}
			if claims.Appidacr != "1" || claims.Idtyp != "app" || claims.Ver != "1.0" {
				t.Errorf("what token is it? %+v", claims)
			}
			if _, err := provider.Verifier(&oidc.Config{ClientID: "https://graph.microsoft.com"}).Verify(ctx, got.Token); err == nil {
				t.Error("it is good for another audience")
			}
			if left := got.ExpiresOn.Sub(token.Expiry).Abs(); left > 5*time.Second {
				t.Errorf("the client and the token differ by %s about its end", left)
			}
		})
	}
}

// Tokens for the exchange are of version 2.0, so that their issuer is the one that credentials name.
func TestTokensForTheExchangeAreVerifiedFromDiscovery(t *testing.T) {
	w := start(t)
	got, err := w.admin(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"api://AzureADTokenExchange/.default"}})
	check(t, err)
	ctx := oidc.ClientContext(t.Context(), w.guard.Client)
	provider, err := oidc.NewProvider(ctx, w.Endpoint+"/"+w.TenantID+"/v2.0")
	check(t, err)
	token, err := provider.Verifier(&oidc.Config{ClientID: "fb60f99c-7a34-4190-8149-302f77469936"}).Verify(ctx, got.Token)
	check(t, err)
	var claims struct{ Oid, Sub, Tid, Azp, Ver string }
	check(t, token.Claims(&claims))
	if claims.Tid != w.TenantID || claims.Azp != w.ClientID || claims.Oid == "" || claims.Oid != claims.Sub || claims.Ver != "2.0" {
		t.Errorf("whose token is it, and of which version? %+v", claims)
	}
}

// ARM refuses a token for another resource.
func TestTokensForOtherAudiencesAreRefused(t *testing.T) {
	w := start(t)
	w.cloud.Services[cloud.ResourceManager] = cloud.ServiceConfiguration{Endpoint: w.Endpoint, Audience: "https://vault.azure.net"}
	_, err := w.resources(t).NewResourceGroupsClient().Get(t.Context(), "rg", nil)
	wantRefusal(t, err, 401, "InvalidAuthenticationTokenAudience")
}

// The audience for exchanges of tokens is the client id of its resource, and its tokens are of version 2.0.
func TestTokensForExchangesAreVerifiedFromDiscoveryOfVersion2(t *testing.T) {
	w := start(t)
	got, err := w.admin(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"api://AzureADTokenExchange/.default"}})
	check(t, err)
	ctx := oidc.ClientContext(t.Context(), w.guard.Client)
	provider, err := oidc.NewProvider(ctx, w.Endpoint+"/"+w.TenantID+"/v2.0")
	check(t, err)
	token, err := provider.Verifier(&oidc.Config{ClientID: "fb60f99c-7a34-4190-8149-302f77469936"}).Verify(ctx, got.Token)
	check(t, err)
	var claims struct{ Azp, Ver string }
	check(t, token.Claims(&claims))
	if claims.Azp != w.ClientID || claims.Ver != "2.0" {
		t.Errorf("%+v", claims)
	}
}
