package login_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"midas/internal/api/login"
	"midas/internal/directory"
	"midas/internal/store"
)

// safePage holds a page to what all pages promise.
func safePage(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	h := w.Header()
	csp := h.Get("Content-Security-Policy")
	for _, must := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "style-src 'sha256-"} {
		if !strings.Contains(csp, must) {
			t.Errorf("the policy %q lacks %s", csp, must)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		"Cache-Control": "no-store, no-cache", "Content-Type": "text/html; charset=utf-8",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	accessible(t, w.Body.String())
}

// accessible checks what screen readers and keyboards need of a page.
func accessible(t testing.TB, body string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	ids, labels, found := map[string]bool{}, map[string]bool{}, map[string]int{}
	var inputs []map[string]string
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		found[n.Data]++
		attr := map[string]string{}
		for _, a := range n.Attr {
			attr[a.Key] = a.Val
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("<%s %s>", n.Data, a.Key)
			}
		}
		if _, focus := attr["autofocus"]; focus {
			found["autofocus"]++
		}
		if id := attr["id"]; id != "" {
			if ids[id] {
				t.Errorf("the id %s is there twice", id)
			}
			ids[id] = true
		}
		switch n.Data {
		case "html":
			if attr["lang"] != "en" {
				t.Error("the page has no language")
			}
		case "label":
			labels[attr["for"]] = true
		case "input":
			if attr["type"] != "hidden" {
				inputs = append(inputs, attr)
			}
		}
	}
	for _, attr := range inputs {
		if !labels[attr["id"]] {
			t.Errorf("the field %s has no label", attr["name"])
		}
		for ref := range strings.FieldsSeq(attr["aria-describedby"]) {
			if !ids[ref] {
				t.Errorf("the field %s is described by %s, which is not there", attr["name"], ref)
			}
		}
	}
	if found["title"] != 1 || found["h1"] != 1 || found["main"] != 1 || found["autofocus"] > 1 {
		t.Errorf("elements: %v", found)
	}
}

