package login_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/api/login"
	"midas/internal/directory"
	"midas/internal/store"
)

// addCertificate registers the certificate of the first key pair for certApp.
func (f *fixture) addCertificate(t testing.TB) [2]keyPair {
	t.Helper()
	both, err := keyPairs()
	if err != nil {
		t.Fatal(err)
	}
	f.update(t, func(tx store.Tx) error {
		c := both[0].cert
		return f.Directory.AddCertificate(tx, tenant, certApp, c)
	})
	return both
}

// clientAssertion is an unsigned client assertion.
type clientAssertion struct {
	alg    jose.SignatureAlgorithm
	key    any
	header map[string]any
	claims map[string]any
}

func (f *fixture) assertion(p keyPair) *clientAssertion {
	now := f.time().Unix()
	return &clientAssertion{
		alg: jose.RS256, key: p.key,
		header: map[string]any{"x5t": base64.RawURLEncoding.EncodeToString(p.cert.SHA1)},
		claims: map[string]any{
			"iss": certApp, "sub": certApp, "aud": origin + tokenV2, "jti": fmt.Sprint("jti", f.ids.Add(1)),
			"nbf": now, "exp": now + 600,
		},
	}
}

func (s *clientAssertion) sign(t testing.TB) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{}}
	for name, v := range s.header {
		options.ExtraHeaders[jose.HeaderKey(name)] = v
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(s.claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func assertionForm(assertion string, changes ...string) string {
	return clientCredentialsForm(append([]string{"client_id", certApp, "client_secret", "", "client_assertion", assertion, "client_assertion_type", jwtBearer}, changes...)...)
}

// TestCertificateAssertionsAreAccepted has the ways in which libraries sign and identify their certificate.
func TestCertificateAssertionsAreAccepted(t *testing.T) {
	f := newFixtureWithUsers(t)
	p := f.addCertificate(t)[0]
	tests := map[string]func(*clientAssertion){
		"RS256 and x5t":    func(*clientAssertion) {},
		"x5t with padding": func(s *clientAssertion) { s.header["x5t"] = base64.URLEncoding.EncodeToString(p.cert.SHA1) },
		"x5t in base64":    func(s *clientAssertion) { s.header["x5t"] = base64.StdEncoding.EncodeToString(p.cert.SHA1) },
		"PS256 and x5t#S256": func(s *clientAssertion) {
			s.alg, s.header = jose.PS256, map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(p.cert.SHA256)}
		},
		"RS256 and x5t#S256": func(s *clientAssertion) {
			s.header = map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(p.cert.SHA256)}
		},
		"kid": func(s *clientAssertion) {
			s.header = map[string]any{"kid": strings.ToUpper(hex.EncodeToString(p.cert.SHA1))}
		},
		"with the certificate": func(s *clientAssertion) {
			s.header["x5c"] = []string{base64.StdEncoding.EncodeToString(p.cert.DER)}
		},
		"no nbf":                      func(s *clientAssertion) { delete(s.claims, "nbf") },
		"no jti":                      func(s *clientAssertion) { delete(s.claims, "jti") },
		"a client clock that is slow": func(s *clientAssertion) { s.claims["exp"] = start.Unix() - 60 },
		"a client clock that is fast": func(s *clientAssertion) { s.claims["nbf"] = start.Unix() + 240 },
		"ids in capitals": func(s *clientAssertion) {
			s.claims["iss"], s.claims["sub"] = strings.ToUpper(certApp), strings.ToUpper(certApp)
		},
	}
	for _, aud := range []string{
		origin + tokenV1, origin + "/" + tenant + "/v2.0", origin + "/" + tenant + "/", origin + "/" + domain + "/oauth2/v2.0/token",
		"https://login.microsoftonline.com" + tokenV2, "https://login.microsoftonline.com/" + tenant + "/v2.0",
		"https://sts.windows.net/" + tenant + "/", "https://login.windows.net" + tokenV1, origin + "/adfs/oauth2/token",
		origin + "/" + tokenV2, origin + "//" + tenant + "//oauth2/v2.0//token",
	} {
		tests["for "+aud] = func(s *clientAssertion) { s.claims["aud"] = aud }
	}
	tests["for several"] = func(s *clientAssertion) { s.claims["aud"] = []string{"https://x.test", origin + tokenV2} }
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			s := f.assertion(p)
			change(s)
			_, claims := f.granted(t, f.post(tokenV2, assertionForm(s.sign(t))))
			if claims.AppIDACR != "2" || claims.AppID != certApp {
				t.Errorf("appidacr %q, appid %q", claims.AppIDACR, claims.AppID)
			}
		})
	}
}

