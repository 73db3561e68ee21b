package login_test

import (
	"context"
	"encoding/base64"
	"net/http/httptest"
	"testing"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"github.com/google/go-cmp/cmp"
)

// keyID is the thumbprint of a client's key, and reqCnf the parameter that names it.
const keyID = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

func reqCnf(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// bound checks that a response has a token that is bound to the key, says so, and cannot be used as a bearer
// token.
func (f *fixture) bound(t *testing.T, w *httptest.ResponseRecorder, keyStore any) map[string]any {
	t.Helper()
	answer := decode(t, w)
	if w.Code != 200 || answer["token_type"] != "pop" {
		t.Fatalf("status %d, %v", w.Code, answer)
	}
	raw := answer["access_token"].(string)
	want := map[string]any{"kid": keyID}
	if keyStore != nil {
		want["xms_ksl"] = keyStore
	}
	if diff := cmp.Diff(any(want), payload(t, raw)["cnf"]); diff != "" {
		t.Errorf("cnf (-want +got):\n%s", diff)
	}
	if claims, err := f.verifier.Verify(t.Context(), raw); err == nil {
		t.Errorf("the token is accepted as a bearer token: %v", claims)
	}
	return answer
}

// TestEveryGrantBindsTokensToKeys asks each grant of both endpoints for a bound token.
func TestEveryGrantBindsTokensToKeys(t *testing.T) {
	f := newFixtureWithUsers(t)
	pop := []string{"token_type", "pop", "req_cnf", reqCnf(`{"kid":"` + keyID + `","xms_ksl":"sw"}`)}
	with := func(more ...string) []string { return append(more, pop...) }

	f.bound(t, f.post(tokenV2, clientCredentialsForm(pop...)), "sw")
	f.bound(t, f.post(tokenV1, clientCredentialsForm(with("scope", "", "resource", armAudience)...)), "sw")
	f.bound(t, f.post(tokenV2, passwordForm(pop...)), "sw")
	f.bound(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2)), pop...)), "sw")
	device, user := f.startDevice(t, deviceV2)
	f.browse(t).allow(user, alice)
	answer := f.bound(t, f.post(tokenV2, devicePollForm(device, pop...)), "sw")
	answer = f.bound(t, f.post(tokenV2, refreshForm(answer["refresh_token"].(string), pop...)), "sw")

	// The refresh token itself is not bound: without the parameters it gives a bearer token.
	plain, claims := f.granted(t, f.post(tokenV2, refreshForm(answer["refresh_token"].(string))))
	if plain["token_type"] != "Bearer" || claims.Confirmation != nil {
		t.Errorf("%v with %v", plain["token_type"], claims)
	}

	call, _ := f.granted(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2)), "scope", "api://api/Read")))
	onBehalf := func(assertion any, changes ...string) string {
		return withChanges(map[string][]string{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {apiApp}, "client_secret": {secret},
			"assertion": {assertion.(string)}, "requested_token_use": {"on_behalf_of"}, "scope": {armAudience + "/.default"},
		}, changes...)
	}
	f.bound(t, f.post(tokenV2, onBehalf(call["access_token"], pop...)), "sw")
	// The service that was called with a bound token cannot prove that it has the caller's key.
	call = f.bound(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2)), with("scope", "api://api/Read")...)), "sw")
	f.refused(t, f.post(tokenV2, onBehalf(call["access_token"])), 400, 50013)
}