// TestOnlyRegisteredAddressesGetAnything has ways to lead a browser astray: nobody is sent anywhere.
func TestOnlyRegisteredAddressesGetAnything(t *testing.T) {
	f := newPeople(t)
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
		{"a slash more", webApp, webBack + "/"},
		{"a query more", webApp, webBack + "?x=1"},
		{"an empty query", webApp, webBack + "?"},
		{"a query less", webApp, "https://app.test/other"},
		{"a fragment", webApp, webBack + "#x"},
		{"an empty fragment", webApp, webBack + "#"},
		{"a path that climbs", webApp, "https://app.test/callback/../other"},
		{"an escaped path that climbs", webApp, "https://app.test/callback/%2e%2e/other"},
		{"a path below", webApp, webBack + "/x"},
		{"a longer path", webApp, webBack + "x"},
		{"a user", webApp, "https://app.test@evil.test/callback"},
		{"a user at the right host", webApp, "https://x@app.test/callback"},
		{"a user and a backslash", webApp, `https://evil.test\@app.test/callback`},
		{"backslashes", webApp, `https:\\app.test\callback`},
		{"a host below", webApp, "https://app.test.evil.test/callback"},
		{"a host above", webApp, "https://evilapp.test/callback"},
		{"a space before", webApp, " " + webBack},
		{"a line break", webApp, webBack + "\r\nX: y"},
		{"a null byte", webApp, webBack + "\x00"},
		{"a tab", webApp, "https://app.test/call\tback"},
		{"another alphabet", webApp, "https://аpp.test/callback"},
		{"a percent too many", webApp, "https://app.test/%63allback"},
		{"a script", webApp, "javascript:alert(1)//https://app.test/callback"},
		{"data", webApp, "data:text/html,x"},
		{"two at once", webApp, webBack + " https://evil.test"},
		{"one of several, but which", webApp, ""},
		{"a loopback port for a server", webApp, "https://app.test:8080/callback"},
		{"a loopback port with another query", webApp, "http://localhost:1/back?a=c"},
		{"a loopback port without the query", webApp, "http://localhost:1/back"},
		{"https on the loopback", cli, "https://localhost:1"},
		{"a path on the loopback", cli, "http://localhost:1/x"},
		{"a query on the loopback", cli, "http://localhost:1/?x=y"},
		{"a host that begins as the loopback", cli, "http://localhost.evil.test:1"},
		{"a host that ends as the loopback", cli, "http://evil-localhost:1"},
		{"a host behind the port", cli, "http://localhost:1@evil.test"},
		{"a host behind a password", cli, "http://localhost:80:x@evil.test"},
		{"a port that is none", cli, "http://localhost:x"},
		{"a port that is too high", cli, "http://localhost:65536"},
		{"port zero", cli, "http://localhost:0"},
		{"the loopback by another address", cli, "http://127.0.0.2:1"},
		{"the loopback by a number", cli, "http://2130706433:1"},
		{"the loopback in IPv6's clothes", cli, "http://[::ffff:127.0.0.1]:1"},
		{"a zone", cli, "http://[::1%25eth0]:1"},
		{"all addresses", cli, "http://0.0.0.0:1"},
		{"none for many", cli, ""},
		{"another tool's scheme", localApp, "myapp2://auth"},
		{"a scheme with more", localApp, "myapp://auth/x"},
		{"a registered path on another loopback", localApp, "http://localhost:1/back"},
		{"a registered path in another case", localApp, "http://127.0.0.1:1/Back"},
		{"a registered path and a slash", localApp, "http://127.0.0.1:1/back/"},
		{"a registered path that climbs", localApp, "http://127.0.0.1:1/x/../back"},
		{"a long one", webApp, "https://app.test/" + strings.Repeat("x", 4000)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := f.browse(t)
			for _, more := range [][]string{nil, {"response_type", "token"}, {"prompt", "none"}, {"scope", ""}} {
				w := b.get(asked(authorizeV2, append([]string{"client_id", test.client, "redirect_uri", test.redirect}, more...)...))
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

func TestLoopbackAddressesMayHaveAnyPort(t *testing.T) {
	f := newPeople(t)
	b := f.browse(t)
	for redirect, client := range map[string]string{
		"http://localhost": cli, "http://localhost/": cli, "http://localhost:1": cli, "http://localhost:65535/": cli,
		"http://127.0.0.1:8400": cli, "http://[::1]:8400": cli, "http://127.0.0.1:1/back": localApp, "http://127.0.0.1/back": localApp,
	} {
		to, _ := reply(t, b.get(asked(authorizeV2, "client_id", client, "redirect_uri", redirect, "prompt", "none")))
		if to != redirect {
			t.Errorf("%s: sent to %s", redirect, to)
		}
	}
}

// TestWhatIsWrongIsToldToTheClient has requests whose address is right.
func TestWhatIsWrongIsToldToTheClient(t *testing.T) {
	f := newPeople(t)
	tests := []struct {
		name    string
		changes []string
		code    string
		number  int
	}{
		{"no response_type", []string{"response_type", ""}, "invalid_request", 900144},
		{"an implicit token", []string{"response_type", "token"}, "unsupported_response_type", 700054},
		{"a hybrid", []string{"response_type", "code id_token"}, "unsupported_response_type", 700054},
		{"a response_mode that is none", []string{"response_mode", "web_message"}, "invalid_request", 70007},
		{"no scope", []string{"scope", ""}, "invalid_request", 900144},
		{"a blank scope", []string{"scope", " "}, "invalid_scope", 70011},
		{"two resources", []string{"scope", "https://a.test/x https://b.test/y"}, "invalid_scope", 28000},
		{"a scope that is none", []string{"scope", `https://a.test/"x"`}, "invalid_scope", 70011},
		{"a resource that is none", []string{"scope", "arm/.default"}, "invalid_scope", 70011},
		{"a short challenge", []string{"code_challenge", "x"}, "invalid_request", 501491},
		{"a challenge with other letters", []string{"code_challenge", strings.Repeat("+", 43)}, "invalid_request", 501491},
		{"a method that is none", []string{"code_challenge_method", "S512"}, "invalid_request", 90023},
		{"a method without challenge", []string{"code_challenge", ""}, "invalid_request", 501491},
		{"a page without challenge", []string{"client_id", pageApp, "redirect_uri", pageBack, "code_challenge", "", "code_challenge_method", ""}, "invalid_request", 9002325},
		{"a prompt that is none", []string{"prompt", "create"}, "invalid_request", 90023},
		{"a prompt that contradicts itself", []string{"prompt", "none login"}, "invalid_request", 90023},
		{"an age that is none", []string{"max_age", "-1"}, "invalid_request", 90023},
		{"a request object", []string{"request", "e30.e30."}, "request_not_supported", 90023},
		{"a request object elsewhere", []string{"request_uri", "https://x.test"}, "request_uri_not_supported", 90023},
		{"nobody is signed in", []string{"prompt", "none"}, "login_required", 50058},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := f.browse(t)
			to, values := reply(t, b.get(asked(authorizeV2, test.changes...)))
			if want := map[bool]string{true: pageBack, false: localBack}[strings.HasPrefix(test.name, "a page")]; to != want {
				t.Errorf("sent to %s", to)
			}
			if values.Get("error") != test.code || !strings.HasPrefix(values.Get("error_description"), fmt.Sprintf("AADSTS%d: ", test.number)) || values.Get("state") != "st&<ate" || values.Get("code") != "" {
				t.Errorf("%v", values)
			}
			if f.event.ErrorCode != fmt.Sprint("AADSTS", test.number) {
				t.Errorf("the event has %q", f.event.ErrorCode)
			}
		})
	}
}

func TestWaysToReply(t *testing.T) {
	f := newPeople(t)
	b := f.browse(t)
	reply(t, b.signIn(b.get(asked(authorizeV2)), alice))

	w := b.get(asked(authorizeV2, "response_mode", "fragment"))
	if location := w.Header().Get("Location"); !strings.HasPrefix(location, localBack+"#code=") {
		t.Errorf("fragment: %s", location)
	}
	w = b.get(asked(authorizeV2, "client_id", webApp, "redirect_uri", "https://app.test/other?x=1"))
	if location := w.Header().Get("Location"); !strings.HasPrefix(location, "https://app.test/other?x=1&code=") {
		t.Errorf("an address with a query: %s", location)
	}
	w = b.get(asked(authorizeV2, "client_id", webApp, "redirect_uri", webBack, "response_mode", "form_post"))
	action, values := formOf(t, w)
	if w.Code != http.StatusOK || action != webBack || values.Get("code") == "" || values.Get("state") != "st&<ate" {
		t.Errorf("form_post: status %d, to %s: %v", w.Code, action, values)
	}
	csp := w.Header().Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`script-src 'nonce-([A-Z0-9]+)'`).FindStringSubmatch(csp)
	if nonce == nil || !strings.Contains(w.Body.String(), `<script nonce="`+nonce[1]+`">`) || !strings.Contains(csp, "form-action 'self' https://app.test;") {
		t.Errorf("policy %q", csp)
	}
	if !strings.Contains(w.Body.String(), `<button type="submit"`) {
		t.Error("there is nothing to press without a script")
	}
	safePage(t, w)
	if to, values := reply(t, b.get(asked(authorizeV2, "client_id", localApp, "redirect_uri", "myapp://auth", "response_mode", "form_post"))); to != "myapp://auth" || values.Get("error") != "invalid_request" {
		t.Errorf("form_post to a program: %s, %v", to, values)
	}
}

