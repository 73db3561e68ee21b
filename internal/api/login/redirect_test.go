package login_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"midas/internal/api/login"
	"midas/internal/directory"
	"midas/internal/store"
)

// TestUnregisteredRedirectURIsAreRefused checks that no unregistered redirect URI gets a redirect.
func TestUnregisteredRedirectURIsAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.update(t, func(tx store.Tx) error {
		a, err := f.Directory.ApplicationByAppID(tx, tenant, webApp)
		if err != nil {
			return err
		}
		a.Redirects.Public = []string{"http://localhost/back?a=b"}
		return f.Directory.UpdateApplication(tx, a)
	})
	tests := []struct{ name, client, redirect string }{
		{"another host", webApp, "https://evil.test/callback"},
		{"no scheme", webApp, "//app.test/callback"},
		{"a path", webApp, "/callback"},
		{"a word", webApp, "callback"},
		{"http", webApp, "http://app.test/callback"},
		{"another case in the path", webApp, "https://app.test/Callback"},
		{"another case in the host", webApp, "https://APP.test/callback"},
		{"a port", webApp, "https://app.test:444/callback"},
		{"the usual port", webApp, "https://app.test:443/callback"},
		{"a slash more", webApp, webRedirect + "/"},
		{"a query more", webApp, webRedirect + "?x=1"},
		{"an empty query", webApp, webRedirect + "?"},
		{"a query less", webApp, "https://app.test/other"},
		{"a fragment", webApp, webRedirect + "#x"},
		{"an empty fragment", webApp, webRedirect + "#"},
		{"a path with dot segments", webApp, "https://app.test/callback/../other"},
		{"a path with escaped dot segments", webApp, "https://app.test/callback/%2e%2e/other"},
		{"a path below", webApp, webRedirect + "/x"},
		{"a longer path", webApp, webRedirect + "x"},
		{"a user", webApp, "https://app.test@evil.test/callback"},
		{"a user at the right host", webApp, "https://x@app.test/callback"},
		{"a user and a backslash", webApp, `https://evil.test\@app.test/callback`},
		{"backslashes", webApp, `https:\\app.test\callback`},
		{"a host with the registered one as prefix", webApp, "https://app.test.evil.test/callback"},
		{"a host with the registered one as suffix", webApp, "https://evilapp.test/callback"},
		{"a space before", webApp, " " + webRedirect},
		{"a line break", webApp, webRedirect + "\r\nX: y"},
		{"a null byte", webApp, webRedirect + "\x00"},
		{"a tab", webApp, "https://app.test/call\tback"},
		{"another alphabet", webApp, "https://аpp.test/callback"},
		{"a percent too many", webApp, "https://app.test/%63allback"},
		{"a script", webApp, "javascript:alert(1)//https://app.test/callback"},
		{"data", webApp, "data:text/html,x"},
		{"two at once", webApp, webRedirect + " https://evil.test"},
		{"none, with several registered", webApp, ""},
		{"a loopback port for a server", webApp, "https://app.test:8080/callback"},
		{"a loopback port with another query", webApp, "http://localhost:1/back?a=c"},
		{"a loopback port without the query", webApp, "http://localhost:1/back"},
		{"https on the loopback", cli, "https://localhost:1"},
		{"a path on the loopback", cli, "http://localhost:1/x"},
		{"a query on the loopback", cli, "http://localhost:1/?x=y"},
		{"a host that begins as the loopback", cli, "http://localhost.evil.test:1"},
		{"a host that ends as the loopback", cli, "http://evil-localhost:1"},
		{"a host after a port", cli, "http://localhost:1@evil.test"},
		{"a host after a password", cli, "http://localhost:80:x@evil.test"},
		{"an invalid port", cli, "http://localhost:x"},
		{"a port that is too high", cli, "http://localhost:65536"},
		{"port zero", cli, "http://localhost:0"},
		{"the loopback by another address", cli, "http://127.0.0.2:1"},
		{"the loopback by a number", cli, "http://2130706433:1"},
		{"the loopback mapped to IPv6", cli, "http://[::ffff:127.0.0.1]:1"},
		{"a zone", cli, "http://[::1%25eth0]:1"},
		{"all addresses", cli, "http://0.0.0.0:1"},
		{"none, for a first-party client", cli, ""},
		{"another tool's scheme", localApp, "myapp2://auth"},
		{"a scheme with more", localApp, "myapp://auth/x"},
		{"a registered path on another loopback", localApp, "http://localhost:1/back"},
		{"a registered path in another case", localApp, "http://127.0.0.1:1/Back"},
		{"a registered path and a slash", localApp, "http://127.0.0.1:1/back/"},
		{"a registered path with dot segments", localApp, "http://127.0.0.1:1/x/../back"},
		{"a long one", webApp, "https://app.test/" + strings.Repeat("x", 4000)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := f.browse(t)
			for _, more := range [][]string{nil, {"response_type", "token"}, {"prompt", "none"}, {"scope", ""}} {
				w := b.get(authorizeURL(authorizeV2, append([]string{"client_id", test.client, "redirect_uri", test.redirect}, more...)...))
				if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
					t.Errorf("status %d, Location %q", w.Code, w.Header().Get("Location"))
				}
				if !regexp.MustCompile(`AADSTS(50011|900971)`).MatchString(w.Body.String()) {
					t.Errorf("%s", w.Body)
				}
				safePage(t, w)
			}
			w := b.get("/" + tenant + "/oauth2/v2.0/logout?" + url.Values{"client_id": {test.client}, "post_logout_redirect_uri": {test.redirect}}.Encode())
			if w.Code != http.StatusOK || w.Header().Get("Location") != "" {
				t.Errorf("signing out: status %d, Location %q", w.Code, w.Header().Get("Location"))
			}
		})
	}
}

