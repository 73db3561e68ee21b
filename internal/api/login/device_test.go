package login_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/grant"
	"midas/internal/store"
)

const (
	deviceV2   = "/" + tenant + "/oauth2/v2.0/devicecode"
	devicePage = "/common/oauth2/deviceauth"
)

func deviceForm(changes ...string) string {
	return withChanges(url.Values{"client_id": {cli}, "scope": {armAudience + "/.default offline_access openid profile"}}, changes...)
}

// startDevice requests a device code.
func (f *fixture) startDevice(t testing.TB, path string, changes ...string) (deviceCode, userCode string) {
	t.Helper()
	w := f.post(path, deviceForm(changes...))
	body := decode(t, w)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %v", w.Code, body)
	}
	return body["device_code"].(string), body["user_code"].(string)
}

func devicePollForm(code string, changes ...string) string {
	return withChanges(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {cli}, "device_code": {code}}, changes...)
}

// allow enters a user code, signs in and confirms.
func (b *browser) allow(userCode, name string) *httptest.ResponseRecorder {
	b.t.Helper()
	w := b.submit(b.get(devicePage), "code", userCode)
	safePage(b.t, w)
	if strings.Contains(w.Body.String(), "<h1>Sign in</h1>") {
		w = b.signIn(w, name)
		safePage(b.t, w)
	}
	if !strings.Contains(w.Body.String(), "<h1>Are you trying to sign in to ") {
		b.t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return b.submit(w, "action", "continue")
}

func TestDeviceAuthorizationResponse(t *testing.T) {
	f := newFixtureWithUsers(t)
	w := f.post(deviceV2, deviceForm())
	body := decode(t, w)
	want := map[string]any{
		"user_code": body["user_code"], "device_code": body["device_code"], "expires_in": 900.0, "interval": 5.0,
		"verification_uri": origin + devicePage,
		"message":          "To sign in, use a web browser to open the page " + origin + devicePage + " and enter the code " + fmt.Sprint(body["user_code"]) + " to authenticate.",
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	body = decode(t, f.post("/"+tenant+"/oauth2/devicecode", deviceForm("scope", "", "resource", armAudience)))
	if body["expires_in"] != "900" || body["interval"] != "5" || body["verification_url"] != origin+devicePage {
		t.Errorf("version 1: %v", body)
	}
}

func TestDeviceFlow(t *testing.T) {
	f := newFixtureWithUsers(t)
	for _, path := range []string{deviceV2, "/organizations/oauth2/v2.0/devicecode", "/common/oauth2/v2.0/devicecode", "/" + domain + "/oauth2/devicecode", "/adfs/oauth2/devicecode"} {
		t.Run(path, func(t *testing.T) {
			extra := []string{}
			if strings.HasSuffix(path, domain+"/oauth2/devicecode") {
				extra = []string{"scope", "", "resource", armAudience}
			}
			code, user := f.startDevice(t, path, extra...)
			end := strings.Replace(path, "devicecode", "token", 1)
			f.refused(t, f.post(end, devicePollForm(code)), 400, 70016)
			w := f.browse(t).allow(strings.ToLower(user), alice)
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "You are signed in to <bdi>Microsoft Azure CLI</bdi>") {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			safePage(t, w)
			answer, claims := f.granted(t, f.post(end, devicePollForm(code, "client_info", "1")))
			if claims.ObjectID != aliceID || claims.Audience != armAudience || answer["id_token"] == nil || answer["client_info"] == nil && !strings.Contains(end, domain) {
				t.Errorf("claims %v, answer %v", claims, answer)
			}
			f.granted(t, f.post(end, refreshForm(answer["refresh_token"].(string))))
			f.refused(t, f.post(end, devicePollForm(code)), 400, 70018)
		})
	}
}

func TestDeviceGrantAcceptsOlderParameterNames(t *testing.T) {
	f := newFixtureWithUsers(t)
	for _, form := range []func(code string) string{
		func(code string) string { return devicePollForm(code, "grant_type", "device_code") },
		func(code string) string { return devicePollForm("", "code", code) },
		func(code string) string { return devicePollForm(code, "code", code) },
	} {
		code, user := f.startDevice(t, deviceV2)
		f.browse(t).allow(user, alice)
		f.granted(t, f.post(tokenV2, form(code)))
	}
}

func TestSignedInUserConfirmsDeviceWithoutPassword(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	reply(t, b.signIn(b.get(authorizeURL(authorizeV2)), alice))
	code, user := f.startDevice(t, deviceV2)
	w := b.submit(b.get(devicePage+"?user_code="+user), "code", user[:3]+" "+user[3:6]+"-"+user[6:])
	if !strings.Contains(w.Body.String(), "Are you trying to sign in to <bdi>Microsoft Azure CLI</bdi>?") || !strings.Contains(w.Body.String(), "Alice") && !strings.Contains(w.Body.String(), alice) {
		t.Fatalf("%s", w.Body)
	}
	if other := b.submit(w, "action", "other"); !strings.Contains(other.Body.String(), "<h1>Sign in</h1>") {
		t.Errorf("another account: %s", other.Body)
	}
	// Another user of the same browser cannot confirm with Alice's form.
	reply(t, b.signIn(b.get(authorizeURL("/common/oauth2/v2.0/authorize", "prompt", "login")), bob))
	b.signOut(alice)
	if again := b.submit(w, "action", "continue"); !strings.Contains(again.Body.String(), "<h1>Sign in</h1>") {
		t.Errorf("Bob confirms for Alice: %s", again.Body)
	}
	f.refused(t, f.post(tokenV2, devicePollForm(code)), 400, 70016)
	reply(t, b.signIn(b.get(authorizeURL(authorizeV2, "prompt", "login")), alice))
	if cancelled := b.submit(w, "action", "cancel"); !strings.Contains(cancelled.Body.String(), "Cancelled") {
		t.Errorf("%s", cancelled.Body)
	}
	f.refused(t, f.post(tokenV2, devicePollForm(code)), 400, 70017)
	late := b.submit(w, "action", "continue")
	if !strings.Contains(late.Body.String(), "<h1>Sign in</h1>") {
		t.Errorf("with the form of a session that has ended: %s", late.Body)
	}
	if late = b.submit(b.signIn(late, alice), "action", "continue"); late.Code != http.StatusBadRequest {
		t.Errorf("after cancelling: status %d", late.Code)
	}
}

func TestInvalidDeviceCodesAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	code, user := f.startDevice(t, deviceV2)
	tests := []struct {
		name, path, form string
		status           int
		code             string
		number           float64
	}{
		{"none", tokenV2, devicePollForm(""), 400, "invalid_request", 900144},
		{"an invalid one", tokenV2, devicePollForm("GAB"), 400, "bad_verification_code", 70018},
		{"the user's code", tokenV2, devicePollForm(user), 400, "bad_verification_code", 70018},
		{"another client", tokenV2, devicePollForm(code, "client_id", localApp), 400, "bad_verification_code", 70018},
		{"no client", tokenV2, devicePollForm(code, "client_id", ""), 400, "invalid_request", 900144},
	}
	check := func(t *testing.T, path, form string, want []any) {
		t.Helper()
		w := f.post(path, form)
		body := decode(t, w)
		if diff := cmp.Diff(want, []any{w.Code, body["error"], body["error_codes"].([]any)[0]}); diff != "" {
			t.Errorf("refusal (-want +got):\n%s", diff)
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check(t, test.path, test.form, []any{test.status, test.code, test.number})
		})
	}
	b := f.browse(t)
	b.allow(user, alice)
	check(t, tokenV2, devicePollForm(code, "client_id", localApp), []any{400, "bad_verification_code", 70018.0})
	check(t, "/"+theirTenant+"/oauth2/v2.0/token", devicePollForm(code), []any{400, "invalid_grant", 50020.0})
	f.granted(t, f.post(tokenV2, devicePollForm(code)))

	// A confidential client must authenticate.
	code, user = f.startDevice(t, deviceV2, "client_id", apiApp)
	b.allow(user, alice)
	check(t, tokenV2, devicePollForm(code, "client_id", apiApp), []any{401, "invalid_client", 7000218.0})
	f.granted(t, f.post(tokenV2, devicePollForm(code, "client_id", apiApp, "client_secret", secret)))

	// A user of another tenant than that of the device code.
	code, user = f.startDevice(t, deviceV2)
	stranger := f.browse(t)
	w := stranger.signIn(stranger.submit(stranger.get(devicePage), "code", user), bob)
	if w = stranger.submit(w, "action", "continue"); w.Code != http.StatusBadRequest {
		t.Errorf("Bob for Alice's tenant: status %d: %s", w.Code, w.Body)
	}
	check(t, tokenV2, devicePollForm(code), []any{400, "authorization_pending", 70016.0})
	f.advance(15 * time.Minute)
	check(t, tokenV2, devicePollForm(code), []any{400, "expired_token", 70019.0})
}

func TestInvalidDeviceAuthorizationRequestsAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	tests := []struct {
		name, path, form string
		number           float64
	}{
		{"no client", deviceV2, deviceForm("client_id", ""), 900144},
		{"an unknown client", deviceV2, deviceForm("client_id", other), 700016},
		{"an unknown client by common", "/common/oauth2/v2.0/devicecode", deviceForm("client_id", other), 700016},
		{"a client of another tenant", deviceV2, deviceForm("client_id", theirApp), 700016},
		{"no scope", deviceV2, deviceForm("scope", ""), 900144},
		{"an invalid scope", deviceV2, deviceForm("scope", "/"), 70011},
		{"no resource", "/" + tenant + "/oauth2/devicecode", deviceForm(), 900144},
		{"an unknown tenant", "/" + client + "/oauth2/v2.0/devicecode", deviceForm(), 90002},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { f.refused(t, f.post(test.path, test.form), 400, test.number) })
	}
}

func TestFastPollingGetsSlowDown(t *testing.T) {
	f := newFixtureWithUsers(t)
	code, _ := f.startDevice(t, deviceV2)
	f.refused(t, f.post(tokenV2, devicePollForm(code)), 400, 70016)
	f.advance(time.Second)
	w := f.post(tokenV2, devicePollForm(code))
	if body := decode(t, w); body["error"] != "slow_down" || w.Header().Get("Retry-After") != "4" {
		t.Errorf("a second later: %v, Retry-After %q", body["error"], w.Header().Get("Retry-After"))
	}
	f.advance(5 * time.Second)
	if body := decode(t, f.post(tokenV2, devicePollForm(code))); body["error"] != "authorization_pending" {
		t.Errorf("in time: %v", body["error"])
	}
}