func TestSessions(t *testing.T) {
	f := newPeople(t)
	b := f.browse(t)
	reply(t, b.signIn(b.get(asked(authorizeV2)), alice))
	shows := func(changes ...string) string {
		t.Helper()
		w := b.get(asked(authorizeV2, changes...))
		if w.Code == http.StatusOK {
			safePage(t, w)
			return regexp.MustCompile(`<h1>(.*)</h1>`).FindStringSubmatch(w.Body.String())[1]
		}
		_, values := reply(t, w)
		if values.Get("code") != "" {
			return "code"
		}
		return values.Get("error")
	}
	tests := []struct {
		name    string
		changes []string
		want    string
	}{
		{"again", nil, "code"},
		{"another client", []string{"client_id", webApp, "redirect_uri", webBack}, "code"},
		{"without asking", []string{"prompt", "none"}, "code"},
		{"with her name", []string{"login_hint", strings.ToUpper(alice)}, "code"},
		{"with another name", []string{"login_hint", "x@" + domain}, "Sign in"},
		{"with another name, without asking", []string{"login_hint", "x@" + domain, "prompt", "none"}, "login_required"},
		{"the password again", []string{"prompt", "login"}, "Sign in"},
		{"recently", []string{"max_age", "60"}, "code"},
		{"just now", []string{"max_age", "0"}, "Sign in"},
		{"which account", []string{"prompt", "select_account"}, "Choose an account"},
	}
	for _, test := range tests {
		if got := shows(test.changes...); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	w := b.get(asked(authorizeV2, "prompt", "select_account"))
	if _, values := reply(t, b.submit(w, "action", "continue")); values.Get("code") == "" {
		t.Errorf("continue: %v", values)
	}
	if w := b.submit(w, "action", "other"); !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") {
		t.Errorf("another account: %s", w.Body)
	}
	if _, values := reply(t, b.submit(w, "action", "cancel")); values.Get("error") != "access_denied" || values.Get("state") != "st&<ate" {
		t.Errorf("cancel: %v", values)
	}
	// Another tenant's page does not know her.
	if w := b.get(asked("/"+theirTen+"/oauth2/v2.0/authorize", "prompt", "none")); !strings.Contains(w.Header().Get("Location"), "login_required") {
		t.Errorf("another tenant: %s", w.Header().Get("Location"))
	}
	f.advance(time.Hour)
	if got := shows("max_age", "60"); got != "Sign in" {
		t.Errorf("an hour later, too long ago for the client: %s", got)
	}
	f.advance(login.DefaultSessionLife - time.Hour)
	if got := shows(); got != "Sign in" {
		t.Errorf("at the end of the session: %s", got)
	}
	b.cookies["__Host-midas-session"] = "x"
	if got := shows(); got != "Sign in" {
		t.Errorf("a damaged cookie: %s", got)
	}
}

