package login_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// safePage checks the headers and the markup that all pages must have.
func safePage(t testing.TB, w *httptest.ResponseRecorder) {
	t.Helper()
	h := w.Header()
	csp := h.Get("Content-Security-Policy")
	frame, deny := "frame-ancestors 'none'", "DENY"
	leads := strings.Contains(w.Body.String(), `name="action" value="resume"`) || h.Get("Refresh") != ""
	if leads && !strings.Contains(w.Body.String(), "<button") && !strings.Contains(w.Body.String(), "<a ") {
		frame, deny = "frame-ancestors http", "" // the client may frame it, because it has nothing to click on
	}
	action := "form-action 'self';" // and nowhere else
	if strings.Contains(w.Body.String(), `id="reply"`) {
		action = "" // the client may redirect the reply to any site, so nothing can be typed on this page
		if strings.Contains(csp, "form-action") || strings.Count(w.Body.String(), "<input") != strings.Count(w.Body.String(), `<input type="hidden"`) {
			t.Errorf("policy %q: %s", csp, w.Body)
		}
	}
	for _, must := range []string{"default-src 'none'", frame, "base-uri 'none'", action, "style-src 'sha256-"} {
		if !strings.Contains(csp, must) {
			t.Errorf("the policy %q lacks %s", csp, must)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	for name, want := range map[string]string{
		"X-Frame-Options": deny, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		"Cache-Control": "no-store, no-cache", "Content-Type": "text/html; charset=utf-8",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	accessible(t, w.Body.String())
}

// accessible checks what screen readers and keyboard users need.
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

// TestFormsFromOtherSitesAreRefused sends requests that other sites could cause a browser to send.
func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	action, values := formOf(t, b.get(authorizeURL(authorizeV2)))
	values.Set("username", alice)
	values.Set("password", password)
	values.Set("key", b.key)
	stranger := f.browse(t)
	stranger.get(authorizeURL(authorizeV2))
	_, theirs := formOf(t, stranger.get(authorizeURL(authorizeV2)))
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
		{"from the same site, another origin", func() *httptest.ResponseRecorder {
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
		}, 400},
		{"with a form of another browser", func() *httptest.ResponseRecorder { return send(theirs, none) }, 200},
		{"with a damaged form", func() *httptest.ResponseRecorder { return send(damaged, none) }, 400},
		{"without a form", func() *httptest.ResponseRecorder {
			return send(url.Values{"username": {alice}, "password": {password}}, none)
		}, 400},
		{"for another tenant", func() *httptest.ResponseRecorder { return b.post("/"+theirTenant+"/login", values) }, 400},
		{"by a link", func() *httptest.ResponseRecorder { return b.get(action + "?" + values.Encode()) }, 400},
	}
	for _, test := range tests {
		w := test.w()
		if w.Code != test.status || b.cookie("session") != "" || w.Header().Get("Location") != "" {
			t.Errorf("%s: status %d, want %d: %s", test.name, w.Code, test.status, w.Header().Get("Location"))
		}
		safePage(t, w)
		if (w.Code == http.StatusOK || test.name == "without the cookies") && !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") {
			t.Errorf("%s: %s", test.name, w.Body)
		}
	}
	if w := b.post("/common/login", values); !strings.Contains(w.Body.String(), "AADSTS50089") {
		t.Errorf("at another path: %s", w.Body)
	}
	f.advance(61 * time.Minute)
	if w := send(values, none); w.Code != 200 || b.cookie("session") != "" || !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") {
		t.Errorf("an hour later: status %d: %s", w.Code, w.Body)
	}
	f.advance(-61 * time.Minute)
	if w := send(values, none); w.Code != http.StatusSeeOther {
		t.Errorf("the unchanged form: status %d: %s", w.Code, w.Body)
	}
}

// TestReflectedParametersAreEscaped puts markup and scripts into every parameter, and searches every page for them.
func TestReflectedParametersAreEscaped(t *testing.T) {
	f := newFixtureWithUsers(t)
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
			look(b.get(authorizeURL(path, "client_id", webApp, "redirect_uri", webRedirect, name, evil)), path+" "+name)
			look(b.get(authorizeURL(path, "client_id", webApp, "redirect_uri", webRedirect, "response_mode", "form_post", name, evil)), path+" posting "+name)
		}
	}
	look(b.get("/"+url.PathEscape(evil)+"/oauth2/v2.0/authorize?client_id=x"), "tenant")
	reply(t, b.signIn(b.get(authorizeURL(authorizeV2)), alice))
	look(b.get(authorizeURL(authorizeV2, "prompt", "select_account", "client_id", webApp, "redirect_uri", webRedirect)), "pick")
	look(b.get(authorizeURL(authorizeV2, "response_mode", "form_post", "state", evil, "client_id", webApp, "redirect_uri", webRedirect)), "form_post")
	w := b.get("/common/oauth2/deviceauth")
	look(b.submit(w, "code", evil), "device")
	if !strings.Contains(b.get(authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect, "prompt", "login")).Body.String(), "Web &lt;i&gt;app") {
		t.Error("the application's name is not shown")
	}
}
