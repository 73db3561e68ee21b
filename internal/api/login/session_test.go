package login_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/store"
)

// webURL is an authorization request of webApp, which a session answers without a page.
func webURL(changes ...string) string {
	return authorizeURL(authorizeV2, append([]string{"client_id", webApp, "redirect_uri", webRedirect}, changes...)...)
}

// signedInBrowser returns a browser in which Alice has a session.
func (f *fixture) signedInBrowser(t testing.TB) *browser {
	t.Helper()
	b := f.browse(t)
	reply(t, b.signIn(b.get(authorizeURL(authorizeV2)), alice))
	if !continues(b) {
		t.Fatal("there is no session")
	}
	return b
}

// continues reports whether a browser gets a code without a page.
func continues(b *browser) bool {
	b.t.Helper()
	return strings.Contains(b.get(webURL("prompt", "none")).Header().Get("Location"), "code=")
}

// copied returns another browser with the same cookies and the given key.
func copied(b *browser, key string) *browser {
	attacker := &browser{t: b.t, f: b.f, cookies: map[string]string{}, key: key}
	for name, value := range b.cookies {
		attacker.cookies[name] = value
	}
	return attacker
}

// TestCopiedCookiesDoNotGiveASession has a program on another port of the host. Browsers send it all
// cookies of the host. It can reach the server as any client can, with whatever header it likes.
func TestCopiedCookiesDoNotGiveASession(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInBrowser(t)
	stranger := f.browse(t)
	for name, key := range map[string]string{"no key": "", "a key of its own": stranger.key, "a short key": "AAAA"} {
		t.Run(name, func(t *testing.T) {
			attacker := copied(b, key)
			for what, path := range map[string]string{
				"silently": webURL("prompt", "none"), "as usual": webURL(), "by the first version": authorizeURL("/"+tenant+"/oauth2/authorize", "client_id", webApp, "redirect_uri", webRedirect, "resource", armAudience),
				"as Azure CLI": authorizeURL(authorizeV2), "as Azure CLI, silently": authorizeURL(authorizeV2, "prompt", "none"),
				"with the account page": webURL("prompt", "select_account"), "without a tenant": authorizeURL("/common/oauth2/v2.0/authorize"),
			} {
				w := attacker.get(path)
				for range 3 { // pages whose script submits them
					if strings.Contains(w.Body.String(), `value="resume"`) {
						action, values := formOf(t, w)
						values.Set("key", key)
						w = attacker.post(action, values)
					}
				}
				if strings.Contains(w.Header().Get("Location"), "code=") || strings.Contains(w.Body.String(), "alice") {
					t.Errorf("%s: status %d, Location %q: %s", what, w.Code, w.Header().Get("Location"), w.Body)
				}
				if w.Code != http.StatusOK {
					continue
				}
				for _, action := range []string{"continue", "resume"} {
					again := attacker.submit(w, "action", action, "key", key)
					if again.Header().Get("Location") != "" || strings.Contains(again.Body.String(), "alice") {
						t.Errorf("%s, then %s: %s: %s", what, action, again.Header().Get("Location"), again.Body)
					}
				}
			}
			_, user := f.startDevice(t, deviceV2)
			w := attacker.submit(attacker.get(devicePage), "code", user)
			if strings.Contains(w.Body.String(), "alice") || strings.Contains(w.Body.String(), "Are you trying") {
				t.Errorf("a device: %s", w.Body)
			}
		})
	}
	if !continues(b) {
		t.Error("the user's own session has ended")
	}
}

// TestAProgramOnAnotherPortGetsNoToken does the same with real listeners. The cookie jar of Go's library
// ignores ports, as browsers do.
func TestAProgramOnAnotherPortGetsNoToken(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.now = time.Now()
	origin, httpClient := f.serve(t)
	var stolen string
	attacker := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen = r.Header.Get("Cookie") }))
	defer attacker.Close()
	b := newHTTPBrowser(t, httpClient)
	b.signIn(origin + webURL())
	if at := b.open(origin + webURL("prompt", "none")); !strings.Contains(at, "code=") {
		t.Fatalf("the user's browser is sent to %s", at)
	}
	b.open(strings.Replace(attacker.URL, "127.0.0.1", mustParse(t, origin).Hostname(), 1))
	if !strings.Contains(stolen, "__Host-midas-session-") {
		t.Fatalf("the program was sent %q, so this test proves nothing", stolen)
	}
	for _, path := range []string{webURL(), webURL("prompt", "none"), authorizeURL(authorizeV2), authorizeURL(authorizeV2, "prompt", "none")} {
		replay := newHTTPBrowser(t, httpClient)
		replay.cookie = stolen
		if at := replay.open(origin + path); strings.Contains(at, "code=") || strings.Contains(replay.page, alice) {
			t.Errorf("%s with the cookies alone leads to %s: %s", path, at, replay.page)
		}
	}
}