func TestUserCodeGuessesAreThrottled(t *testing.T) {
	f := newFixtureWithUsers(t)
	_, user := f.startDevice(t, deviceV2)
	b := f.browse(t)
	page := b.get(devicePage)
	for i := range 25 {
		w := b.submit(page, "code", "CDFGHJKLM")
		safePage(t, w)
		if want := map[bool]int{true: 400, false: 429}[i < 20]; w.Code != want {
			t.Fatalf("guess %d: status %d, want %d", i, w.Code, want)
		}
	}
	if w := b.submit(page, "code", user); w.Code != 429 {
		t.Errorf("the right code from the same address: status %d", w.Code)
	}
	_, values := formOf(t, f.browse(t).get(devicePage))
	values.Set("code", user)
	w := f.browse(t).post(devicePage, values)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `value="`+user+`"`) || !strings.Contains(w.Body.String(), "Enter the code") {
		t.Errorf("a form of another browser: status %d: %s", w.Code, w.Body)
	}
}

func TestDeviceCodeRequestsAreThrottled(t *testing.T) {
	f := newFixture(t)
	for i := range 101 {
		w := f.post(deviceV2, deviceForm())
		if want := map[bool]int{true: 200, false: 429}[i < 100]; w.Code != want {
			t.Fatalf("request %d: status %d, want %d", i, w.Code, want)
		}
	}
	f.address = "192.0.2.77"
	f.startDevice(t, deviceV2)
	f.address = ""
	f.advance(9 * time.Second)
	f.startDevice(t, deviceV2)
	f.refused(t, f.post(deviceV2, deviceForm()), 429, 90055)
}

