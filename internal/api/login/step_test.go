package login_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAnswersToFormsHaveAnAddress sends the forms of a browser. Each page that follows is behind a redirect
// and can be opened again.
func TestAnswersToFormsHaveAnAddress(t *testing.T) {
	f := newFixtureWithoutConsent(t)
	title := func(w *httptest.ResponseRecorder) string {
		_, rest, _ := strings.Cut(w.Body.String(), "<h1>")
		text, _, _ := strings.Cut(rest, "</h1>")
		return text
	}
	_, code := f.startDevice(t, deviceV2)
	for name, try := range map[string]struct {
		page func(*browser) *httptest.ResponseRecorder
		want string
	}{
		"a wrong password": {func(b *browser) *httptest.ResponseRecorder {
			return b.submit(b.get(webURL()), "action", "signin", "username", carol, "password", "wrong")
		}, "Sign in"},
		"consent": {func(b *browser) *httptest.ResponseRecorder { return b.signIn(b.get(webURL()), carol) }, "Permissions requested"},
		"approval": {func(b *browser) *httptest.ResponseRecorder {
			return b.signIn(b.get(webAuthorizeURL(adminScope)), carol)
		}, "Approval required"},
		"a wrong code": {func(b *browser) *httptest.ResponseRecorder {
			return b.submit(b.get(devicePage), "code", "CDFGHJKLM")
		}, "Enter the code"},
		"a device": {func(b *browser) *httptest.ResponseRecorder {
			return b.signIn(b.submit(b.get(devicePage), "code", code), carol)
		}, "Are you trying to sign in to <bdi>Microsoft Azure CLI</bdi>?"},
		"accounts": {func(b *browser) *httptest.ResponseRecorder {
			return b.signIn(b.get("/common/login"), carol)
		}, "Your accounts"},
		"another account": {func(b *browser) *httptest.ResponseRecorder {
			b.signIn(b.get("/common/login"), carol)
			return b.submit(b.get(webURL("prompt", "select_account")), "action", "other")
		}, "Sign in"},
	} {
		for _, scripts := range []bool{true, false} {
			b := f.browse(t)
			if !scripts {
				b.key = ""
			}
			w := try.page(b)
			at := b.at
			if !strings.Contains(at, "/login?ctx=") || title(w) != try.want {
				t.Errorf("%s: %q at %s", name, title(w), at)
				continue
			}
			safePage(t, w)
			if again := b.get(at); title(again) != try.want {
				t.Errorf("%s again: status %d, %q", name, again.Code, title(again))
			}
			if strings.Contains(at, "carol") || strings.Contains(at, password) {
				t.Errorf("%s: the address %s has the name or the password", name, at)
			}
			// In another browser it shows nobody, and it grants nothing.
			if stranger := f.browse(t).get(at); strings.Contains(stranger.Body.String(), "carol") || stranger.Header().Get("Location") != "" {
				t.Errorf("%s in another browser: %s", name, stranger.Body)
			}
		}
	}
}

// TestAddressesOfPagesShowAccountsForAShortTime opens an address from a log together with copied cookies.
func TestAddressesOfPagesShowAccountsForAShortTime(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInAs(t, alice)
	for _, address := range []string{webURL("prompt", "select_account"), webURL("prompt", "consent"), "/common/login"} {
		b.get(address)
		at := b.at
		if !strings.Contains(at, "ctx=") {
			t.Fatalf("%s leads to %s", address, at)
		}
		f.advance(61 * time.Second)
		for _, key := range []string{"", f.browse(t).key} {
			if w := copied(b, key).get(at); strings.Contains(w.Body.String(), "alice") || w.Header().Get("Location") != "" {
				t.Errorf("%s: %s", address, w.Body)
			}
		}
		if w := b.get(at); !strings.Contains(w.Body.String(), "alice") {
			t.Errorf("%s in the browser itself: %s", address, w.Body)
		}
		f.advance(61 * time.Minute)
		if w := b.get(at); !strings.Contains(w.Body.String(), "alice") {
			t.Errorf("%s an hour later: %s", address, w.Body)
		}
	}
}