func TestSessionsAreRevokedOnTheServer(t *testing.T) {
	d := func(f *fixture) *directory.Directory { return f.Directory }
	tests := []struct {
		name string
		end  func(*testing.T, *fixture, *browser)
	}{
		{"sign-out", func(_ *testing.T, _ *fixture, b *browser) { b.get("/" + tenant + "/oauth2/v2.0/logout") }},
		{"sign-out that is posted", func(_ *testing.T, _ *fixture, b *browser) { b.post("/common/oauth2/logout", url.Values{}) }},
		{"revokeSignInSessions", func(t *testing.T, f *fixture, _ *browser) {
			f.update(t, func(tx store.Tx) error { return d(f).RevokeTokens(tx, tenant, aliceID) })
		}},
		{"another password", func(t *testing.T, f *fixture, _ *browser) {
			f.update(t, func(tx store.Tx) error { return d(f).SetPassword(tx, tenant, aliceID, "Another-horse-battery-9") })
		}},
		{"disabling, though not for long", func(t *testing.T, f *fixture, _ *browser) {
			for _, enabled := range []bool{false, true} {
				f.update(t, func(tx store.Tx) error {
					u, err := d(f).User(tx, tenant, aliceID)
					if err != nil {
						return err
					}
					u.Enabled = enabled
					return d(f).UpdateUser(tx, u)
				})
			}
		}},
		{"deletion", func(t *testing.T, f *fixture, _ *browser) {
			f.update(t, func(tx store.Tx) error { return d(f).DeleteUser(tx, tenant, aliceID) })
		}},
		{"a new sign-in in the browser", func(_ *testing.T, _ *fixture, b *browser) {
			b.signIn(b.get(webURL("prompt", "login")), alice)
		}},
		{"a new sign-in without scripts", func(_ *testing.T, _ *fixture, b *browser) {
			b.key = ""
			b.signIn(b.get(webURL("prompt", "login")), alice)
		}},
		{"too many browsers", func(t *testing.T, f *fixture, _ *browser) {
			for range grant.MaxSessions {
				one := f.browse(t)
				reply(t, one.signIn(one.get(webURL()), alice))
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixtureWithUsers(t)
			b := f.signedInBrowser(t)
			attacker := copied(b, b.key)
			page := attacker.get(webURL("prompt", "select_account"))
			if !strings.Contains(page.Body.String(), "Choose an account") || !continues(attacker) {
				t.Fatalf("%s", page.Body)
			}
			f.advance(time.Second)
			test.end(t, f, b)
			if continues(attacker) {
				t.Error("a copy of the cookie and the key continues")
			}
			if w := attacker.submit(page, "action", "continue"); w.Header().Get("Location") != "" {
				t.Errorf("a page that was open continues: %s", w.Header().Get("Location"))
			}
		})
	}
}

// TestSignOutDeletesTheCookie checks the browser's cookies after sign-out.
func TestSignOutDeletesTheCookie(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInBrowser(t)
	if w := b.get("/" + tenant + "/oauth2/v2.0/logout"); w.Code != http.StatusOK || b.cookie("session") != "" {
		t.Errorf("status %d, cookies %v", w.Code, b.cookies)
	}
	if w := b.get("/" + tenant + "/oauth2/v2.0/logout"); w.Code != http.StatusOK {
		t.Errorf("again: status %d", w.Code)
	}
}

// TestPlantedSessionCookiesAreIgnored has a program on another port that sets the cookies of its own session, so
// that the user would act as another user.
func TestPlantedSessionCookiesAreIgnored(t *testing.T) {
	f := newFixtureWithUsers(t)
	b, attacker := f.browse(t), f.browse(t)
	reply(t, attacker.signIn(attacker.get(authorizeURL("/common/oauth2/v2.0/authorize")), bob))
	for name, value := range attacker.cookies {
		b.cookies[name] = value
	}
	if w := b.get(authorizeURL("/common/oauth2/v2.0/authorize", "prompt", "select_account")); !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") || strings.Contains(w.Body.String(), bob) {
		t.Errorf("%s", w.Body)
	}
}