// TestPendingDeviceCodesAreBounded requests codes from many addresses of one network, and from many networks.
// Expired codes and all their records are removed from the store.
func TestPendingDeviceCodesAreBounded(t *testing.T) {
	f := newFixture(t)
	f.Limits.DevicesNetwork.Burst, f.Limits.DevicesTotal.Burst = 20, 50
	ask := func(n int, address string) (given int) {
		t.Helper()
		for i := range n {
			f.address = fmt.Sprintf(address, i)
			switch w := f.post(deviceV2, deviceForm()); w.Code {
			case http.StatusOK:
				given++
			case http.StatusTooManyRequests:
				if after := w.Header().Get("Retry-After"); after == "" || after == "0" {
					t.Fatalf("Retry-After is %q", after)
				}
			default:
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
		}
		return given
	}
	empty := f.records(t)
	if n := ask(50, "2001:db8:0:%x::1"); n != 20 {
		t.Errorf("one network has %d codes pending, want 20", n)
	}
	if n := ask(100, "2001:db8:%x::1"); n != 30 {
		t.Errorf("all others have %d codes pending, want 30", n)
	}
	f.advance(grant.DeviceLifetime)
	for {
		n, err := f.Grants.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if n := f.records(t); n != empty {
		t.Errorf("%d records of expired codes are left", n-empty)
	}
	if n := f.Throttle.Len(); n != 0 {
		t.Errorf("%d buckets are left", n)
	}
	if n := ask(50, "198.51.%d.1"); n != 50 {
		t.Errorf("a quarter of an hour later %d codes are given, want 50", n)
	}
}

// TestScopesAreBounded checks the limit on scopes, which the store keeps for requests without authentication.
func TestScopesAreBounded(t *testing.T) {
	f := newFixtureWithUsers(t)
	long := strings.TrimSpace(strings.Repeat("openid ", 1_000))
	distinct := armAudience + "/.default"
	for i := range 500 {
		distinct += fmt.Sprintf(" %s/permission%d", armAudience, i)
	}
	for name, scope := range map[string]string{"repeated": long, "distinct": distinct, "one": armAudience + "/" + strings.Repeat("x", 60_000)} {
		f.refused(t, f.post(deviceV2, deviceForm("scope", scope)), 400, 70011)
		f.refused(t, f.post(tokenV2, passwordForm("scope", scope)), 400, 70011)
		if w := f.browse(t).get(authorizeURL(authorizeV2, "scope", scope)); w.Code == http.StatusOK && strings.Contains(w.Body.String(), "<h1>Sign in</h1>") {
			t.Errorf("%s: the sign-in page is displayed", name)
		}
	}
	f.refused(t, f.post("/"+tenant+"/oauth2/devicecode", deviceForm("scope", "", "resource", strings.Repeat("x", 5_000))), 400, 500011)
	f.startDevice(t, deviceV2, "scope", distinct[:strings.LastIndexByte(distinct[:4_000], ' ')])
}

// records returns the number of records in the store.
func (f *fixture) records(t testing.TB) (n int) {
	t.Helper()
	err := f.store.View(context.Background(), func(tx store.Tx) error {
		n = 0
		for _, err := range tx.Scan(store.Range{}) {
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