// TestInvalidAssertionsAreRefused has forged, expired and misdirected assertions.
func TestInvalidAssertionsAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	both := f.addCertificate(t)
	p, stranger := both[0], both[1]
	public := jose.JSONWebKey{Key: p.key.Public()}
	der, err := public.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	sign := func(change func(*clientAssertion)) string {
		s := f.assertion(p)
		change(s)
		return s.sign(t)
	}
	none := func(alg string) string {
		parts := strings.Split(sign(func(*clientAssertion) {}), ".")
		header, err := json.Marshal(map[string]any{"alg": alg, "x5t": base64.RawURLEncoding.EncodeToString(p.cert.SHA1)})
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(header) + "." + parts[1] + "."
	}
	tests := []struct {
		name, assertion string
		changes         []string
		status          int
		number          float64
	}{
		{"none", none("none"), nil, 401, 50027},
		{"none in capitals", none("NONE"), nil, 401, 50027},
		{"no signature", none("RS256"), nil, 401, 50027},
		{"the public key as a secret", sign(func(s *clientAssertion) { s.alg, s.key = jose.HS256, p.cert.DER }), nil, 400, 5002738},
		{"the public key's JSON as a secret", sign(func(s *clientAssertion) { s.alg, s.key = jose.HS256, der }), nil, 400, 5002738},
		{"RS384", sign(func(s *clientAssertion) { s.alg = jose.RS384 }), nil, 400, 5002738},
		{"a stranger's key", sign(func(s *clientAssertion) { s.key = stranger.key }), nil, 401, 700027},
		{"a stranger's certificate", f.assertion(stranger).sign(t), nil, 401, 700027},
		{"a stranger's certificate in x5c", sign(func(s *clientAssertion) {
			s.key, s.header = stranger.key, map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(stranger.cert.DER)}}
		}), nil, 401, 700027},
		{"a stranger's key in jwk", sign(func(s *clientAssertion) {
			s.key, s.header = stranger.key, map[string]any{"jwk": map[string]any{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(stranger.key.N.Bytes()), "e": "AQAB"}}
		}), nil, 401, 700027},
		{"no certificate identifier", sign(func(s *clientAssertion) { s.header = nil }), nil, 401, 700027},
		{"an unknown critical header", sign(func(s *clientAssertion) { s.header["crit"] = []string{"x"}; s.header["x"] = 1 }), nil, 401, 50027},
		{"another issuer", sign(func(s *clientAssertion) { s.claims["iss"] = webApp }), nil, 401, 700021},
		{"another subject", sign(func(s *clientAssertion) { s.claims["sub"] = webApp }), nil, 401, 700021},
		{"no subject", sign(func(s *clientAssertion) { delete(s.claims, "sub") }), nil, 401, 700021},
		{"another application", sign(func(*clientAssertion) {}), []string{"client_id", webApp}, 401, 700027},
		{"for another server", sign(func(s *clientAssertion) { s.claims["aud"] = "https://login.evil.test" + tokenV2 }), nil, 401, 700023},
		{"for another tenant", sign(func(s *clientAssertion) { s.claims["aud"] = origin + "/" + theirTenant + "/oauth2/v2.0/token" }), nil, 401, 700023},
		{"for an endpoint after two empty segments", sign(func(s *clientAssertion) { s.claims["aud"] = origin + "//" + tokenV2 }), nil, 401, 700023},
		{"for another tenant after an empty segment", sign(func(s *clientAssertion) { s.claims["aud"] = origin + "//" + theirTenant + "/oauth2/v2.0/token" }), nil, 401, 700023},
		{"for another endpoint", sign(func(s *clientAssertion) { s.claims["aud"] = origin + authorizeV2 }), nil, 401, 700023},
		{"for the server without a tenant", sign(func(s *clientAssertion) { s.claims["aud"] = origin }), nil, 401, 700023},
		{"for a host after userinfo", sign(func(s *clientAssertion) { s.claims["aud"] = "https://login.test:8443@evil.test" + tokenV2 }), nil, 401, 700023},
		{"no audience", sign(func(s *clientAssertion) { delete(s.claims, "aud") }), nil, 401, 700023},
		{"expired", sign(func(s *clientAssertion) { s.claims["exp"] = start.Unix() - 301 }), nil, 401, 700024},
		{"not valid yet", sign(func(s *clientAssertion) { s.claims["nbf"] = start.Unix() + 302 }), nil, 401, 700024},
		{"no exp", sign(func(s *clientAssertion) { delete(s.claims, "exp") }), nil, 401, 700024},
		{"an invalid time", sign(func(s *clientAssertion) { s.claims["exp"] = 1e300 }), nil, 401, 50027},
		{"no JSON", "e30.bm8.bm8", nil, 401, 50027},
		{"huge", strings.Repeat("A", 20_000) + ".e30.e30", nil, 401, 50027},
		{"of another type", sign(func(*clientAssertion) {}), []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, 400, 90023},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.refused(t, f.post(tokenV2, assertionForm(test.assertion, test.changes...)), test.status, test.number)
		})
	}
}

func TestExpiredCertificatesAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	p := f.addCertificate(t)[0]
	f.advance(51 * 366 * 24 * time.Hour)
	w := f.post(tokenV2, assertionForm(f.assertion(p).sign(t)))
	f.refused(t, w, 401, 700027)
	if !strings.Contains(w.Body.String(), "[Reason - The key used is expired.]") {
		t.Errorf("%s", w.Body)
	}
}

// TestReplayedAssertionsAreRefusedFromOtherAddresses uses an assertion again from the same address, which is
// allowed, and from another address.
func TestReplayedAssertionsAreRefusedFromOtherAddresses(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.SetMaxAssertions(100) // one application may use 5 of them
	p := f.addCertificate(t)[0]
	raw := f.assertion(p).sign(t)
	from := func(address string) *httptest.ResponseRecorder {
		f.address = address
		return f.post(tokenV2, assertionForm(raw))
	}
	f.granted(t, from("192.0.2.1"))
	f.granted(t, from("192.0.2.1"))
	f.refused(t, from("192.0.2.2"), 401, 50012)
	f.granted(t, from("192.0.2.1"))
	f.address = "127.0.0.1"
	raw = f.assertion(p).sign(t)
	f.granted(t, from("127.0.0.1"))
	f.granted(t, from("::1"))
	for range 3 {
		raw = f.assertion(p).sign(t)
		f.granted(t, from("192.0.2.1"))
	}
	// The table does not evict valid assertions. When it is full, new assertions are refused with 429.
	for range 10 {
		again := raw
		raw = f.assertion(p).sign(t)
		w := from("192.0.2.1")
		f.refused(t, w, 429, 90055)
		if w.Header().Get("Retry-After") != "900" {
			t.Errorf("Retry-After %s", w.Header().Get("Retry-After"))
		}
		raw = again
		f.granted(t, from("192.0.2.1"))
		f.refused(t, from("192.0.2.9"), 401, 50012)
	}
	if n := f.Assertions(); n != 5 {
		t.Errorf("%d are remembered", n)
	}
	f.advance(16 * time.Minute)
	raw = f.assertion(p).sign(t)
	f.granted(t, from("192.0.2.1"))
	if n := f.Assertions(); n != 1 {
		t.Errorf("%d are remembered after the others have expired", n)
	}
}

// TestReplayOfAssertionsWithoutIDIsRefused checks that an assertion without jti is identified by its content.
func TestReplayOfAssertionsWithoutIDIsRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	p := f.addCertificate(t)[0]
	for name, change := range map[string]func(*clientAssertion){
		"no jti": func(s *clientAssertion) { delete(s.claims, "jti") }, "an empty jti": func(s *clientAssertion) { s.claims["jti"] = "" },
		"PS256, whose signatures differ": func(s *clientAssertion) {
			delete(s.claims, "jti")
			s.alg, s.header = jose.PS256, map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(p.cert.SHA256)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f.advance(time.Second)
			s := f.assertion(p)
			change(s)
			raw, again := s.sign(t), s.sign(t)
			for _, one := range []string{raw, again, raw} {
				f.address = "192.0.2.1"
				f.granted(t, f.post(tokenV2, assertionForm(one)))
				f.address = "192.0.2.2"
				f.refused(t, f.post(tokenV2, assertionForm(one)), 401, 50012)
			}
		})
	}
}