func TestSigningOut(t *testing.T) {
	f := newPeople(t)
	b := f.browse(t)
	reply(t, b.signIn(b.get(asked(authorizeV2)), alice))
	w := b.get("/common/oauth2/v2.0/logout?state=a%26b&client_id=" + webApp + "&post_logout_redirect_uri=" + url.QueryEscape(webBack))
	if location := w.Header().Get("Location"); location != webBack+"?state=a%26b" {
		t.Errorf("sent to %q", location)
	}
	if w := b.get(asked(authorizeV2)); w.Code != http.StatusOK {
		t.Errorf("still signed in: status %d", w.Code)
	}
	answer := f.signedIn(t)
	w = b.get("/" + tenant + "/oauth2/logout?id_token_hint=" + answer["id_token"].(string) + "&post_logout_redirect_uri=" + url.QueryEscape("http://localhost:99"))
	if location := w.Header().Get("Location"); location != "http://localhost:99" {
		t.Errorf("by the id_token: sent to %q", location)
	}
	for _, query := range []string{"", "?post_logout_redirect_uri=" + url.QueryEscape(webBack), "?id_token_hint=x.y&post_logout_redirect_uri=" + url.QueryEscape(webBack), "?client_id=" + other + "&post_logout_redirect_uri=" + url.QueryEscape(webBack)} {
		w := b.get("/" + tenant + "/oauth2/v2.0/logout" + query)
		if w.Code != http.StatusOK || w.Header().Get("Location") != "" {
			t.Errorf("%q: status %d, Location %q", query, w.Code, w.Header().Get("Location"))
		}
		safePage(t, w)
	}
}

func TestWrongPasswordsAtThePage(t *testing.T) {
	f := newPeople(t)
	b := f.browse(t)
	page := b.get(asked(authorizeV2, "login_hint", `"><script>alert(1)</script>`))
	safePage(t, page)
	for _, name := range []string{alice, "nobody@" + domain, "", `"><script>alert(1)</script>`} {
		w := b.submit(page, "action", "signin", "username", name, "password", "wrong")
		body := w.Body.String()
		if w.Code != http.StatusBadRequest || !strings.Contains(body, `role="alert"><strong>The user name or the password is wrong.`) || strings.Contains(body, "<script>") || strings.Contains(body, "50034") {
			t.Errorf("%q: status %d: %s", name, w.Code, body)
		}
		safePage(t, w)
		if w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%q: a cookie is set", name)
		}
		page = w
	}
	if w := b.signIn(page, gone); !strings.Contains(w.Body.String(), "This account is switched off.") {
		t.Errorf("%s", w.Body)
	}
	if _, values := reply(t, b.signIn(page, alice)); values.Get("code") == "" {
		t.Errorf("the right password after wrong ones: %v", values)
	}
}

