package witness_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/go-jose/go-jose/v4"

	"midas"
	"midas/midastest"
)

// outsider is an issuer of tokens on this machine, as a cluster has one.
type outsider struct {
	*httptest.Server
	key *rsa.PrivateKey
	ca  string // a file
}

func newOutsider(t testing.TB) *outsider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	o := &outsider{key: key, ca: filepath.Join(t.TempDir(), "ca.pem")}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`, o.URL, o.URL+"/keys")
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: "RS256"}}})
	})
	o.Server = httptest.NewTLSServer(mux)
	t.Cleanup(o.Close)
	check(t, os.WriteFile(o.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.Certificate().Raw}), 0o600))
	return o
}

// token is a service account's token as Kubernetes projects it: without typ, and with an array of one audience.
func (o *outsider) token(t testing.TB, subject string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: o.key, KeyID: "k1"}}, nil)
	check(t, err)
	now := time.Now().Unix()
	payload, err := json.Marshal(map[string]any{"iss": o.URL, "sub": subject, "aud": []string{tokenExchange}, "iat": now, "nbf": now, "exp": now + 3600})
	check(t, err)
	signed, err := signer.Sign(payload)
	check(t, err)
	raw, err := signed.CompactSerialize()
	check(t, err)
	return raw
}

// startTrusting runs a server that may ask an issuer on this machine.
func startTrusting(t testing.TB, o *outsider) *world {
	t.Helper()
	return watch(t, midastest.Start(t, midastest.With(func(c *midas.Config) {
		c.Issuers = []midas.IssuerConfig{{Issuer: o.URL, CA: o.ca, Private: true}}
	})))
}

// trust adds a federated credential to an identity of the group rg.
func (w *world) trust(t testing.TB, identity, issuer, subject string) {
	t.Helper()
	_, err := w.msi(t).NewFederatedIdentityCredentialsClient().CreateOrUpdate(t.Context(), "rg", identity, "fic", federated(issuer, subject, tokenExchange), nil)
	check(t, err)
}

func claimsIn(t testing.TB, raw string) (m map[string]any) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	check(t, err)
	check(t, json.Unmarshal(payload, &m))
	return m
}

// TestOutsideWorkloadsUseIdentities has Microsoft's clients, each with a token of the workload's own issuer.
func TestOutsideWorkloadsUseIdentities(t *testing.T) {
	o := newOutsider(t)
	w := startTrusting(t, o)
	w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	const subject = "system:serviceaccount:apps:web"
	w.trust(t, "app", o.URL, subject)
	client := *identity.Properties.ClientID
	file := filepath.Join(t.TempDir(), "azure-identity-token")
	check(t, os.WriteFile(file, []byte(o.token(t, subject)), 0o600))
	scopes := policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}}

	for name, get := range map[string]func() (string, error){
		"WorkloadIdentityCredential": func() (string, error) {
			c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
				ClientOptions: w.client(), ClientID: client, TenantID: w.TenantID, TokenFilePath: file, DisableInstanceDiscovery: true,
			})
			check(t, err)
			got, err := c.GetToken(t.Context(), scopes)
			return got.Token, err
		},
		"ClientAssertionCredential": func() (string, error) {
			got, err := w.asserting(t, client, func(context.Context) (string, error) { return o.token(t, subject), nil }).GetToken(t.Context(), scopes)
			return got.Token, err
		},
		"MSAL": func() (string, error) {
			credential := confidential.NewCredFromAssertionCallback(func(context.Context, confidential.AssertionRequestOptions) (string, error) {
				return o.token(t, subject), nil
			})
			app, err := confidential.New(w.Endpoint+"/"+w.TenantID, client, credential, confidential.WithHTTPClient(w.Client()), confidential.WithInstanceDiscovery(false))
			check(t, err)
			got, err := app.AcquireTokenByCredential(t.Context(), scopes.Scopes)
			return got.AccessToken, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := get()
			check(t, err)
			c := claimsIn(t, raw)
			if c["oid"] != *identity.Properties.PrincipalID || c["appid"] != client || c["appidacr"] != "2" || c["idtyp"] != "app" || c["xms_mirid"] == nil {
				t.Errorf("claims %v", c)
			}
		})
	}
	_, err := w.asserting(t, client, func(context.Context) (string, error) { return o.token(t, subject+"x"), nil }).GetToken(t.Context(), scopes)
	if err == nil || !strings.Contains(err.Error(), "AADSTS700213: No matching federated identity record found for presented assertion subject '"+subject+"x'") {
		t.Errorf("another subject: %v", err)
	}
}

// asserting is the SDK's credential of a client with assertions.
func (w *world) asserting(t testing.TB, client string, assertion func(context.Context) (string, error)) azcore.TokenCredential {
	t.Helper()
	c, err := azidentity.NewClientAssertionCredential(w.TenantID, client, assertion, &azidentity.ClientAssertionCredentialOptions{
		ClientOptions: w.client(), DisableInstanceDiscovery: true,
	})
	check(t, err)
	return c
}

// TestManagedIdentityAuthenticatesAnApplication gets the metadata service's token for the exchange with azidentity, and
// presents it for an application that trusts the identity. No request leaves the server.
func TestManagedIdentityAuthenticatesAnApplication(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	other := w.identity(t, "rg", "other")
	vm := w.vm(t, "vm", *identity.ID, *other.ID)
	a := w.agent(t, vm)
	app := w.graph(t, "POST", "/v1.0/applications", `{"displayName":"trusting"}`)
	w.graph(t, "POST", "/v1.0/servicePrincipals", `{"appId":"`+app.text("appId")+`"}`)
	w.graph(t, "POST", "/v1.0/applications/"+app.text("id")+"/federatedIdentityCredentials",
		`{"name":"fic","issuer":"`+w.Endpoint+"/"+w.TenantID+`/v2.0","subject":"`+*identity.Properties.PrincipalID+`","audiences":["`+tokenExchange+`"]}`)
	from := func(client string) func(context.Context) (string, error) {
		credential := managed(t, metadataTransport(t, a), azidentity.ClientID(client))
		return func(ctx context.Context) (string, error) {
			got, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{tokenExchange + "/.default"}})
			return got.Token, err
		}
	}
	assertion, err := from(*identity.Properties.ClientID)(t.Context())
	check(t, err)
	c := claimsIn(t, assertion)
	if c["ver"] != "2.0" || c["sub"] != *identity.Properties.PrincipalID || c["oid"] != c["sub"] || c["iss"] != w.Endpoint+"/"+w.TenantID+"/v2.0" || c["aud"] != "fb60f99c-7a34-4190-8149-302f77469936" {
		t.Errorf("the metadata service's token has %v", c)
	}
	scopes := policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}}
	got, err := w.asserting(t, app.text("appId"), from(*identity.Properties.ClientID)).GetToken(t.Context(), scopes)
	check(t, err)
	if c := claimsIn(t, got.Token); c["appid"] != app.text("appId") || c["appidacr"] != "2" {
		t.Errorf("claims %v", c)
	}
	_, err = w.asserting(t, app.text("appId"), from(*other.Properties.ClientID)).GetToken(t.Context(), scopes)
	if err == nil || !strings.Contains(err.Error(), "AADSTS700213") {
		t.Errorf("another identity: %v", err)
	}
}