// TestAssertionLifetimeIsLimitedToADay has lifetimes that clients could choose.
func TestAssertionLifetimeIsLimitedToADay(t *testing.T) {
	f := newFixtureWithUsers(t)
	p := f.addCertificate(t)[0]
	const hour = int64(3600)
	tests := []struct {
		name          string
		nbf, iat, exp int64 // seconds from now; 0: the claim is absent
		good          bool
	}{
		{"ten minutes", 0, 1, 600, true},
		{"a day", 0, 0, 24 * hour, true},
		{"a day by a client clock that is fast", 240, 240, 24*hour + 240, true},
		{"more than a day", 0, 0, 24*hour + 301, false},
		{"ten years", 0, 0, 10 * 365 * 24 * hour, false},
		{"thousands of years", 0, 0, 1 << 39, false},
		{"the last hour of ten years", -10 * 365 * 24 * hour, 0, hour, false},
		{"the last hour of ten years, by iat", 0, -10 * 365 * 24 * hour, hour, false},
		{"the last hour of a day", -23 * hour, -23 * hour, hour, true},
		{"valid since long ago, but signed recently", -48 * hour, -60, hour, true},
		{"signed in the future", 0, hour, 2 * hour, false},
		{"valid in the future", hour, 0, 2 * hour, false},
		{"expired", 0, 0, -301, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := f.assertion(p)
			delete(s.claims, "nbf")
			for name, from := range map[string]int64{"nbf": test.nbf, "iat": test.iat, "exp": test.exp} {
				if from != 0 {
					s.claims[name] = start.Unix() + from
				}
			}
			w := f.post(tokenV2, assertionForm(s.sign(t)))
			if test.good {
				f.granted(t, w)
				return
			}
			f.refused(t, w, 401, 700024)
		})
	}
}

// TestAssertionsOfOneApplicationDoNotEvictOthers has 40 applications that send many assertions.
func TestAssertionsOfOneApplicationDoNotEvictOthers(t *testing.T) {
	const limit = 200
	var memory login.AssertionMemory
	now := start
	if !memory.First("victim", 0, "there", now, limit) {
		t.Fatal("the first use is refused")
	}
	for app := range 40 {
		for i := range 50 {
			memory.First(fmt.Sprint("attacker", app), i, "here", now, limit)
		}
	}
	if n := memory.Len(); n > limit {
		t.Errorf("%d are remembered", n)
	}
	if memory.First("victim", 0, "elsewhere", now, limit) {
		t.Error("a copy of the victim's assertion is accepted")
	}
	if !memory.First("another", 0, "there", now, limit) {
		t.Error("another application is refused")
	}
	now = now.Add(time.Hour)
	memory.First("another", 1, "there", now, limit)
	if n := memory.Len(); n != 1 {
		t.Errorf("%d are remembered after all have expired", n)
	}
}

func TestOnBehalfOfFlow(t *testing.T) {
	f := newFixtureWithUsers(t)
	called := func(changes ...string) string {
		answer, _ := f.granted(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2)), changes...)))
		return answer["access_token"].(string)
	}
	passing := func(assertion string, changes ...string) string {
		return withChanges(map[string][]string{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "client_id": {apiApp}, "client_secret": {secret},
			"assertion": {assertion}, "requested_token_use": {"on_behalf_of"}, "scope": {armAudience + "/.default openid offline_access"},
		}, changes...)
	}
	call := called("scope", "api://api/Read")
	answer, claims := f.granted(t, f.post(tokenV2, passing(call, "client_info", "1")))
	if claims.ObjectID != aliceID || claims.Audience != armAudience || claims.AppID != apiApp || claims.AppIDACR != "1" || claims.Scopes != "user_impersonation" || answer["client_info"] == nil {
		t.Errorf("claims %v, answer %v", claims, answer)
	}
	f.granted(t, f.post(tokenV2, refreshForm(answer["refresh_token"].(string), "client_id", apiApp, "client_secret", secret)))
	f.refused(t, f.post(tokenV2, refreshForm(answer["refresh_token"].(string), "client_id", apiApp)), 401, 7000218)
	f.granted(t, f.post(tokenV2, passing(called("scope", apiApp+"/.default"))))
	f.granted(t, f.post(tokenV1, passing(call, "scope", "", "resource", armAudience)))

	own, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", "api://api/.default")))
	theirs, _ := f.granted(t, f.post("/"+theirTenant+"/oauth2/v2.0/token", passwordForm("username", bob, "scope", apiApp+"/x")))
	id := f.signedIn(t)["id_token"].(string)
	parts := strings.Split(call, ".")
	tests := []struct {
		name, path, form string
		status           int
		number           float64
	}{
		{"for another resource", tokenV2, passing(called("scope", "https://vault.azure.net/.default")), 400, 500131},
		{"of an application", tokenV2, passing(own["access_token"].(string)), 400, 7000114},
		{"an id_token", tokenV2, passing(id), 400, 50013},
		{"of a user of another tenant", tokenV2, passing(theirs["access_token"].(string)), 400, 50020},
		{"damaged", tokenV2, passing(call[:len(call)-4] + "AAAA"), 400, 50013},
		{"unsigned", tokenV2, passing(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."), 400, 50013},
		{"nothing", tokenV2, passing(""), 400, 900144},
		{"no requested_token_use", tokenV2, passing(call, "requested_token_use", ""), 400, 900144},
		{"another requested_token_use", tokenV2, passing(call, "requested_token_use", "x"), 400, 90023},
		{"without a secret", tokenV2, passing(call, "client_secret", ""), 401, 7000218},
		{"by another service", tokenV2, passing(call, "client_id", webApp), 400, 500131},
		{"by a public client", tokenV2, passing(call, "client_id", cli, "client_secret", ""), 401, 7000218},
		{"by common", "/common/oauth2/v2.0/token", passing(call), 400, 9001023},
		{"at another tenant", "/" + theirTenant + "/oauth2/v2.0/token", passing(call), 400, 700016},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { f.refused(t, f.post(test.path, test.form), test.status, test.number) })
	}
	f.advance(time.Hour)
	f.refused(t, f.post(tokenV2, passing(call)), 400, 500133)
	f.advance(-time.Hour)
	f.update(t, func(tx store.Tx) error { return f.Directory.RevokeTokens(tx, tenant, aliceID) })
	f.refused(t, f.post(tokenV2, passing(call)), 400, 50173)
	f.granted(t, f.post(tokenV2, passing(called("scope", "api://api/Read")))) // issued after the revocation, with an earlier iat
}

