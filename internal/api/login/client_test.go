package login_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/coreos/go-oidc/v3/oidc"
)

// serve serves the handler on a TLS listener and sets the handler's origin to the listener's.
func (f *fixture) serve(t *testing.T) (origin string, httpClient *http.Client) {
	t.Helper()
	server := httptest.NewTLSServer(f)
	t.Cleanup(server.Close)
	f.Minter.Issuer.Origin = server.URL
	return server.URL, server.Client()
}

// TestRelyingPartyVerifiesTokensByDiscovery verifies tokens with go-oidc, which gets only the issuer and reads
// everything else by discovery.
func TestRelyingPartyVerifiesTokensByDiscovery(t *testing.T) {
	f := newFixture(t)
	origin, httpClient := f.serve(t)
	ctx := oidc.ClientContext(t.Context(), httpClient)
	provider, err := oidc.NewProvider(ctx, origin+"/"+tenant+"/")
	if err != nil {
		t.Fatal(err)
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: armAudience, Now: f.time})
	fetch := func() string {
		raw, _ := decode(t, f.post(tokenV2, clientCredentialsForm()))["access_token"].(string)
		return raw
	}
	raw := fetch()
	verified, err := verifier.Verify(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if verified.Subject != object || verified.Issuer != origin+"/"+tenant+"/" {
		t.Errorf("subject %s, issuer %s", verified.Subject, verified.Issuer)
	}

	// The relying party fetches the key set again for the new key. A relying party that starts now no longer
	// gets the withdrawn key.
	if err := f.keys.Withdraw(t.Context(), f.keys.PublicKeys("")[0].KeyID); err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(ctx, fetch()); err != nil {
		t.Errorf("the successor's token: %v", err)
	}
	if _, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: armAudience, Now: f.time}).Verify(ctx, raw); err == nil {
		t.Error("the withdrawn key's token is still accepted")
	}

	for _, issuer := range []string{origin + "/" + tenant + "/v2.0", origin + "/" + tenant + "/"} {
		if _, err := oidc.NewProvider(ctx, issuer); err != nil {
			t.Errorf("discovery of %s: %v", issuer, err)
		}
	}
	if _, err := oidc.NewProvider(ctx, origin+"/common/v2.0"); err == nil {
		t.Error("common is an issuer")
	}
}

// TestAzureSDKSignsInWithAClientSecret gives azidentity only the authority host.
func TestAzureSDKSignsInWithAClientSecret(t *testing.T) {
	f := newFixture(t)
	origin, httpClient := f.serve(t)
	options := azcore.ClientOptions{
		Transport: httpClient,
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: origin, Services: map[cloud.ServiceName]cloud.ServiceConfiguration{}},
	}
	signIn := func(secret string) (azcore.AccessToken, error) {
		credential, err := azidentity.NewClientSecretCredential(tenant, client, secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		return credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://management.core.windows.net//.default"}})
	}
	got, err := signIn(secret)
	if err != nil {
		t.Fatal(err)
	}
	f.verifier.Origin = origin
	claims, err := f.verifier.Verify(t.Context(), got.Token)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Audience != armAudience || claims.ObjectID != object {
		t.Errorf("audience %s, oid %s", claims.Audience, claims.ObjectID)
	}
	if _, err := signIn("wrong"); err == nil {
		t.Error("a wrong secret signs in")
	}
}
