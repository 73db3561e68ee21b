package login_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"github.com/coreos/go-oidc/v3/oidc"
)

// serveWithUsers serves a fixture with users on a TLS listener, with the current time.
func serveWithUsers(t *testing.T) (f *fixture, origin string, httpClient *http.Client) {
	t.Helper()
	f = newFixtureWithUsers(t)
	f.now = time.Now()
	origin, httpClient = f.serve(t)
	f.verifier.Origin = origin
	f.SetDeviceWait(time.Second)
	return f, origin, httpClient
}

// signInOverHTTP signs a user in with a real HTTP client, and follows redirects.
func signInOverHTTP(httpClient *http.Client, address, name string, fields ...string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	c := &http.Client{Transport: httpClient.Transport, Jar: jar}
	at, err := url.Parse(address)
	if err != nil {
		return err
	}
	resp, err := c.Get(address)
	for i := 0; err == nil; i++ {
		body, rerr := io.ReadAll(resp.Body)
		resp.Body.Close()
		m := formAction.FindStringSubmatch(string(body))
		if rerr != nil || m == nil || i > 3 {
			return rerr
		}
		values := url.Values{"username": {name}, "password": {password}}
		for _, hidden := range formHidden.FindAllStringSubmatch(string(body), -1) {
			values.Set(hidden[1], html.UnescapeString(hidden[2]))
		}
		for j := 0; j < len(fields); j += 2 {
			values.Set(fields[j], fields[j+1])
		}
		if strings.Contains(string(body), "Are you trying") {
			values.Set("action", "continue")
		}
		to := m[1]
		if strings.HasPrefix(to, "/") {
			to = at.Scheme + "://" + at.Host + to
		}
		resp, err = c.PostForm(to, values)
	}
	return err
}

var armScopes = []string{armAudience + "/.default"}

