package login_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// TestClientsMustUseOneAuthenticationMethod combines authentication methods that are valid alone.
func TestClientsMustUseOneAuthenticationMethod(t *testing.T) {
	f := newFixtureWithUsers(t)
	p := f.addCertificate(t)[0]
	f.update(t, func(tx store.Tx) error { return f.Directory.AddCertificate(tx, tenant, webApp, p.cert) })
	s := f.assertion(p)
	s.claims["iss"], s.claims["sub"] = webApp, webApp
	signed := s.sign(t)
	withBoth := func(changes ...string) string {
		return clientCredentialsForm(append([]string{"client_id", webApp}, changes...)...)
	}
	alone, header := withBoth("client_secret", ""), []string{"Authorization", basic(webApp, secret)}
	tests := []struct {
		name    string
		form    string
		headers []string
		number  int // 0: it is granted
	}{
		{"a secret", withBoth(), nil, 0},
		{"a header", alone, header, 0},
		{"an assertion", withBoth("client_secret", "", "client_assertion_type", jwtBearer, "client_assertion", signed), nil, 0},
		{"an empty assertion beside a secret", withBoth() + "&client_assertion=", nil, 0},
		{"a secret and an assertion", withBoth("client_assertion_type", jwtBearer, "client_assertion", signed), nil, 9002313},
		{"a secret and an invalid assertion", withBoth("client_assertion_type", jwtBearer, "client_assertion", "x"), nil, 9002313},
		{"a wrong secret and an assertion", withBoth("client_secret", "x", "client_assertion_type", jwtBearer, "client_assertion", signed), nil, 9002313},
		{"a secret and an assertion without type", withBoth("client_assertion", signed), nil, 9002313},
		{"a header and a secret", withBoth(), header, 9002313},
		{"a header and an assertion", withBoth("client_secret", "", "client_assertion_type", jwtBearer, "client_assertion", signed), header, 9002313},
		{"a header without secret and an assertion", withBoth("client_secret", "", "client_assertion_type", jwtBearer, "client_assertion", signed), []string{"Authorization", basic(webApp, "")}, 9002313},
		{"a header, a secret and an assertion", withBoth("client_assertion_type", jwtBearer, "client_assertion", signed), header, 9002313},
		{"two headers", alone, append(header, header...), 9002313},
		{"a header of another client", clientCredentialsForm("client_secret", ""), header, 9002313},
		{"two secrets", withBoth() + "&client_secret=x", nil, 9002313},
		{"a type without assertion", withBoth("client_assertion_type", jwtBearer), nil, 900144},
		{"a header and a type without assertion", withBoth("client_secret", "", "client_assertion_type", jwtBearer), header, 900144},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := f.post(tokenV2, test.form, test.headers...)
			if test.number == 0 {
				f.granted(t, w)
				return
			}
			f.refused(t, w, http.StatusBadRequest, float64(test.number))
			if got := decode(t, w)["error"]; got != "invalid_request" {
				t.Errorf("error %v", got)
			}
		})
	}
}

// TestPublicClientsMustUsePKCE checks that every client without a secret must use PKCE with S256.
func TestPublicClientsMustUsePKCE(t *testing.T) {
	f := newFixtureWithUsers(t)
	clients := map[string][]string{
		"azure cli": nil, "a program": {"client_id", localApp, "redirect_uri", "http://127.0.0.1:9/back"},
		"a program with a scheme": {"client_id", localApp, "redirect_uri", "myapp://auth"}, "a page": {"client_id", pageApp, "redirect_uri", pageRedirect},
	}
	for name, client := range clients {
		for what, changes := range map[string][]string{
			"none": {"code_challenge", "", "code_challenge_method", ""}, "plain": {"code_challenge", verifier, "code_challenge_method", "plain"},
			"plain by default": {"code_challenge", verifier, "code_challenge_method", ""},
		} {
			for _, path := range []string{authorizeV2, "/adfs/oauth2/authorize", "/common/oauth2/v2.0/authorize"} {
				w := f.browse(t).get(authorizeURL(path, append(client, changes...)...))
				u, err := url.Parse(w.Header().Get("Location"))
				if err != nil || u.Query().Get("error") != "invalid_request" || u.Query().Get("code") != "" {
					t.Errorf("%s with %s at %s: status %d, %s", name, what, path, w.Code, u)
				}
			}
		}
	}
	// A client with a secret may use no PKCE, plain or S256.
	for _, changes := range [][]string{
		{"code_challenge", "", "code_challenge_method", ""}, {"code_challenge", verifier, "code_challenge_method", "plain"}, {},
	} {
		code := f.codeFor(t, alice, webURL(changes...))
		proof := []string{"client_id", webApp, "client_secret", secret, "redirect_uri", webRedirect}
		if len(changes) > 0 && changes[1] == "" {
			proof = append(proof, "code_verifier", "")
		}
		f.granted(t, f.post(tokenV2, codeForm(code, proof...)))
	}
}

// TestContentSecurityPolicyContainsOriginsOnly stores redirect URIs that were valid before the current rules.
func TestContentSecurityPolicyContainsOriginsOnly(t *testing.T) {
	f := newFixtureWithUsers(t)
	for _, uri := range []string{"https://app.test;script-src", "https://app.test;script-src/x", "https://a,b/", "https://'none'/"} {
		f.putRedirect(t, webApp, uri)
		w := f.browse(t).get(webURL("redirect_uri", uri))
		if csp := w.Header().Get("Content-Security-Policy"); w.Code != http.StatusBadRequest || strings.Contains(csp, "app.test") || strings.Count(csp, "script-src") > 0 {
			t.Errorf("%s: status %d, policy %q", uri, w.Code, csp)
		}
	}
	// Forms lead to this server only, and silent requests may be framed by the origin, without its path.
	for uri, framer := range map[string]string{"https://app.test/a;b,c?x='d'": "https://app.test", "http://[::1]:1/;x": "'none'"} {
		f.putRedirect(t, webApp, uri)
		b := f.signedInAs(t, alice)
		b.key = ""
		for _, prompt := range []string{"login", "none"} {
			w := b.get(webURL("redirect_uri", uri, "prompt", prompt))
			want := "form-action 'self'; "
			if prompt == "none" {
				want += "script-src [^;]*; frame-ancestors " + regexp.QuoteMeta(framer) + "; "
			}
			if csp := w.Header().Get("Content-Security-Policy"); w.Code != http.StatusOK || !regexp.MustCompile(want).MatchString(csp) {
				t.Errorf("%s: status %d, policy %q", uri, w.Code, csp)
			}
		}
	}
}

// putRedirect stores a redirect URI that the directory refuses to register.
func (f *fixture) putRedirect(t testing.TB, app, uri string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		a, err := f.Directory.ApplicationByAppID(tx, tenant, app)
		if err != nil {
			return err
		}
		a.Redirects.Web = []string{uri}
		return (&store.Table[directory.Application]{Kind: store.AppKind}).Put(tx, store.AppKind.Key(tenant, app), a)
	})
}