func TestLoopbackRedirectURIsMayHaveAnyPort(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	for redirect, client := range map[string]string{
		"http://localhost": cli, "http://localhost/": cli, "http://localhost:1": cli, "http://localhost:65535/": cli,
		"http://127.0.0.1:8400": cli, "http://[::1]:8400": cli, "http://127.0.0.1:1/back": localApp, "http://127.0.0.1/back": localApp,
	} {
		to, _ := reply(t, b.get(authorizeURL(authorizeV2, "client_id", client, "redirect_uri", redirect, "prompt", "none")))
		if to != redirect {
			t.Errorf("%s: sent to %s", redirect, to)
		}
	}
}

func TestResponseModes(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	w := b.signIn(b.get(authorizeURL(authorizeV2, "response_mode", "fragment")), alice)
	if location := w.Header().Get("Location"); !strings.HasPrefix(location, localRedirect+"#code=") {
		t.Errorf("fragment: %s", location)
	}
	w = b.get(authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", "https://app.test/other?x=1"))
	if location := w.Header().Get("Location"); !strings.HasPrefix(location, "https://app.test/other?x=1&code=") {
		t.Errorf("an address with a query: %s", location)
	}
	w = b.get(authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect, "response_mode", "form_post"))
	action, values := formOf(t, w)
	if w.Code != http.StatusOK || action != webRedirect || values.Get("code") == "" || values.Get("state") != "st&<ate" {
		t.Errorf("form_post: status %d, to %s: %v", w.Code, action, values)
	}
	csp := w.Header().Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`script-src 'nonce-([A-Z0-9]+)'`).FindStringSubmatch(csp)
	if nonce == nil || !strings.Contains(w.Body.String(), `<script nonce="`+nonce[1]+`">`) {
		t.Errorf("policy %q", csp)
	}
	if !strings.Contains(w.Body.String(), `<button type="submit"`) {
		t.Error("there is no button for browsers without scripts")
	}
	safePage(t, w)
	if to, values := reply(t, b.get(authorizeURL(authorizeV2, "client_id", localApp, "redirect_uri", "myapp://auth", "response_mode", "form_post"))); to != "myapp://auth" || values.Get("error") != "invalid_request" {
		t.Errorf("form_post to a program: %s, %v", to, values)
	}
}

func TestSignOutRedirects(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	reply(t, b.signIn(b.get(authorizeURL(authorizeV2)), alice))
	w := b.get("/common/oauth2/v2.0/logout?state=a%26b&client_id=" + webApp + "&post_logout_redirect_uri=" + url.QueryEscape(webRedirect))
	if location := w.Header().Get("Location"); location != webRedirect+"?state=a%26b" {
		t.Errorf("sent to %q", location)
	}
	if w := b.get(authorizeURL(authorizeV2)); w.Code != http.StatusOK {
		t.Errorf("still signed in: status %d", w.Code)
	}
	answer := f.signedIn(t)
	w = b.get("/" + tenant + "/oauth2/logout?id_token_hint=" + answer["id_token"].(string) + "&post_logout_redirect_uri=" + url.QueryEscape("http://localhost:99"))
	if location := w.Header().Get("Location"); location != "http://localhost:99" {
		t.Errorf("by the id_token: sent to %q", location)
	}
	for _, query := range []string{"", "?post_logout_redirect_uri=" + url.QueryEscape(webRedirect), "?id_token_hint=x.y&post_logout_redirect_uri=" + url.QueryEscape(webRedirect), "?client_id=" + other + "&post_logout_redirect_uri=" + url.QueryEscape(webRedirect)} {
		w := b.get("/" + tenant + "/oauth2/v2.0/logout" + query)
		if w.Code != http.StatusOK || w.Header().Get("Location") != "" {
			t.Errorf("%q: status %d, Location %q", query, w.Code, w.Header().Get("Location"))
		}
		safePage(t, w)
	}
}

func TestDangerousRegisteredRedirectURIsAreRefused(t *testing.T) {
	for _, uri := range []string{"javascript:alert(1)", "JavaScript://app.test/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "blob:https://app.test/x",
		"https://app.test/#x", `https://app.test\x`, "https://app.test/ x", "https://x@app.test/", "https:/app.test", "https://app.test/\r\nx", "https://\u0430pp.test/"} {
		if login.FindRedirect(directory.Redirects{Web: []string{uri}, SPA: []string{uri}, Public: []string{uri}}, uri) {
			t.Errorf("%s is accepted", uri)
		}
	}
}