// TestBrowserWithoutScriptsSignsInEachTime checks that sign-in works without scripts and gives no session.
func TestBrowserWithoutScriptsSignsInEachTime(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	b.key = ""
	for range 2 {
		if _, values := reply(t, b.signIn(b.get(webURL()), alice)); values.Get("code") == "" {
			t.Errorf("%v", values)
		}
	}
	if b.cookie("session") != "" {
		t.Errorf("cookies %v", b.cookies)
	}
	// A device is confirmed on the page after the password, and not much later.
	for wait, want := range map[time.Duration]string{time.Minute: "You are signed in to", 11 * time.Minute: "<h1>Sign in</h1>"} {
		_, user := f.startDevice(t, deviceV2)
		w := b.signIn(b.submit(b.get(devicePage), "code", user), alice)
		f.advance(wait)
		if w = b.submit(w, "action", "continue"); !strings.Contains(w.Body.String(), want) {
			t.Errorf("after %s: %s", wait, w.Body)
		}
	}
}

// TestFormsDoNotExtendASignInWithoutASession submits forms whose responses contain another form.
func TestFormsDoNotExtendASignInWithoutASession(t *testing.T) {
	f := newFixtureWithUsers(t)
	begun := func() (*browser, *httptest.ResponseRecorder) {
		b := f.browse(t)
		b.key = ""
		return b, b.signIn(b.get(webURL("prompt", "consent")), alice)
	}
	b, w := begun()
	for minutes, title := range []string{4: "Permissions requested", 8: "Permissions requested", 12: "Sign in"} {
		if title == "" {
			continue
		}
		f.advance(4 * time.Minute)
		if w = b.submit(w, "action", "continue"); !strings.Contains(w.Body.String(), "<h1>"+title+"</h1>") {
			t.Errorf("after %d minutes: %s", minutes, w.Body)
		}
	}
	for _, action := range []string{"continue", "accept"} {
		b, w := begun()
		b.get("/" + tenant + "/oauth2/v2.0/logout")
		if w = b.submit(w, "action", action); !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") {
			t.Errorf("%s after signing out: %s", action, w.Body)
		}
	}
}

// TestInstallationsDoNotShareCookies has two servers on one host.
func TestInstallationsDoNotShareCookies(t *testing.T) {
	f, g := newFixtureWithUsers(t), newFixtureWithUsers(t)
	g.Minter.Issuer.Origin = strings.Replace(origin, "https://", "https://x", 1)
	b := f.signedInBrowser(t)
	before := len(b.cookies)
	elsewhere := copied(b, b.key)
	elsewhere.f = g
	reply(t, elsewhere.signIn(elsewhere.get(webURL()), alice))
	if len(elsewhere.cookies) != 2*before {
		t.Errorf("cookies %v", elsewhere.cookies)
	}
	elsewhere.get("/" + tenant + "/oauth2/v2.0/logout")
	b.cookies = elsewhere.cookies
	if !continues(b) {
		t.Error("signing out of one server has signed out of the other")
	}
}

// TestSessionIsFoundAmongManyOldCookies are what browsers keep of servers that are gone, and what other programs of the host
// have set.
func TestSessionIsFoundAmongManyOldCookies(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInBrowser(t)
	for i := range 180 {
		b.cookies[fmt.Sprintf("__Host-midas-session-%012d", i)] = strings.Repeat("x", 52)
		b.cookies[fmt.Sprintf("__Host-midas-browser-%012d", i)] = strings.Repeat("x", 26)
	}
	b.cookies["__Host-midas-session"], b.cookies["__Host-midas-browser"] = "x", "y"
	if !continues(b) {
		t.Error("the session is not found")
	}
}