// TestALinkDoesNotConfirmADevice opens the address of a confirmation that belongs to another browser.
func TestALinkDoesNotConfirmADevice(t *testing.T) {
	f := newFixtureWithUsers(t)
	attacker, victim := f.signedInAs(t, bob), f.signedInAs(t, alice)
	_, code := f.startDevice(t, "/common/oauth2/v2.0/devicecode")
	attacker.submit(attacker.get(devicePage), "code", code)
	w := victim.get(attacker.at)
	if !strings.Contains(w.Body.String(), "<h1>Enter the code</h1>") || !strings.Contains(w.Body.String(), `value="`+code+`"`) {
		t.Errorf("%s", w.Body)
	}
}

func TestInvalidAddressesOfPagesAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInAs(t, alice)
	b.get(webURL("prompt", "select_account"))
	_, at, _ := strings.Cut(b.at, "?")
	form := formRequest(t, b.get(webURL("prompt", "login")))
	for name, address := range map[string]string{
		"nothing": "/common/login?ctx=x", "damaged": "/common/login?" + at + "A", "a form": "/" + tenant + "/login?ctx=" + form,
		"twice": "/common/login?ctx=x&ctx=y", "a form in a link": "/" + tenant + "/login?request=" + form + "&username=a&password=b",
	} {
		w := b.get(address)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `href="`) || strings.Contains(w.Body.String(), "flow token") {
			t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
		}
		safePage(t, w)
	}
	b.get(webURL("prompt", "select_account"))
	at = b.at
	if w := b.get(strings.Replace(at, tenant, "common", 1)); w.Code != http.StatusBadRequest {
		t.Errorf("at another tenant: status %d", w.Code)
	}
}

// TestLongRequestsAreAnsweredWithoutARedirect has a state that does not fit into the address of a page.
func TestLongRequestsAreAnsweredWithoutARedirect(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	state := strings.Repeat("s", 7000)
	w := b.submit(b.get(webURL("state", state)), "action", "signin", "username", alice, "password", "wrong")
	if w.Code != http.StatusBadRequest || strings.Contains(b.at, "ctx=") || !strings.Contains(w.Body.String(), "is wrong") {
		t.Fatalf("status %d at %s", w.Code, b.at)
	}
	if _, values := reply(t, b.signIn(w, alice)); values.Get("state") != state || values.Get("code") == "" {
		t.Errorf("%v", values)
	}
}

// TestOtherProgramsGetAnswersAtOnce sends the forms of a program that does not ask for HTML.
func TestOtherProgramsGetAnswersAtOnce(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	b.plain = true
	w := b.submit(b.get(webURL()), "action", "signin", "username", alice, "password", "wrong")
	if w.Code != http.StatusBadRequest || strings.Contains(b.at, "ctx=") {
		t.Errorf("status %d at %s", w.Code, b.at)
	}
	w = b.signIn(w, alice)
	if w.Code != http.StatusSeeOther || w.Header().Get("Refresh") != "" || !strings.Contains(w.Header().Get("Location"), "code=") {
		t.Errorf("status %d, Location %s", w.Code, w.Header().Get("Location"))
	}
}

// TestFormsDoNotRedirectToOtherSites sends a browser's forms: browsers hold the redirects that follow
// against the form-action of the page.
func TestFormsDoNotRedirectToOtherSites(t *testing.T) {
	f := newFixtureWithUsers(t)
	for name, changes := range map[string][]string{
		"query": nil, "fragment": {"response_mode", "fragment"}, "a program": {"client_id", localApp, "redirect_uri", "myapp://auth"},
		"a loopback address": {"client_id", cli, "redirect_uri", localRedirect},
	} {
		b := f.browse(t)
		page := b.get(webURL(append([]string{"prompt", "login"}, changes...)...))
		w := b.submit(page, "action", "cancel")
		for _, w := range []*httptest.ResponseRecorder{w, b.signIn(page, alice)} {
			if w.Header().Get("Refresh") == "" || w.Result().StatusCode != http.StatusOK {
				t.Errorf("%s: status %d, Refresh %q", name, w.Result().StatusCode, w.Header().Get("Refresh"))
			}
		}
	}
}

