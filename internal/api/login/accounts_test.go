package login_test

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

// accountForms matches the forms of a page that belong to one account.
var accountForms = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)"[^>]*>\s*<input type="hidden" name="request" value="([^"]*)">\s*(?:<span>|<button type="submit" name="action" value="(?:continue|one)")(.*?)</form>`)

// choose submits the form of one account.
func (b *browser) choose(w *httptest.ResponseRecorder, name, action string) *httptest.ResponseRecorder {
	b.t.Helper()
	for _, form := range accountForms.FindAllStringSubmatch(w.Body.String(), -1) {
		if strings.Contains(form[3], name) {
			return b.post(html.UnescapeString(form[1]), url.Values{"request": {form[2]}, "action": {action}})
		}
	}
	b.t.Fatalf("status %d, no account %s: %s", w.Code, name, w.Body)
	return nil
}

const anyTenant = "/common/oauth2/v2.0/authorize"

// signedInAs returns a browser in which these users have signed in, one after the other.
func (f *fixture) signedInAs(t testing.TB, names ...string) *browser {
	t.Helper()
	b := f.browse(t)
	for _, name := range names {
		reply(t, b.signIn(b.get(authorizeURL(anyTenant, "prompt", "login")), name))
	}
	return b
}

// userOf returns the object id of the user for whom a code was issued.
func (f *fixture) userOf(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	_, values := reply(t, w)
	_, claims := f.granted(t, f.post("/common/oauth2/v2.0/token", codeForm(values.Get("code"))))
	return claims.ObjectID
}

func TestSeveralAccountsInOneBrowser(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInAs(t, alice, bob)
	page := b.get(authorizeURL(anyTenant))
	safePage(t, page)
	if body := page.Body.String(); !strings.Contains(body, "<h1>Choose an account</h1>") || strings.Index(body, bob) > strings.Index(body, alice) || !strings.Contains(body, bob) {
		t.Fatalf("%s", body)
	}
	for name, id := range map[string]string{alice: aliceID, bob: bobID} {
		if got := f.userOf(t, b.choose(page, name, "continue")); got != id {
			t.Errorf("%s: object %s", name, got)
		}
		w := b.get(authorizeURL(anyTenant, "login_hint", strings.ToUpper(name)))
		if got := f.userOf(t, b.choose(w, name, "continue")); got != id || strings.Count(w.Body.String(), "@") < 1 {
			t.Errorf("login_hint %s: object %s", name, got)
		}
	}
	if w := b.get(authorizeURL(anyTenant, "login_hint", alice, "prompt", "select_account")); !strings.Contains(w.Body.String(), bob) {
		t.Errorf("select_account with a hint: %s", w.Body)
	}
	if w := b.get(authorizeURL(anyTenant, "login_hint", "x@"+domain)); !strings.Contains(w.Body.String(), `value="x@`+domain+`"`) {
		t.Errorf("the name of nobody who is signed in: %s", w.Body)
	}
	if w := b.submit(page, "action", "other"); !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") {
		t.Errorf("another account: %s", w.Body)
	}
	// Only Alice is of this tenant.
	if w := b.get(webURL()); !strings.Contains(w.Header().Get("Location"), "code=") {
		t.Errorf("an application of Alice's tenant: %s", w.Body)
	}
}

// TestSilentRequestsWithSeveralAccounts sends what MSAL.js sends in a frame.
func TestSilentRequestsWithSeveralAccounts(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.addUser(t, carol, carolID)
	b := f.signedInAs(t, alice, carol)
	for name, try := range map[string]struct {
		changes []string
		want    string
	}{
		"nobody is named": {nil, "AADSTS16000"},
		"by name":         {[]string{"login_hint", carol}, ""},
		"by object id":    {[]string{"login_hint", carolID}, ""},
		"by sid":          {[]string{"sid", f.sidOf(t, b, carol)}, ""},
		"another sid":     {[]string{"sid", other}, "AADSTS50058"},
		"another name":    {[]string{"login_hint", "x@" + domain}, "AADSTS50058"},
	} {
		_, values := reply(t, b.get(webURL(append([]string{"prompt", "none"}, try.changes...)...)))
		if try.want != "" {
			if !strings.HasPrefix(values.Get("error_description"), try.want) || values.Has("code") {
				t.Errorf("%s: %v", name, values)
			}
			continue
		}
		if _, claims := f.granted(t, f.post(tokenV2, webCodeForm(values.Get("code")))); claims.ObjectID != carolID {
			t.Errorf("%s: object %s", name, claims.ObjectID)
		}
	}
}

// sidOf returns the sid claim of a user's session.
func (f *fixture) sidOf(t testing.TB, b *browser, name string) string {
	t.Helper()
	_, values := reply(t, b.get(webURL("prompt", "none", "login_hint", name)))
	answer, _ := f.granted(t, f.post(tokenV2, webCodeForm(values.Get("code"))))
	sid, _ := payload(t, answer["id_token"])["sid"].(string)
	if sid == "" {
		t.Fatalf("no sid: %v", payload(t, answer["id_token"]))
	}
	return sid
}

func TestSignOutOfOneOrAllAccounts(t *testing.T) {
	f := newFixtureWithUsers(t)
	const logout = "/common/oauth2/v2.0/logout"
	signedIn := func(b *browser) (names []string) {
		w := b.get("/common/login")
		for _, name := range []string{alice, bob} {
			if strings.Contains(w.Body.String(), name) {
				names = append(names, name)
			}
		}
		return names
	}
	both := []string{alice, bob}
	for name, try := range map[string]struct {
		leave func(*browser)
		rest  []string
	}{
		"asked, one":        {func(b *browser) { b.choose(b.get(logout), bob, "one") }, []string{alice}},
		"asked, all":        {func(b *browser) { b.submit(b.get(logout), "action", "all") }, nil},
		"asked, no answer":  {func(b *browser) { b.get(logout) }, both},
		"named":             {func(b *browser) { b.get(logout + "?logout_hint=" + alice) }, []string{bob}},
		"named by id_token": {func(b *browser) { b.get(logout + "?id_token_hint=x." + encoded(`{"oid":"`+bobID+`"}`) + ".x") }, []string{alice}},
		"on the account page": {func(b *browser) {
			b.choose(b.get("/common/login"), alice, "signout")
		}, []string{bob}},
		"without scripts": {func(b *browser) {
			key := b.key
			b.key = ""
			b.submit(b.get(logout), "action", "resume")
			b.key = key
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := f.signedInAs(t, both...)
			if got := signedIn(b); !slices.Equal(got, both) {
				t.Fatalf("signed in: %v", got)
			}
			attacker := copied(b, b.key)
			try.leave(b)
			if got := signedIn(b); !slices.Equal(got, try.rest) {
				t.Errorf("signed in: %v, want %v", got, try.rest)
			}
			if got := signedIn(attacker); !slices.Equal(got, try.rest) {
				t.Errorf("in a copy: %v, want %v", got, try.rest)
			}
		})
	}
}

// TestAccountsOfABrowserAreFew has one browser sign in more users than it may have.
func TestAccountsOfABrowserAreFew(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	for i := range 10 {
		name := string(rune('a'+i)) + "-user@" + domain
		f.addUser(t, name, "11111111-0000-4000-8000-00000000010"+string(rune(48+i)))
		reply(t, b.signIn(b.get(authorizeURL(authorizeV2, "prompt", "login")), name))
	}
	w := b.get("/common/login")
	if n := strings.Count(w.Body.String(), `value="signout"`); n != 8 || strings.Contains(w.Body.String(), "a-user") || !strings.Contains(w.Body.String(), "j-user") {
		t.Errorf("%d accounts: %s", n, w.Body)
	}
	if n := f.count(t, "d//session/"); n != 8 {
		t.Errorf("%d sessions are in the store", n)
	}
}

// TestANewSignInKeepsTheSid checks that id_tokens of one browser have one sid.
func TestANewSignInKeepsTheSid(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInAs(t, alice)
	first := f.sidOf(t, b, alice)
	reply(t, b.signIn(b.get(webURL("prompt", "login")), alice))
	if second := f.sidOf(t, b, alice); second != first {
		t.Errorf("sid %s, then %s", first, second)
	}
	if elsewhere := f.sidOf(t, f.signedInAs(t, alice), alice); elsewhere == first {
		t.Error("two browsers have one sid")
	}
}

// TestMSALSignOutNeedsNoClient sends what logoutRedirect of MSAL.js sends: neither client_id nor id_token_hint.
func TestMSALSignOutNeedsNoClient(t *testing.T) {
	f := newFixtureWithUsers(t)
	out := func(to string) string {
		return "/" + tenant + "/oauth2/v2.0/logout?post_logout_redirect_uri=" + url.QueryEscape(to) + "&client-request-id=x&state=s"
	}
	signedInToPage := func() *browser {
		b := f.signedInAs(t, alice)
		reply(t, b.get(authorizeURL(authorizeV2, "client_id", pageApp, "redirect_uri", pageRedirect)))
		return b
	}
	for name, try := range map[string]struct{ to, want string }{
		"of the application":       {pageRedirect, pageRedirect + "?state=s"},
		"of another application":   {webRedirect, ""},
		"of nobody":                {"https://evil.test/", ""},
		"of the application, else": {pageRedirect + "x", ""},
	} {
		if got := signedInToPage().get(out(try.to)).Header().Get("Location"); got != try.want {
			t.Errorf("%s: sent to %q", name, got)
		}
	}
	b := signedInToPage()
	f.advance(3 * time.Hour) // the session has ended for want of use
	if got := b.get(out(pageRedirect)).Header().Get("Location"); got != pageRedirect+"?state=s" {
		t.Errorf("hours later: sent to %q", got)
	}
	if got := b.get(out(pageRedirect)).Header().Get("Location"); got != "" {
		t.Errorf("again: sent to %q", got)
	}
	both := f.signedInAs(t, alice, bob)
	reply(t, both.choose(both.get(authorizeURL(anyTenant, "client_id", pageApp, "redirect_uri", pageRedirect, "prompt", "select_account")), alice, "continue"))
	if got := both.submit(both.get(out(pageRedirect)), "action", "all").Header().Get("Location"); got != pageRedirect+"?state=s" {
		t.Errorf("two accounts: sent to %q", got)
	}
}

// TestFrontChannelSignOut has two applications with a logoutUrl, of which one got a code.
func TestFrontChannelSignOut(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.setLogoutURL(t, webApp, "https://app.test/out?a=b&c=d")
	f.setLogoutURL(t, pageApp, "https://page.test/out")
	b := f.signedInAs(t, alice)
	sid := f.sidOf(t, b, alice)
	frames := func(w *httptest.ResponseRecorder) (all []string) {
		for _, m := range regexp.MustCompile(`<iframe src="([^"]*)"`).FindAllStringSubmatch(w.Body.String(), -1) {
			all = append(all, html.UnescapeString(m[1]))
		}
		return all
	}
	want := []string{"https://app.test/out?a=b&c=d&" + url.Values{"iss": {origin + "/" + tenant + "/v2.0"}, "sid": {sid}}.Encode()}

	thief := copied(b, f.browse(t).key)
	thief.plain = true
	if w := thief.get(webURL()); strings.Contains(w.Body.String(), "app.test/out") {
		t.Errorf("another program sees %s", w.Body)
	}
	w := b.get("/common/oauth2/v2.0/logout?client_id=" + webApp + "&post_logout_redirect_uri=" + url.QueryEscape(webRedirect))
	safePage(t, w)
	if got := frames(w); !slices.Equal(got, want) || !strings.Contains(w.Body.String(), `id="next" href="`+webRedirect+`"`) {
		t.Errorf("frames %q, want %q: %s", got, want, w.Body)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "frame-src https: http:;") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("policy %q", csp)
	}
	if continues(b) {
		t.Error("the session continues")
	}
	for name, uri := range map[string]string{"a script": "javascript:alert(1)", "none": "", "a scheme": "myapp://x", "markup": `https://app.test/"><script>`, "with a user": "https://u@app.test/"} {
		f.setLogoutURL(t, webApp, uri)
		b := f.signedInAs(t, alice)
		f.sidOf(t, b, alice)
		if w := b.get("/common/oauth2/v2.0/logout"); len(frames(w)) > 0 || !strings.Contains(w.Body.String(), "You are signed out") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

// TestCopiedCookiesDoNotShowApplicationsAtSignOut has another program of the host sign the user out.
func TestCopiedCookiesDoNotShowApplicationsAtSignOut(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.setLogoutURL(t, webApp, "https://app.test/out")
	for name, users := range map[string][]string{"one account": {alice}, "two accounts": {alice, bob}} {
		for _, key := range []string{"", f.browse(t).key} {
			b := f.signedInAs(t, users...)
			f.sidOf(t, b, alice)
			thief := copied(b, key)
			w := thief.get("/common/oauth2/v2.0/logout")
			for _, action := range []string{"", "resume", "all", "one"} {
				if body := w.Body.String(); strings.Contains(body, "alice") || strings.Contains(body, "app.test") || strings.Contains(body, "sid=") {
					t.Errorf("%s: %s", name, body)
				}
				if action != "" && strings.Contains(w.Body.String(), `name="request"`) {
					w = thief.submit(w, "action", action, "key", key)
				}
			}
		}
	}
}

// TestAccountPageNeedsTheKey opens the account page with copied cookies.
func TestAccountPageNeedsTheKey(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInAs(t, alice)
	if w := b.get("/common/login"); !strings.Contains(w.Body.String(), "<h1>Your accounts</h1>") || !strings.Contains(w.Body.String(), alice) || !strings.Contains(w.Body.String(), `href="/common/oauth2/logout"`) {
		t.Fatalf("%s", w.Body)
	}
	for _, key := range []string{"", f.browse(t).key} {
		if w := copied(b, key).get("/common/login"); strings.Contains(w.Body.String(), "alice") {
			t.Errorf("%s", w.Body)
		}
	}
	w := f.browse(t).get("/" + tenant + "/login")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") || strings.Contains(w.Body.String(), `value="cancel"`) {
		t.Errorf("without a session: status %d: %s", w.Code, w.Body)
	}
	for _, scripts := range []bool{true, false} {
		b := f.browse(t)
		if !scripts {
			b.key = ""
		}
		if w := b.signIn(b.get("/"+tenant+"/login"), alice); !strings.Contains(w.Body.String(), "<h1>Your accounts</h1>") {
			t.Errorf("scripts %t: status %d: %s", scripts, w.Code, w.Body)
		}
	}
}