func publicClient(t *testing.T, authority string, httpClient *http.Client) public.Client {
	t.Helper()
	c, err := public.New(cli, public.WithAuthority(authority), public.WithHTTPClient(httpClient), public.WithInstanceDiscovery(false))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkMSALResult checks MSAL's result, and that MSAL gets a second token with the refresh token.
func (f *fixture) checkMSALResult(t *testing.T, c public.Client, got public.AuthResult, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	claims, err := f.verifier.Verify(t.Context(), got.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if claims.ObjectID != aliceID || got.Account.PreferredUsername != alice || got.Account.HomeAccountID != aliceID+"."+tenant || len(got.DeclinedScopes) > 0 {
		t.Errorf("object %s, account %v, declined %v", claims.ObjectID, got.Account, got.DeclinedScopes)
	}
	silent, err := c.AcquireTokenSilent(t.Context(), []string{"https://vault.azure.net/.default"}, public.WithSilentAccount(got.Account))
	if err != nil {
		t.Fatal(err)
	}
	if claims, err = f.verifier.Verify(t.Context(), silent.AccessToken); err != nil || claims.Audience != "https://vault.azure.net" {
		t.Errorf("the silent token: %v, %v", claims, err)
	}
}

func TestMSALSignsInWithABrowser(t *testing.T) {
	f, origin, httpClient := serveWithUsers(t)
	for _, name := range []string{tenant, "organizations", "common", domain} {
		t.Run(name, func(t *testing.T) {
			c := publicClient(t, origin+"/"+name, httpClient)
			got, err := c.AcquireTokenInteractive(t.Context(), armScopes, public.WithOpenURL(func(address string) error { return signInOverHTTP(httpClient, address, alice) }))
			f.checkMSALResult(t, c, got, err)
		})
	}
}

func TestMSALSignsInForADevice(t *testing.T) {
	f, origin, httpClient := serveWithUsers(t)
	c := publicClient(t, origin+"/organizations", httpClient)
	code, err := c.AcquireTokenByDeviceCode(t.Context(), armScopes)
	if err != nil {
		t.Fatal(err)
	}
	if err := signInOverHTTP(httpClient, code.Result.VerificationURL, alice, "code", code.Result.UserCode); err != nil {
		t.Fatal(err)
	}
	got, err := code.AuthenticationResult(t.Context())
	f.checkMSALResult(t, c, got, err)
}

func TestMSALSignsInWithAPassword(t *testing.T) {
	f, origin, httpClient := serveWithUsers(t)
	c := publicClient(t, origin+"/"+tenant, httpClient)
	//lint:ignore SA1019 programs still use it
	got, err := c.AcquireTokenByUsernamePassword(t.Context(), armScopes, alice, password)
	f.checkMSALResult(t, c, got, err)
	//lint:ignore SA1019 programs still use it
	if _, err := c.AcquireTokenByUsernamePassword(t.Context(), armScopes, alice, "wrong"); err == nil || !strings.Contains(err.Error(), "AADSTS50126") {
		t.Errorf("a wrong password: %v", err)
	}
}

// TestMSALServerFlows uses confidential clients: authorization code, then on behalf of.
func TestMSALServerFlows(t *testing.T) {
	f, origin, httpClient := serveWithUsers(t)
	server := func(id string) confidential.Client {
		cred, err := confidential.NewCredFromSecret(secret)
		if err != nil {
			t.Fatal(err)
		}
		c, err := confidential.New(origin+"/"+tenant, id, cred, confidential.WithHTTPClient(httpClient), confidential.WithInstanceDiscovery(false))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	web := server(webApp)
	address, err := web.AuthCodeURL(t.Context(), webApp, webRedirect, []string{"api://api/Read"})
	if err != nil {
		t.Fatal(err)
	}
	b := f.browse(t)
	_, values := reply(t, b.accept(b.signIn(b.get(strings.TrimPrefix(address, origin)), alice)))
	got, err := web.AcquireTokenByAuthCode(t.Context(), values.Get("code"), webRedirect, []string{"api://api/Read"})
	if err != nil {
		t.Fatal(err)
	}
	on, err := server(apiApp).AcquireTokenOnBehalfOf(t.Context(), got.AccessToken, armScopes)
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := f.verifier.Verify(t.Context(), on.AccessToken); err != nil || claims.ObjectID != aliceID || claims.AppID != apiApp {
		t.Errorf("%v, %v", claims, err)
	}
}

// TestAzidentitySignsIn uses the supported credential types of the Azure SDK.
func TestAzidentitySignsIn(t *testing.T) {
	f, origin, httpClient := serveWithUsers(t)
	p := f.addCertificate(t)[0]
	options := azcore.ClientOptions{
		Transport: httpClient,
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: origin, Services: map[cloud.ServiceName]cloud.ServiceConfiguration{}},
	}
	cert, err := x509.ParseCertificate(p.cert.DER)
	if err != nil {
		t.Fatal(err)
	}
	call, _ := f.granted(t, f.post(tokenV2, passwordForm("scope", "api://api/Read")))
	credentials := map[string]func() (azcore.TokenCredential, error){
		"certificate": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientCertificateCredential(tenant, certApp, []*x509.Certificate{cert}, p.key,
				&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true, SendCertificateChain: true})
		},
		"assertion": func() (azcore.TokenCredential, error) {
			return azidentity.NewClientAssertionCredential(tenant, certApp, func(context.Context) (string, error) {
				s := f.assertion(p)
				s.claims["aud"] = origin + tokenV2
				return s.sign(t), nil
			}, &azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
		},
		"device": func() (azcore.TokenCredential, error) {
			return azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
				ClientOptions: options, DisableInstanceDiscovery: true, TenantID: tenant, ClientID: cli,
				UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error {
					return signInOverHTTP(httpClient, m.VerificationURL, alice, "code", m.UserCode)
				},
			})
		},
		"password": func() (azcore.TokenCredential, error) {
			return azidentity.NewUsernamePasswordCredential(tenant, cli, alice, password,
				//lint:ignore SA1019 programs still use it
				&azidentity.UsernamePasswordCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
		},
		"on behalf of": func() (azcore.TokenCredential, error) {
			return azidentity.NewOnBehalfOfCredentialWithSecret(tenant, apiApp, call["access_token"].(string), secret,
				&azidentity.OnBehalfOfCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
		},
	}
	for name, open := range credentials {
		t.Run(name, func(t *testing.T) {
			credential, err := open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: armScopes})
			if err != nil {
				t.Fatal(err)
			}
			claims, err := f.verifier.Verify(t.Context(), got.Token)
			if err != nil || claims.Audience != armAudience {
				t.Errorf("%v, %v", claims, err)
			}
		})
	}
}

// TestARelyingPartyVerifiesIDTokens uses discovery from the issuer, for both versions.
func TestARelyingPartyVerifiesIDTokens(t *testing.T) {
	f, origin, httpClient := serveWithUsers(t)
	ctx := oidc.ClientContext(t.Context(), httpClient)
	for issuer, try := range map[string][2]string{
		origin + "/" + tenant + "/v2.0": {authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect), tokenV2},
		origin + "/" + tenant + "/":     {authorizeURL("/"+tenant+"/oauth2/authorize", "client_id", webApp, "redirect_uri", webRedirect), tokenV1},
	} {
		provider, err := oidc.NewProvider(ctx, issuer)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := f.granted(t, f.post(try[1], codeForm(f.codeFor(t, alice, try[0]), "client_id", webApp, "client_secret", secret, "redirect_uri", webRedirect, "resource", armAudience)))
		id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: webApp}).Verify(ctx, fmt.Sprint(answer["id_token"]))
		if err != nil {
			t.Fatalf("%s: %v", issuer, err)
		}
		if id.Nonce != "no<nce" || id.Subject == "" {
			t.Errorf("%s: nonce %q, subject %q", issuer, id.Nonce, id.Subject)
		}
		if _, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: cli}).Verify(ctx, fmt.Sprint(answer["id_token"])); err == nil {
			t.Error("another client accepts the id_token")
		}
	}
}