func TestUserNamesWithoutADomain(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	for typed, want := range map[string]string{
		"alice": "alice@" + domain, "nobody": "nobody@" + domain, " \u200balice\ufeff ": "alice@" + domain, "": "name@" + domain,
		"@" + domain: "name@" + domain, "alice@": "alice@" + domain, "<script>": "name@" + domain, strings.Repeat("a", 300): "name@" + domain,
	} {
		for range 12 { // it is no guess at a password
			w := b.submit(b.get(webURL()), "action", "signin", "username", typed, "password", password)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "Enter your full user name, such as "+want+".") || strings.Contains(w.Body.String(), "<script>alert") {
				t.Fatalf("%q: status %d: %s", typed, w.Code, w.Body)
			}
			safePage(t, w)
		}
	}
	w := b.submit(b.get(authorizeURL(anyTenant)), "action", "signin", "username", "alice", "password", password)
	if !strings.Contains(w.Body.String(), "such as alice@"+domain) {
		t.Errorf("without a tenant: %s", w.Body)
	}
	_, values := reply(t, b.submit(b.get(webURL()), "action", "signin", "username", "\u200b"+alice+"\u00a0", "password", password))
	if values.Get("code") == "" {
		t.Errorf("a name with invisible characters: %v", values)
	}
}

func TestBrowsersWithoutCookiesAreTold(t *testing.T) {
	f := newFixtureWithUsers(t)
	for name, path := range map[string]string{"sign-in": webURL(), "device": devicePage, "accounts": "/common/login"} {
		for _, plain := range []bool{true, false} {
			b := f.browse(t)
			b.plain = plain
			page := b.get(path)
			b.refuses = true
			b.cookies = map[string]string{}
			fields := []string{"action", "signin", "username", alice, "password", password}
			if name == "device" {
				fields = []string{"code", "CDFGHJKLM"}
			}
			w := b.submit(page, fields...)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "Your browser does not send cookies to login.test:8443.") || !strings.Contains(w.Body.String(), "<form") {
				t.Errorf("%s: status %d: %s", name, w.Code, w.Body)
			}
			safePage(t, w)
		}
		// A browser that has lost the cookie takes the new one.
		b := f.browse(t)
		page := b.get(path)
		b.cookies = map[string]string{}
		if name == "device" {
			continue
		}
		w := b.signIn(page, alice)
		if !strings.Contains(w.Body.String(), "has removed the cookies") || b.cookie("session") != "" {
			t.Errorf("%s: %s", name, w.Body)
		}
		if b.signIn(w, alice); b.cookie("session") == "" {
			t.Errorf("%s: no session", name)
		}
	}
}

func TestDeviceCodeFieldReadsWhatIsPasted(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.signedInAs(t, alice)
	for name, typed := range map[string]func(string) string{
		"the whole message": func(code string) string {
			return "To sign in, use a web browser to open the page " + origin + devicePage + " and enter the code " + code + " to authenticate."
		},
		"dashes, spaces, lower case": func(code string) string {
			return "\u200b" + strings.ToLower(code[:3]) + "\u2013" + code[3:6] + "-\u00a0" + code[6:] + "\ufeff\n"
		},
	} {
		_, code := f.startDevice(t, deviceV2)
		if w := b.submit(b.get(devicePage), "code", typed(code)); !strings.Contains(w.Body.String(), "Are you trying to sign in") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
	_, code := f.startDevice(t, deviceV2)
	for _, parameter := range []string{"otc", "user_code"} {
		w := b.get(devicePage + "?" + parameter + "=" + strings.ToLower(code))
		if !strings.Contains(w.Body.String(), `value="`+code+`"`) || !strings.Contains(w.Body.String(), "<h1>Enter the code</h1>") {
			t.Errorf("%s: %s", parameter, w.Body)
		}
	}
}