func TestFormsOfConfirmation(t *testing.T) {
	f := newFixture(t)
	for name, test := range map[string]struct{ kind, cnf string }{
		"in other case":      {"PoP", reqCnf(`{"kid":"` + keyID + `"}`)},
		"padded":             {"pop", base64.URLEncoding.EncodeToString([]byte(`{"kid":"` + keyID + `"}`))},
		"without token_type": {"", reqCnf(`{"kid":"` + keyID + `"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			f.bound(t, f.post(tokenV2, clientCredentialsForm("token_type", test.kind, "req_cnf", test.cnf)), nil)
		})
	}
	// A bound token is neither taken from nor put into the memory of bearer tokens.
	for _, kind := range []string{"", "Bearer", "bearer"} {
		answer, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm("token_type", kind)))
		if answer["token_type"] != "Bearer" {
			t.Errorf("token_type %v for %q", answer["token_type"], kind)
		}
	}
}

// TestOtherConfirmationsAreRefused checks that no request for a bound token is answered with a bearer token.
func TestOtherConfirmationsAreRefused(t *testing.T) {
	f := newFixture(t)
	f.Limits.Secrets.Burst = 100
	good := reqCnf(`{"kid":"` + keyID + `"}`)
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'a'
	}
	for name, test := range map[string]struct {
		kind, cnf string
		number    float64
	}{
		"no req_cnf":                {"pop", "", 900144},
		"another type":              {"ssh-cert", good, 90023},
		"an unknown type":           {"mac", "", 90023},
		"a bearer token with a key": {"Bearer", good, 90023},
		"not base64url":             {"pop", "{}", 90023},
		"not JSON":                  {"pop", reqCnf("kid"), 90023},
		"null":                      {"pop", reqCnf("null"), 90023},
		"an array":                  {"pop", reqCnf(`["kid"]`), 90023},
		"two values":                {"pop", reqCnf(`{"kid":"a"}{"kid":"b"}`), 90023},
		"a name in other case":      {"pop", reqCnf(`{"KID":"a"}`), 90023},
		"a name twice":              {"pop", reqCnf(`{"kid":"a","kid":"b"}`), 90023},
		"two spellings of a name":   {"pop", reqCnf(`{"kid":"a","Kid":"b"}`), 90023},
		"a bracket behind it":       {"pop", reqCnf(`{"kid":"a"}]`), 90023},
		"a brace behind it":         {"pop", reqCnf(`{"kid":"a"}}`), 90023},
		"no kid":                    {"pop", reqCnf(`{"xms_ksl":"sw"}`), 90023},
		"an empty kid":              {"pop", reqCnf(`{"kid":""}`), 90023},
		"a number":                  {"pop", reqCnf(`{"kid":1}`), 90023},
		"a long kid":                {"pop", reqCnf(`{"kid":"` + string(long) + `"}`), 90023},
		"a kid with a line break":   {"pop", reqCnf(`{"kid":"a\nb"}`), 90023},
		"a key instead":             {"pop", reqCnf(`{"jwk":{"kty":"RSA","n":"x","e":"AQAB"}}`), 90023},
		"a key beside":              {"pop", reqCnf(`{"kid":"` + keyID + `","jwk":{}}`), 90023},
	} {
		t.Run(name, func(t *testing.T) {
			f.refused(t, f.post(tokenV2, clientCredentialsForm("token_type", test.kind, "req_cnf", test.cnf)), 400, test.number)
		})
	}
	w := f.post(tokenV2, clientCredentialsForm()+"&token_type=pop&token_type=Bearer&req_cnf="+good)
	f.refused(t, w, 400, 9002313)
}

// scheme is an authentication scheme of MSAL, as kubelogin implements it for --pop-enabled. FormatAccessToken
// of the real one puts the token into a signed HTTP request.
type scheme struct{ token string }

func (*scheme) TokenRequestParams() map[string]string {
	return map[string]string{"token_type": "pop", "req_cnf": reqCnf(`{"kid":"` + keyID + `","xms_ksl":"sw"}`)}
}
func (*scheme) KeyID() string           { return keyID }
func (*scheme) AccessTokenType() string { return "pop" }
func (s *scheme) FormatAccessToken(accessToken string) (string, error) {
	s.token = accessToken
	return "signed", nil
}

func TestMSALGetsBoundTokens(t *testing.T) {
	_, origin, httpClient := serveWithUsers(t)
	const aks = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
	check := func(s *scheme, got string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if got != "signed" {
			t.Errorf("MSAL gives %q", got)
		}
		cnf, _ := payload(t, s.token)["cnf"].(map[string]any)
		if cnf["kid"] != keyID {
			t.Errorf("cnf %v", cnf)
		}
	}
	cred, err := confidential.NewCredFromSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	c, err := confidential.New(origin+"/"+tenant, client, cred, confidential.WithHTTPClient(httpClient), confidential.WithInstanceDiscovery(false))
	if err != nil {
		t.Fatal(err)
	}
	s := &scheme{}
	got, err := c.AcquireTokenByCredential(context.Background(), []string{aks}, confidential.WithAuthenticationScheme(s))
	check(s, got.AccessToken, err)

	p := publicClient(t, origin+"/"+tenant, httpClient)
	s = &scheme{}
	//lint:ignore SA1019 kubelogin uses it
	user, err := p.AcquireTokenByUsernamePassword(context.Background(), []string{aks}, alice, password, public.WithAuthenticationScheme(s))
	check(s, user.AccessToken, err)
	s = &scheme{}
	silent, err := p.AcquireTokenSilent(context.Background(), []string{"https://vault.azure.net/.default"}, public.WithSilentAccount(user.Account), public.WithAuthenticationScheme(s))
	check(s, silent.AccessToken, err)
}