func (f *fixture) setLogoutURL(t testing.TB, app, uri string) {
	t.Helper()
	web, err := json.Marshal(map[string]string{"logoutUrl": uri})
	if err != nil {
		t.Fatal(err)
	}
	f.update(t, func(tx store.Tx) error {
		a, err := f.Directory.ApplicationByAppID(tx, tenant, app)
		if err != nil {
			return err
		}
		a.Extra = map[string]json.RawMessage{"web": web}
		return f.Directory.UpdateApplication(tx, a)
	})
}

// addUser adds a user of the tenant with the usual password.
func (f *fixture) addUser(t testing.TB, name, id string) {
	t.Helper()
	hash, err := f.Directory.HashPassword(t.Context(), password, throttle.Waiter{})
	if err != nil {
		t.Fatal(err)
	}
	f.update(t, func(tx store.Tx) error {
		return f.Directory.CreateUser(tx, directory.User{ID: id, TenantID: tenant, UserPrincipalName: name, DisplayName: name, Enabled: true}, hash)
	})
}

// count returns the number of records with a prefix.
func (f *fixture) count(t testing.TB, prefix string) (n int) {
	t.Helper()
	err := f.store.View(t.Context(), func(tx store.Tx) error {
		n = 0
		for _, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// TestDeviceIsConfirmedWithOneOfSeveralAccounts confirms with the account that is not the newest.
func TestDeviceIsConfirmedWithOneOfSeveralAccounts(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInAs(t, alice, bob)
	code, user := f.startDevice(t, "/common/oauth2/v2.0/devicecode")
	w := b.submit(b.get(devicePage), "code", user)
	safePage(t, w)
	if !strings.Contains(w.Body.String(), alice) || !strings.Contains(w.Body.String(), bob) {
		t.Fatalf("%s", w.Body)
	}
	if w := b.choose(w, alice, "continue"); !strings.Contains(w.Body.String(), "You are signed in to") {
		t.Fatalf("%s", w.Body)
	}
	if _, claims := f.granted(t, f.post("/common/oauth2/v2.0/token", devicePollForm(code))); claims.ObjectID != aliceID {
		t.Errorf("object %s", claims.ObjectID)
	}
}