// TestFormsSurviveOtherTabs has events that change the cookies while a form is open.
func TestFormsSurviveOtherTabs(t *testing.T) {
	overtake := map[string]func(*browser){
		"two tabs at once in a new browser": func(b *browser) {
			second := &browser{t: b.t, f: b.f, cookies: map[string]string{}, key: b.key}
			second.get(webURL())
			b.cookies = second.cookies
		},
		"another site posts to authorize": func(b *browser) {
			path, query, _ := strings.Cut(webURL("state", "theirs"), "?")
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(query))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			kept := b.cookies
			b.cookies = map[string]string{} // SameSite keeps them
			b.send(r)
			for name, value := range kept {
				if _, replaced := b.cookies[name]; !replaced {
					b.cookies[name] = value
				}
			}
		},
	}
	for name, happens := range overtake {
		t.Run(name, func(t *testing.T) {
			f := newFixtureWithUsers(t)
			b := f.browse(t)
			page := b.get(webURL())
			happens(b)
			w := b.signIn(page, alice)
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") || b.cookie("session") != "" {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			_, values := reply(t, b.signIn(w, alice))
			if values.Get("code") == "" || values.Get("state") != "st&<ate" {
				t.Errorf("%v", values)
			}
			page = b.get(webURL("prompt", "select_account"))
			happens(b)
			for range 2 {
				if w = b.submit(page, "action", "continue"); w.Code == http.StatusForbidden {
					t.Errorf("the account page: status %d: %s", w.Code, w.Body)
				}
				page = w
				if w.Code == http.StatusSeeOther {
					break
				}
			}
		})
	}
}

// TestSilentRequestsMayBeFramedByTheirClient sends the requests of MSAL.js's ssoSilent.
func TestSilentRequestsMayBeFramedByTheirClient(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInBrowser(t)
	scripts := b.key
	b.key = ""
	for path, want := range map[string]string{
		webURL():                 "frame-ancestors 'none'",
		webURL("prompt", "none"): "frame-ancestors https://app.test;",
		authorizeURL(authorizeV2, "client_id", pageApp, "redirect_uri", pageRedirect, "prompt", "none"): "frame-ancestors https://page.test;",
		authorizeURL(authorizeV2, "redirect_uri", "http://[::1]:1", "prompt", "none"):                   "frame-ancestors 'none'",
	} {
		w := b.get(path)
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, want) || strings.Contains(w.Body.String(), "alice") {
			t.Errorf("%s: policy %q: %s", path, csp, w.Body)
		}
		if framed := !strings.Contains(want, "'none'"); framed == strings.Contains(w.Body.String(), "<button") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	b.key = scripts
	if !continues(b) {
		t.Error("the session does not continue with scripts")
	}
}

// TestPagesOfSilentRequestsThatAskAreNotFramed has a client that leads the form of a silent request to the
// sign-in page, and shows the page in a frame of its own, where the browser sends no cookies.
func TestPagesOfSilentRequestsThatAskAreNotFramed(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInBrowser(t)
	scripts := b.key
	b.key = ""
	resume := b.get(webURL("prompt", "none"))
	b.key = scripts
	action, values := formOf(t, resume)
	values.Set("action", "other")
	framed := map[string]*httptest.ResponseRecorder{"in the same browser": b.post(action, values)}
	withoutCookies := f.browse(t)
	withoutCookies.refuses = true
	values.Set("username", "x")
	framed["without cookies"] = withoutCookies.post(action, values)
	framed["the address elsewhere"] = f.browse(t).get(withoutCookies.at)
	for name, w := range framed {
		asks := strings.Contains(w.Body.String(), "<button") || strings.Contains(w.Body.String(), "<input type=\"password\"")
		if csp := w.Header().Get("Content-Security-Policy"); asks && (!strings.Contains(csp, "frame-ancestors 'none'") || w.Header().Get("X-Frame-Options") != "DENY") {
			t.Errorf("%s: policy %q: %s", name, csp, w.Body)
		}
		if to := w.Header().Get("Location"); asks || !strings.Contains(to, "error=interaction_required") && !strings.Contains(to, "error=login_required") {
			t.Errorf("%s: status %d, Location %q, asks %v", name, w.Code, to, asks)
		}
	}
}