// TestFormsComeFromOurPagesOnly sends what other sites could make a browser send.
func TestFormsComeFromOurPagesOnly(t *testing.T) {
	f := newPeople(t)
	b := f.browse(t)
	action, values := formOf(t, b.get(asked(authorizeV2)))
	values.Set("username", alice)
	values.Set("password", password)
	stranger := f.browse(t)
	stranger.get(asked(authorizeV2))
	_, theirs := formOf(t, stranger.get(asked(authorizeV2)))
	theirs.Set("username", alice)
	theirs.Set("password", password)
	send := func(values url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, action, strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		change(r)
		return b.send(r)
	}
	none := func(*http.Request) {}
	damaged := url.Values{}
	for name, v := range values {
		damaged[name] = v
	}
	damaged.Set("request", values.Get("request")+"A")
	tests := []struct {
		name   string
		w      func() *httptest.ResponseRecorder
		status int
	}{
		{"from another site", func() *httptest.ResponseRecorder {
			return send(values, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") })
		}, 403},
		{"from a site nearby", func() *httptest.ResponseRecorder {
			return send(values, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") })
		}, 403},
		{"from another origin", func() *httptest.ResponseRecorder {
			return send(values, func(r *http.Request) { r.Header.Set("Origin", "https://evil.test") })
		}, 403},
		{"without the cookies", func() *httptest.ResponseRecorder {
			kept := b.cookies
			b.cookies = map[string]string{}
			defer func() { b.cookies = kept }()
			return send(values, none)
		}, 403},
		{"with a form of another browser", func() *httptest.ResponseRecorder { return send(theirs, none) }, 403},
		{"with a damaged form", func() *httptest.ResponseRecorder { return send(damaged, none) }, 400},
		{"without a form", func() *httptest.ResponseRecorder {
			return send(url.Values{"username": {alice}, "password": {password}}, none)
		}, 400},
		{"for another tenant", func() *httptest.ResponseRecorder { return b.post("/"+theirTen+"/login", values) }, 400},
		{"by a link", func() *httptest.ResponseRecorder { return b.get(action + "?" + values.Encode()) }, 400},
	}
	for _, test := range tests {
		w := test.w()
		if w.Code != test.status || b.cookies["__Host-midas-session"] != "" || w.Header().Get("Location") != "" {
			t.Errorf("%s: status %d, want %d: %s", test.name, w.Code, test.status, w.Header().Get("Location"))
		}
		safePage(t, w)
	}
	f.advance(61 * time.Minute)
	if w := send(values, none); w.Code != 400 {
		t.Errorf("an hour later: status %d", w.Code)
	}
	f.advance(-61 * time.Minute)
	if w := send(values, none); w.Code != http.StatusSeeOther {
		t.Errorf("as it was meant: status %d: %s", w.Code, w.Body)
	}
}

// TestNothingThatIsReflectedIsCode puts code into every parameter, and looks for it in every page.
func TestNothingThatIsReflectedIsCode(t *testing.T) {
	f := newPeople(t)
	const evil = `'"><svg/onload=alert(1)></title></style></script><script>alert(1)</script>{{.}}`
	names := []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "login_hint",
		"code_challenge", "code_challenge_method", "resource", "max_age", "request", "domain_hint", "user_code", "post_logout_redirect_uri", "id_token_hint", "client-request-id"}
	b := f.browse(t)
	look := func(w *httptest.ResponseRecorder, what string) {
		t.Helper()
		if w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			if location := w.Header().Get("Location"); strings.ContainsAny(location, "<>\" ") {
				t.Errorf("%s: Location %q", what, location)
			}
			return
		}
		safePage(t, w)
		body := w.Body.String()
		if strings.Contains(body, "<svg") || strings.Contains(body, "<script>alert") || strings.Contains(body, "<i>app") || strings.Contains(body, "<b>") {
			t.Errorf("%s: %s", what, body)
		}
	}
	for _, path := range []string{authorizeV2, "/" + tenant + "/oauth2/authorize", "/common/oauth2/deviceauth", "/" + tenant + "/oauth2/v2.0/logout", "/adfs/oauth2/authorize"} {
		for _, name := range names {
			look(b.get(asked(path, "client_id", webApp, "redirect_uri", webBack, name, evil)), path+" "+name)
			look(b.get(asked(path, "client_id", webApp, "redirect_uri", webBack, "response_mode", "form_post", name, evil)), path+" posting "+name)
		}
	}
	look(b.get("/"+url.PathEscape(evil)+"/oauth2/v2.0/authorize?client_id=x"), "tenant")
	reply(t, b.signIn(b.get(asked(authorizeV2)), alice))
	look(b.get(asked(authorizeV2, "prompt", "select_account", "client_id", webApp, "redirect_uri", webBack)), "pick")
	look(b.get(asked(authorizeV2, "response_mode", "form_post", "state", evil, "client_id", webApp, "redirect_uri", webBack)), "form_post")
	w := b.get("/common/oauth2/deviceauth")
	look(b.submit(w, "code", evil), "device")
	if !strings.Contains(b.get(asked(authorizeV2, "client_id", webApp, "redirect_uri", webBack, "prompt", "login")).Body.String(), "Web &lt;i&gt;app") {
		t.Error("the application's name is not shown")
	}
}