// TestApplicationsAreIsolatedByTenant uses the credentials of one tenant at the other.
func TestApplicationsAreIsolatedByTenant(t *testing.T) {
	f := newFixtureWithUsers(t)
	theirs := "/" + theirTenant + "/oauth2/v2.0/token"
	f.granted(t, f.post(theirs, clientCredentialsForm("client_id", theirApp)))
	f.refused(t, f.post(tokenV2, clientCredentialsForm("client_id", theirApp)), 400, 700016)
	f.refused(t, f.post(theirs, clientCredentialsForm("client_id", webApp)), 400, 700016)
	// An application with the same client id in both tenants has a separate secret in each.
	f.update(t, func(tx store.Tx) error {
		if err := f.Directory.CreateApplication(tx, directory.Application{ID: "twin", AppID: webApp, TenantID: theirTenant}); err != nil {
			return err
		}
		return f.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: "twin-sp", AppID: webApp, TenantID: theirTenant, Type: directory.TypeApplication, Enabled: true})
	})
	f.refused(t, f.post(theirs, clientCredentialsForm("client_id", webApp)), 401, 7000215)
}

func TestTokensContainAppRoles(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.update(t, func(tx store.Tx) error {
		a, err := f.Directory.ApplicationByAppID(tx, tenant, apiApp)
		if err != nil {
			return err
		}
		a.AppRoles = []directory.AppRole{{ID: caller, Value: "Read.All", AllowedMemberTypes: []string{"User", "Application"}, Enabled: true}}
		return f.Directory.UpdateApplication(tx, a)
	})
	for _, principal := range []string{"sp-" + webApp, aliceID} {
		f.update(t, func(tx store.Tx) error {
			_, err := f.Directory.AssignAppRole(tx, directory.AppRoleAssignment{TenantID: tenant, PrincipalID: principal, ResourceID: "sp-" + apiApp, AppRoleID: caller})
			return err
		})
	}
	_, claims := f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", "api://api/.default")))
	if fmt.Sprint(claims.Roles) != "[Read.All]" {
		t.Errorf("the application's roles: %v", claims.Roles)
	}
	if _, claims = f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp))); claims.Roles != nil {
		t.Errorf("roles elsewhere: %v", claims.Roles)
	}
	_, claims = f.granted(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2)), "scope", "api://api/x")))
	if fmt.Sprint(claims.Roles) != "[Read.All]" || claims.Scopes != "x" {
		t.Errorf("Alice's roles: %v, scopes %v", claims.Roles, claims.Scopes)
	}
	if _, claims = f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", "api://newer/.default"))); claims.Version != "2.0" || claims.Audience != newerApp || claims.Issuer != origin+"/"+tenant+"/v2.0" {
		t.Errorf("version %s, audience %s, issuer %s", claims.Version, claims.Audience, claims.Issuer)
	}
}
