package login_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"midas/internal/api/login"
)

// TestAuthorizeErrorsAreSentToTheRedirectURI has requests with a valid redirect URI and another error.
func TestAuthorizeErrorsAreSentToTheRedirectURI(t *testing.T) {
	f := newFixtureWithUsers(t)
	tests := []struct {
		name    string
		changes []string
		code    string
		number  int
	}{
		{"no response_type", []string{"response_type", ""}, "invalid_request", 900144},
		{"an implicit token", []string{"response_type", "token"}, "unsupported_response_type", 700054},
		{"a hybrid", []string{"response_type", "code id_token"}, "unsupported_response_type", 700054},
		{"an unknown response_mode", []string{"response_mode", "web_message"}, "invalid_request", 70007},
		{"no scope", []string{"scope", ""}, "invalid_request", 900144},
		{"a blank scope", []string{"scope", " "}, "invalid_scope", 70011},
		{"two resources", []string{"scope", "https://a.test/x https://b.test/y"}, "invalid_scope", 28000},
		{"an invalid scope", []string{"scope", `https://a.test/"x"`}, "invalid_scope", 70011},
		{"an invalid resource", []string{"scope", "arm/.default"}, "invalid_scope", 70011},
		{"a short challenge", []string{"code_challenge", "x"}, "invalid_request", 501491},
		{"a challenge with other letters", []string{"code_challenge", strings.Repeat("+", 43)}, "invalid_request", 501491},
		{"an unknown challenge method", []string{"code_challenge_method", "S512"}, "invalid_request", 90023},
		{"a method without challenge", []string{"code_challenge", ""}, "invalid_request", 501491},
		{"a page without challenge", []string{"client_id", pageApp, "redirect_uri", pageRedirect, "code_challenge", "", "code_challenge_method", ""}, "invalid_request", 9002325},
		{"an unknown prompt", []string{"prompt", "create"}, "invalid_request", 90023},
		{"a contradictory prompt", []string{"prompt", "none login"}, "invalid_request", 90023},
		{"a negative max_age", []string{"max_age", "-1"}, "invalid_request", 90023},
		{"a request object", []string{"request", "e30.e30."}, "request_not_supported", 90023},
		{"a request object by URI", []string{"request_uri", "https://x.test"}, "request_uri_not_supported", 90023},
		{"nobody is signed in", []string{"prompt", "none"}, "login_required", 50058},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := f.browse(t)
			to, values := reply(t, b.get(authorizeURL(authorizeV2, test.changes...)))
			if want := map[bool]string{true: pageRedirect, false: localRedirect}[strings.HasPrefix(test.name, "a page")]; to != want {
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

func TestAuthorizeWithSession(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	reply(t, b.signIn(b.get(authorizeURL(authorizeV2)), alice))
	shows := func(changes ...string) string {
		t.Helper()
		w := b.get(authorizeURL(authorizeV2, append([]string{"client_id", webApp, "redirect_uri", webRedirect}, changes...)...))
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
		{"another client", []string{"client_id", pageApp, "redirect_uri", pageRedirect}, "code"},
		{"a loopback client", []string{"client_id", cli, "redirect_uri", localRedirect}, "Choose an account"},
		{"a loopback client, prompt none", []string{"client_id", cli, "redirect_uri", localRedirect, "prompt", "none"}, "interaction_required"},
		{"a client with its own scheme, prompt none", []string{"client_id", localApp, "redirect_uri", "myapp://auth", "prompt", "none"}, "interaction_required"},
		{"prompt none", []string{"prompt", "none"}, "code"},
		{"with her name", []string{"login_hint", strings.ToUpper(alice)}, "code"},
		{"with another name", []string{"login_hint", "x@" + domain}, "Sign in"},
		{"with another name, prompt none", []string{"login_hint", "x@" + domain, "prompt", "none"}, "login_required"},
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
	w := b.get(authorizeURL(authorizeV2, "prompt", "select_account"))
	if _, values := reply(t, b.submit(w, "action", "continue")); values.Get("code") == "" {
		t.Errorf("continue: %v", values)
	}
	if w := b.submit(w, "action", "other"); !strings.Contains(w.Body.String(), "<h1>Sign in</h1>") {
		t.Errorf("another account: %s", w.Body)
	}
	if _, values := reply(t, b.submit(w, "action", "cancel")); values.Get("error") != "access_denied" || values.Get("state") != "st&<ate" {
		t.Errorf("cancel: %v", values)
	}
	// The session is not valid at another tenant.
	if w := b.get(authorizeURL("/"+theirTenant+"/oauth2/v2.0/authorize", "prompt", "none")); !strings.Contains(w.Header().Get("Location"), "login_required") {
		t.Errorf("another tenant: %s", w.Header().Get("Location"))
	}
	f.advance(time.Hour)
	if got := shows("max_age", "60"); got != "Sign in" {
		t.Errorf("an hour later, too long ago for the client: %s", got)
	}
	if got := shows(); got != "code" {
		t.Errorf("an hour later: %s", got)
	}
	for range 4 {
		f.advance(login.DefaultSessionIdle - 20*time.Minute)
		if got := shows(); got != "code" {
			t.Errorf("used again before it ends: %s", got)
		}
	}
	f.advance(login.DefaultSessionLifetime - time.Hour - 4*(login.DefaultSessionIdle-20*time.Minute))
	if got := shows(); got != "Sign in" {
		t.Errorf("at the end of the session: %s", got)
	}
	reply(t, b.signIn(b.get(authorizeURL(authorizeV2)), alice))
	f.advance(login.DefaultSessionIdle)
	if got := shows(); got != "Sign in" {
		t.Errorf("after a long time without use: %s", got)
	}
	for name := range b.cookies {
		b.cookies[name] = "x"
	}
	if got := shows(); got != "Sign in" {
		t.Errorf("damaged cookies: %s", got)
	}
}

func TestWrongPasswordsOnTheSignInPage(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	page := b.get(authorizeURL(authorizeV2, "login_hint", `"><script>alert(1)</script>`))
	safePage(t, page)
	for _, name := range []string{alice, "nobody@" + domain, `"><script>alert(1)</script>@` + domain} {
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
	if w := b.signIn(page, disabledUser); !strings.Contains(w.Body.String(), "This account is switched off.") {
		t.Errorf("%s", w.Body)
	}
	if _, values := reply(t, b.signIn(page, alice)); values.Get("code") == "" {
		t.Errorf("the right password after wrong ones: %v", values)
	}
}

func TestErrorsWithoutAValidClientAreShownOnAPage(t *testing.T) {
	f := newFixtureWithUsers(t)
	tests := []struct {
		name, path string
		number     int
	}{
		{"no client", authorizeURL(authorizeV2, "client_id", ""), 900144},
		{"an unknown client", authorizeURL(authorizeV2, "client_id", other), 700016},
		{"an unknown client by common", authorizeURL("/common/oauth2/v2.0/authorize", "client_id", other), 700016},
		{"a client of another tenant", authorizeURL(authorizeV2, "client_id", theirApp), 700016},
		{"an unknown tenant", authorizeURL("/" + client + "/oauth2/v2.0/authorize"), 90002},
		{"a parameter twice", authorizeURL(authorizeV2) + "&state=x", 9002313},
		{"an invalid escape in the query", authorizeV2 + "?a=%zz", 9002313},
	}
	for _, test := range tests {
		w := f.get(test.path)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), fmt.Sprintf("AADSTS%d)", test.number)) || !strings.Contains(w.Body.String(), request) {
			t.Errorf("%s: status %d: %s", test.name, w.Code, w.Body)
		}
		safePage(t, w)
	}
}

func TestUsersSignInToTheirOwnTenantOnly(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	w := b.signIn(b.get(authorizeURL(authorizeV2)), bob)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "AADSTS50126") {
		t.Errorf("Bob at Alice's tenant: status %d: %s", w.Code, w.Body)
	}
	w = b.signIn(b.get(authorizeURL("/common/oauth2/v2.0/authorize", "client_id", webApp, "redirect_uri", webRedirect)), bob)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "AADSTS700016") {
		t.Errorf("Bob at Alice's application: status %d: %s", w.Code, w.Body)
	}
	if w = b.signIn(b.get(authorizeURL("/consumers/oauth2/v2.0/authorize", "prompt", "login")), bob); w.Code != http.StatusBadRequest {
		t.Errorf("Bob as a consumer: status %d: %s", w.Code, w.Body)
	}
	_, values := reply(t, b.signIn(b.get(authorizeURL("/common/oauth2/v2.0/authorize", "prompt", "login")), bob))
	answer, claims := f.granted(t, f.post("/common/oauth2/v2.0/token", codeForm(values.Get("code"))))
	if claims.TenantID != theirTenant || claims.ObjectID != bobID || payload(t, answer["id_token"])["iss"] != origin+"/"+theirTenant+"/v2.0" {
		t.Errorf("tenant %s, object %s", claims.TenantID, claims.ObjectID)
	}
	f.refused(t, f.post(tokenV2, refreshForm(answer["refresh_token"].(string))), 400, 50020)
}
