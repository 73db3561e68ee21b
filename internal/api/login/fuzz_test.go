package login_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"midas/internal/api/httpx"
	"midas/internal/api/login"
	"midas/internal/directory"
)

// FuzzForm compares the parser of token forms with net/url and checks its own rules.
func FuzzForm(f *testing.F) {
	names := [7]string{"grant_type", "client_id", "client_secret", "client_assertion_type", "client_assertion", "scope", "resource"}
	f.Add(clientCredentialsForm())
	f.Add(clientCredentialsForm() + "&scope=x")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := login.ParseForm(body)
		values, parseErr := url.ParseQuery(body)
		if err != nil {
			if got != [7]string{} {
				t.Fatalf("an error, and fields %q", got)
			}
			twice := false
			for _, name := range names {
				twice = twice || len(values[name]) > 1
			}
			if parseErr == nil && !twice {
				t.Fatalf("%q is refused: %v", body, err)
			}
			return
		}
		for i, name := range names {
			if len(values[name]) > 1 || values.Get(name) != got[i] {
				t.Fatalf("%s of %q is %q", name, body, got[i])
			}
		}
		audience, err := login.AudienceOf(got[5])
		if err == nil && !strings.Contains(" "+strings.Join(strings.Fields(got[5]), " ")+" ", " "+audience+"/.default ") {
			t.Fatalf("audience %q of scope %q", audience, got[5])
		}
		if login.Plausible(audience) && (len(audience) > 512 || strings.ContainsAny(audience, " \"\r\n\x00#<>\\")) {
			t.Fatalf("audience %q is accepted", audience)
		}
	})
}

// FuzzRedirect compares the matching of redirect URIs with a strict implementation, which allows the same
// text, or a loopback address that differs in nothing but its port.
func FuzzRedirect(f *testing.F) {
	registered := directory.Redirects{
		Web:    []string{"https://app.test/callback", "https://app.test/other?x=1"},
		Public: []string{"http://localhost", "http://127.0.0.1/back", "http://[::1]/back?a=b", "myapp://auth"},
	}
	for _, seed := range []string{
		"https://app.test/callback", "http://localhost:1", "http://localhost:1/", "http://127.0.0.1:8400/back", "http://[::1]:1/back?a=b",
		"myapp://auth", "http://localhost:1@evil.test", "http://localhost:1\\@evil.test", "//app.test/callback", "http://localhost:0x1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		if asked == "" || !login.FindRedirect(registered, asked) {
			return
		}
		for _, r := range append(registered.Web, registered.Public...) {
			if asked == r {
				return
			}
		}
		u, err := url.Parse(asked)
		if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" || strings.ContainsAny(asked, "#\\@ ") {
			t.Fatalf("%q is found", asked)
		}
		rest := u.EscapedPath() + "?" + u.RawQuery
		switch u.Hostname() + rest {
		case "localhost?", "localhost/?", "127.0.0.1/back?", "::1/back?a=b":
		default:
			t.Fatalf("%q is found", asked)
		}
	})
}

// FuzzAuthorize sends any query to the authorization endpoint and checks that the response is not a server error
// and redirects only to the client.
func FuzzAuthorize(f *testing.F) {
	fix := newFixture(f)
	f.Add(strings.SplitN(authorizeURL("x"), "?", 2)[1], false)
	f.Add("client_id="+cli+"&redirect_uri=http://localhost:1&response_type=code&response_mode=form_post&scope=x", true)
	f.Fuzz(func(t *testing.T, query string, v1 bool) {
		path := authorizeV2
		if v1 {
			path = "/common/oauth2/authorize"
		}
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		fix.Serve(w, r, &httpx.Event{RequestID: request})
		switch location := w.Header().Get("Location"); {
		case w.Code == http.StatusSeeOther && strings.HasPrefix(location, "http://localhost"), strings.HasPrefix(location, "http://127.0.0.1"), strings.HasPrefix(location, "http://[::1]"):
			if _, err := url.Parse(location); err != nil || strings.ContainsAny(location, " \r\n<>\"") {
				t.Fatalf("%q leads to %q", query, location)
			}
		case location != "" || w.Code != http.StatusOK && w.Code != http.StatusBadRequest:
			t.Fatalf("%q: status %d, Location %q", query, w.Code, location)
		case strings.Contains(w.Body.String(), "<script>"):
			t.Fatalf("%q: %s", query, w.Body)
		}
	})
}