func TestWhoIsUnknownSeesAPage(t *testing.T) {
	f := newPeople(t)
	tests := []struct {
		name, path string
		number     int
	}{
		{"no client", asked(authorizeV2, "client_id", ""), 900144},
		{"an unknown client", asked(authorizeV2, "client_id", other), 700016},
		{"an unknown client by common", asked("/common/oauth2/v2.0/authorize", "client_id", other), 700016},
		{"a client of another tenant", asked(authorizeV2, "client_id", theirApp), 700016},
		{"an unknown tenant", asked("/" + client + "/oauth2/v2.0/authorize"), 90002},
		{"a parameter twice", asked(authorizeV2) + "&state=x", 9002313},
		{"parameters that are none", authorizeV2 + "?a=%zz", 9002313},
	}
	for _, test := range tests {
		w := f.get(test.path)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), fmt.Sprintf("AADSTS%d)", test.number)) || !strings.Contains(w.Body.String(), request) {
			t.Errorf("%s: status %d: %s", test.name, w.Code, w.Body)
		}
		safePage(t, w)
	}
}

func TestTenantsArePeoplesOwn(t *testing.T) {
	f := newPeople(t)
	b := f.browse(t)
	w := b.signIn(b.get(asked(authorizeV2)), bob)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "AADSTS50126") {
		t.Errorf("Bob at Alice's tenant: status %d: %s", w.Code, w.Body)
	}
	w = b.signIn(b.get(asked("/common/oauth2/v2.0/authorize", "client_id", webApp, "redirect_uri", webBack)), bob)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "AADSTS700016") {
		t.Errorf("Bob at Alice's application: status %d: %s", w.Code, w.Body)
	}
	if w = b.signIn(b.get(asked("/consumers/oauth2/v2.0/authorize", "prompt", "login")), bob); w.Code != http.StatusBadRequest {
		t.Errorf("Bob as a consumer: status %d: %s", w.Code, w.Body)
	}
	_, values := reply(t, b.signIn(b.get(asked("/common/oauth2/v2.0/authorize", "prompt", "login")), bob))
	answer, claims := f.granted(t, f.post("/common/oauth2/v2.0/token", redeem(values.Get("code"))))
	if claims.TenantID != theirTen || claims.ObjectID != bobID || payload(t, answer["id_token"])["iss"] != origin+"/"+theirTen+"/v2.0" {
		t.Errorf("tenant %s, object %s", claims.TenantID, claims.ObjectID)
	}
	f.refused(t, f.post(tokenV2, refreshing(answer["refresh_token"].(string))), 400, 50020)
}

func TestRedirectsOfDangerousSchemesAreRefusedThoughRegistered(t *testing.T) {
	for _, uri := range []string{"javascript:alert(1)", "JavaScript://app.test/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", "blob:https://app.test/x"} {
		if login.FindRedirect(directory.Redirects{Web: []string{uri}, SPA: []string{uri}, Public: []string{uri}}, uri) {
			t.Errorf("%s is followed", uri)
		}
	}
}
