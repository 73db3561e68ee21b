package login_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/store"
	"midas/internal/token"
)

// payload returns the claims of a token without verifying it.
func payload(t testing.TB, raw any) map[string]any {
	t.Helper()
	text, _ := raw.(string)
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", text)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAuthorizationCodeFlow(t *testing.T) {
	f := newFixtureWithUsers(t)
	b := f.browse(t)
	page := b.get(authorizeURL(authorizeV2))
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "to continue to <strong><bdi>Microsoft Azure CLI</bdi></strong>") {
		t.Fatalf("status %d: %s", page.Code, page.Body)
	}
	to, values := reply(t, b.signIn(page, "ALICE@Contoso.example"))
	if to != localRedirect || values.Get("state") != "st&<ate" {
		t.Errorf("sent to %s with %v", to, values)
	}
	answer, claims := f.granted(t, f.post(tokenV2, codeForm(values.Get("code"))))
	at := start.Truncate(time.Second)
	want := &token.Claims{
		Audience: armAudience, Issuer: origin + "/" + tenant + "/", Subject: claims.Subject, ObjectID: aliceID, TenantID: tenant,
		AppID: cli, AppIDACR: "0", IdentityProvider: origin + "/" + tenant + "/", IdentityType: "user", Version: "1.0",
		Scopes: "user_impersonation", AuthMethods: []string{"pwd"}, UPN: alice, UniqueName: alice, Name: "Alice <b>",
		WellKnownIDs: []string{"b79fbf4d-3ef9-4689-8143-76b194e85509", directory.GlobalAdministrator},
		UniqueID:     claims.UniqueID, IssuedAt: at.Add(-5 * time.Minute), NotBefore: at.Add(-5 * time.Minute), Expires: at.Add(time.Hour), Issued: at,
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	id := payload(t, answer["id_token"])
	wantID := map[string]any{
		"aud": cli, "iss": origin + "/" + tenant + "/v2.0", "sub": id["sub"], "oid": aliceID, "tid": tenant, "uti": id["uti"], "ver": "2.0",
		"iat": float64(at.Unix() - 300), "nbf": float64(at.Unix() - 300), "exp": float64(at.Add(time.Hour).Unix()), "auth_time": float64(at.Unix()),
		"amr": []any{"pwd"}, "nonce": "no<nce", "name": "Alice <b>", "given_name": "Alice", "family_name": "Liddell",
		"email": "a@mail.test", "preferred_username": alice, "sid": id["sid"],
	}
	if diff := cmp.Diff(wantID, id); diff != "" {
		t.Errorf("id_token (-want +got):\n%s", diff)
	}
	info, err := base64.RawURLEncoding.DecodeString(fmt.Sprint(answer["client_info"]))
	if err != nil || string(info) != `{"uid":"`+aliceID+`","utid":"`+tenant+`"}` {
		t.Errorf("client_info %s, %v", info, err)
	}
	delete(answer, "client_info")
	wantAnswer := map[string]any{
		"token_type": "Bearer", "expires_in": 3599.0, "ext_expires_in": 3599.0, "access_token": answer["access_token"],
		"id_token": answer["id_token"], "refresh_token": answer["refresh_token"],
		"scope": armAudience + "/.default openid profile " + armAudience + "/user_impersonation",
	}
	if diff := cmp.Diff(wantAnswer, answer); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if f.event.Caller != aliceID {
		t.Errorf("caller %s", f.event.Caller)
	}
	for _, raw := range []any{answer["id_token"]} {
		if _, err := f.verifier.Verify(t.Context(), fmt.Sprint(raw)); err == nil {
			t.Error("an id_token is taken for an access token")
		}
	}
}

// TestAuthorizationCodeFlowVariants has valid requests of different forms.
func TestAuthorizationCodeFlowVariants(t *testing.T) {
	f := newFixtureWithUsers(t)
	basicHeader := []string{"Authorization", basic(webApp, secret)}
	pageHeader := []string{"Origin", "https://page.test"}
	plain := strings.Repeat("a", 43)
	tests := []struct {
		name, address string
		path, form    string // with CODE
		headers       []string
		audience      string
	}{
		{"by common", authorizeURL("/common/oauth2/v2.0/authorize"), "/common/oauth2/v2.0/token", codeForm("CODE"), nil, armAudience},
		{"by organizations, then the tenant", authorizeURL("/organizations/oauth2/v2.0/authorize"), tokenV2, codeForm("CODE"), nil, armAudience},
		{"by the domain", authorizeURL("/" + domain + "/oauth2/v2.0/authorize"), tokenV2, codeForm("CODE"), nil, armAudience},
		{"as AD FS", authorizeURL("/adfs/oauth2/authorize"), "/adfs/oauth2/token", codeForm("CODE"), nil, armAudience},
		{"a server without PKCE", authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect, "code_challenge", "", "code_challenge_method", ""), tokenV2, codeForm("CODE", "client_id", webApp, "redirect_uri", webRedirect, "client_secret", secret, "code_verifier", ""), nil, armAudience},
		{"a server with a plain challenge", authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect, "code_challenge", plain, "code_challenge_method", ""), tokenV2, codeForm("CODE", "client_id", webApp, "redirect_uri", webRedirect, "client_secret", secret, "code_verifier", plain), nil, armAudience},
		{"with another scope at the end", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "scope", "https://vault.azure.net/.default openid"), nil, "https://vault.azure.net"},
		{"at Graph", authorizeURL(authorizeV2, "scope", "openid User.Read"), tokenV2, codeForm("CODE"), nil, "https://graph.microsoft.com"},
		{"at a resource with newer tokens", authorizeURL(authorizeV2, "scope", "api://newer/Read"), tokenV2, codeForm("CODE"), nil, newerApp},
		{"version 1", authorizeURL("/"+tenant+"/oauth2/authorize", "scope", "", "resource", armAudience), tokenV1, codeForm("CODE"), nil, armAudience},
		{"version 1, the resource at the end", authorizeURL("/"+tenant+"/oauth2/authorize", "scope", ""), tokenV1, codeForm("CODE", "resource", armAudience), nil, armAudience},
		{"a program of the tenant", authorizeURL(authorizeV2, "client_id", localApp), tokenV2, codeForm("CODE", "client_id", localApp), nil, armAudience},
		{"a program with its own scheme", authorizeURL(authorizeV2, "client_id", localApp, "redirect_uri", "myapp://auth"), tokenV2, codeForm("CODE", "client_id", localApp, "redirect_uri", "myapp://auth"), nil, armAudience},
		{"a server", authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect), tokenV2, codeForm("CODE", "client_id", webApp, "client_secret", secret, "redirect_uri", webRedirect), nil, armAudience},
		{"a server with HTTP Basic", authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect), tokenV2, codeForm("CODE", "client_id", "", "redirect_uri", webRedirect), basicHeader, armAudience},
		{"a server by common", authorizeURL("/common/oauth2/v2.0/authorize", "client_id", webApp, "redirect_uri", webRedirect), tokenV2, codeForm("CODE", "client_id", webApp, "client_secret", secret, "redirect_uri", webRedirect), nil, armAudience},
		{"a page", authorizeURL(authorizeV2, "client_id", pageApp, "redirect_uri", pageRedirect), tokenV2, codeForm("CODE", "client_id", pageApp, "redirect_uri", pageRedirect), pageHeader, armAudience},
		{"a page that names no address", authorizeURL(authorizeV2, "client_id", pageApp, "redirect_uri", ""), tokenV2, codeForm("CODE", "client_id", pageApp, "redirect_uri", pageRedirect), pageHeader, armAudience},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			form := strings.ReplaceAll(test.form, "CODE", url.QueryEscape(f.codeFor(t, alice, test.address)))
			w := f.post(test.path, form, test.headers...)
			_, claims := f.granted(t, w)
			if claims.Audience != test.audience || claims.ObjectID != aliceID {
				t.Errorf("audience %s, oid %s", claims.Audience, claims.ObjectID)
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); (got == "*") != (test.name[0:6] == "a page") {
				t.Errorf("Access-Control-Allow-Origin %q", got)
			}
		})
	}
}

func TestV1UserTokenResponseHasStrings(t *testing.T) {
	f := newFixtureWithUsers(t)
	code := f.codeFor(t, alice, authorizeURL("/"+tenant+"/oauth2/authorize", "scope", "", "resource", armAudience))
	answer, _ := f.granted(t, f.post(tokenV1, codeForm(code)))
	id := payload(t, answer["id_token"])
	if id["ver"] != "1.0" || id["iss"] != origin+"/"+tenant+"/" || id["upn"] != alice || id["unique_name"] != alice {
		t.Errorf("id_token %v", id)
	}
	if answer["expires_in"] != "3599" || answer["refresh_token"] == nil || answer["resource"] != armAudience {
		t.Errorf("answer %v", answer)
	}
	if _, err := f.verifier.Verify(t.Context(), fmt.Sprint(answer["id_token"])); err == nil {
		t.Error("an id_token of version 1 is taken for an access token")
	}
}

// TestPagesRedeemOnlyCodesAndTokensOfPages: a page must not act for a program of the machine, nor for a server.
func TestPagesRedeemOnlyCodesAndTokensOfPages(t *testing.T) {
	f := newFixtureWithUsers(t)
	for name, row := range map[string]struct{ address, form string }{
		"a program": {authorizeURL(authorizeV2), codeForm("CODE")},
		"a server":  {authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect), codeForm("CODE", "client_id", webApp, "client_secret", secret, "redirect_uri", webRedirect)},
	} {
		for _, origin := range []string{"https://page.test", "null"} {
			code := f.codeFor(t, alice, row.address)
			form := strings.ReplaceAll(row.form, "CODE", url.QueryEscape(code))
			w := f.post(tokenV2, form, "Origin", origin)
			text := fmt.Sprint(decode(t, w)["error_description"])
			if w.Code != 400 || !strings.Contains(text, "AADSTS9002326: Cross-origin token redemption is permitted only for the 'Single-Page Application' client-type. Request origin: '"+origin+"'.") {
				t.Errorf("%s at %s: %d %s", name, origin, w.Code, text)
			}
			f.granted(t, f.post(tokenV2, form)) // the refusal has not used it up
		}
	}
	refresh := f.signedIn(t)["refresh_token"].(string)
	w := f.post(tokenV2, refreshForm(refresh), "Origin", "https://page.test")
	if answer := decode(t, w); w.Code != 400 || !strings.HasPrefix(fmt.Sprint(answer["error_description"]), "AADSTS9002326") {
		t.Errorf("a refresh token: %d %v", w.Code, answer)
	}
}

// TestInvalidCodeRedemptionsAreRefused redeems codes of other clients, invalid codes, and codes with wrong parameters.
func TestInvalidCodeRedemptionsAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	web := authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect)
	page := authorizeURL(authorizeV2, "client_id", pageApp, "redirect_uri", pageRedirect)
	bare := authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect, "code_challenge", "", "code_challenge_method", "")
	tests := []struct {
		name, address, path, form string
		code                      string
		number                    float64
	}{
		{"no code", "", tokenV2, codeForm(""), "invalid_request", 900144},
		{"an invalid code", "", tokenV2, codeForm("0.AX"), "invalid_grant", 70000},
		{"a wrong verifier", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "code_verifier", strings.Repeat("x", 43)), "invalid_grant", 501481},
		{"the challenge as the verifier", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "code_verifier", challenge(verifier)), "invalid_grant", 501481},
		{"no verifier", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "code_verifier", ""), "invalid_grant", 50148},
		{"a short verifier", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "code_verifier", "x"), "invalid_request", 501491},
		{"a verifier for a code without challenge", bare, tokenV2, codeForm("CODE", "client_id", webApp, "redirect_uri", webRedirect, "client_secret", secret), "invalid_grant", 501481},
		{"another port", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "redirect_uri", "http://localhost:54322"), "invalid_grant", 500112},
		{"an extra slash", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "redirect_uri", localRedirect+"/"), "invalid_grant", 500112},
		{"no redirect URI", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "redirect_uri", ""), "invalid_grant", 700009},
		{"another client", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "client_id", localApp), "invalid_grant", 70000},
		{"another client with its secret", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "client_id", webApp, "client_secret", secret), "invalid_grant", 70000},
		{"an unknown client", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "client_id", client[:35]+"9"), "unauthorized_client", 700016},
		{"no client", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "client_id", ""), "invalid_request", 900144},
		{"a server without its secret", web, tokenV2, codeForm("CODE", "client_id", webApp, "redirect_uri", webRedirect), "invalid_client", 7000218},
		{"a server with a wrong secret", web, tokenV2, codeForm("CODE", "client_id", webApp, "redirect_uri", webRedirect, "client_secret", "wrong"), "invalid_client", 7000215},
		{"a secret for a client without secret", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "client_secret", secret), "invalid_client", 700025},
		{"a page's code outside of a browser", page, tokenV2, codeForm("CODE", "client_id", pageApp, "redirect_uri", pageRedirect), "invalid_request", 9002327},
		{"another tenant", authorizeURL(authorizeV2), "/" + theirTenant + "/oauth2/v2.0/token", codeForm("CODE"), "invalid_grant", 50020},
		{"personal accounts", authorizeURL(authorizeV2), "/consumers/oauth2/v2.0/token", codeForm("CODE"), "invalid_grant", 50020},
		{"two resources", authorizeURL(authorizeV2), tokenV2, codeForm("CODE", "scope", "https://a.test/x https://b.test/x"), "invalid_scope", 28000},
		{"an invalid resource", authorizeURL("/"+tenant+"/oauth2/authorize", "scope", ""), tokenV1, codeForm("CODE", "resource", "arm"), "invalid_resource", 500011},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code := ""
			if test.address != "" {
				code = f.codeFor(t, alice, test.address)
			}
			w := f.post(test.path, strings.ReplaceAll(test.form, "CODE", url.QueryEscape(code)))
			body := decode(t, w)
			if diff := cmp.Diff([]any{test.code, []any{test.number}}, []any{body["error"], body["error_codes"]}); diff != "" {
				t.Errorf("refusal (-want +got):\n%s\n%s", diff, body["error_description"])
			}
			if code != "" && strings.Contains(fmt.Sprint(f.event.Err, body), code) {
				t.Error("the code is repeated")
			}
		})
	}
}

func TestReusedCodeRevokesItsRefreshTokens(t *testing.T) {
	f := newFixtureWithUsers(t)
	code := f.codeFor(t, alice, authorizeURL(authorizeV2))
	answer, _ := f.granted(t, f.post(tokenV2, codeForm(code)))
	// A request with a wrong verifier does not revoke the refresh token.
	f.refused(t, f.post(tokenV2, codeForm(code, "code_verifier", strings.Repeat("x", 43))), 400, 501481)
	answer, _ = f.granted(t, f.post(tokenV2, refreshForm(answer["refresh_token"].(string))))
	f.refused(t, f.post(tokenV2, codeForm(code)), 400, 54005)
	f.refused(t, f.post(tokenV2, refreshForm(answer["refresh_token"].(string))), 400, 70000)
}

// refused checks an error's status and number.
func (f *fixture) refused(t testing.TB, w *httptest.ResponseRecorder, status int, number float64) {
	t.Helper()
	body := decode(t, w)
	if diff := cmp.Diff([]any{status, []any{number}}, []any{w.Code, body["error_codes"]}); diff != "" {
		t.Errorf("refusal (-want +got):\n%s\n%v", diff, body["error_description"])
	}
}

func TestCodesExpire(t *testing.T) {
	f := newFixtureWithUsers(t)
	code := f.codeFor(t, alice, authorizeURL(authorizeV2))
	f.advance(grant.CodeLifetime)
	f.refused(t, f.post(tokenV2, codeForm(code)), 400, 70008)
}

func TestRefreshTokensRotate(t *testing.T) {
	f := newFixtureWithUsers(t)
	first := f.signedIn(t)["refresh_token"].(string)
	f.advance(time.Hour)
	answer, claims := f.granted(t, f.post(tokenV2, refreshForm(first, "scope", "https://vault.azure.net/.default offline_access openid profile")))
	if claims.Audience != "https://vault.azure.net" || claims.ObjectID != aliceID || answer["id_token"] == nil {
		t.Errorf("audience %s, answer %v", claims.Audience, answer)
	}
	second := answer["refresh_token"].(string)
	f.advance(time.Second)
	f.refused(t, f.post(tokenV2, refreshForm(first)), 400, 70000)
	f.refused(t, f.post(tokenV2, refreshForm(second)), 400, 70000)
}

// TestRefreshesOfOneMomentAllSucceed sends six requests with one refresh token, as a web proxy does that gets
// six requests with one cookie. Each answer goes on by itself; reuse after the overlap ends them all.
func TestRefreshesOfOneMomentAllSucceed(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.Grants.Overlap = grant.DefaultOverlap
	answer, _ := f.granted(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect)), "client_id", webApp, "client_secret", secret, "redirect_uri", webRedirect)))
	refresh := func(token string) *httptest.ResponseRecorder {
		return f.post(tokenV2, refreshForm(token, "client_id", webApp, "client_secret", secret))
	}
	first := answer["refresh_token"].(string)
	f.advance(time.Hour)
	var all []string
	for range 6 {
		f.advance(time.Second)
		answer, _ := f.granted(t, refresh(first))
		all = append(all, answer["refresh_token"].(string))
	}
	for i, token := range all {
		f.advance(time.Hour)
		answer, _ := f.granted(t, refresh(token))
		all[i] = answer["refresh_token"].(string)
	}
	f.refused(t, refresh(first), 400, 70000)
	for _, token := range all {
		f.refused(t, refresh(token), 400, 70000)
	}
}

func TestInvalidRefreshRequestsAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	ours := f.signedIn(t)["refresh_token"].(string)
	answer, _ := f.granted(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect)), "client_id", webApp, "client_secret", secret, "redirect_uri", webRedirect)))
	web := answer["refresh_token"].(string)
	answer, _ = f.granted(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2, "client_id", pageApp, "redirect_uri", pageRedirect)), "client_id", pageApp, "redirect_uri", pageRedirect), "Origin", "https://page.test"))
	page := answer["refresh_token"].(string)
	tests := []struct {
		name, path, form string
		status           int
		number           float64
	}{
		{"none", tokenV2, refreshForm(""), 400, 900144},
		{"an invalid one", tokenV2, refreshForm("0.AX"), 400, 70000},
		{"an access token", tokenV2, refreshForm(answer["access_token"].(string)), 400, 70000},
		{"of another client", tokenV2, refreshForm(ours, "client_id", localApp), 400, 70000},
		{"of another client with its secret", tokenV2, refreshForm(ours, "client_id", webApp, "client_secret", secret), 400, 70000},
		{"of a server without its secret", tokenV2, refreshForm(web, "client_id", webApp), 401, 7000218},
		{"of a server by a public client", tokenV2, refreshForm(web), 400, 70000},
		{"of a page outside of a browser", tokenV2, refreshForm(page, "client_id", pageApp), 400, 9002327},
		{"at another tenant", "/" + theirTenant + "/oauth2/v2.0/token", refreshForm(ours), 400, 50020},
		{"at personal accounts", "/consumers/oauth2/v2.0/token", refreshForm(ours), 400, 50020},
		{"with an invalid scope", tokenV2, refreshForm(ours, "scope", "/"), 400, 70011},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.refused(t, f.post(test.path, test.form), test.status, test.number)
		})
	}
	// The refused requests did not consume the refresh tokens.
	f.granted(t, f.post("/common/oauth2/v2.0/token", refreshForm(ours)))
	f.granted(t, f.post(tokenV2, refreshForm(web, "client_id", webApp, "client_secret", secret)))
	f.granted(t, f.post(tokenV2, refreshForm(page, "client_id", pageApp), "Origin", "https://page.test"))
}

func TestRevocationAndDisablingEndGrantsAndSessions(t *testing.T) {
	f := newFixtureWithUsers(t)
	refresh := f.signedIn(t)["refresh_token"].(string)
	code := f.codeFor(t, alice, authorizeURL(authorizeV2))
	b := f.browse(t)
	reply(t, b.signIn(b.get(authorizeURL(authorizeV2)), alice))
	f.advance(time.Minute)
	f.update(t, func(tx store.Tx) error { return f.Directory.RevokeTokens(tx, tenant, aliceID) })
	f.refused(t, f.post(tokenV2, refreshForm(refresh)), 400, 50173)
	f.refused(t, f.post(tokenV2, codeForm(code)), 400, 50173)
	if w := b.get(authorizeURL(authorizeV2)); w.Code != http.StatusOK {
		t.Errorf("the session is still good: status %d", w.Code)
	}
	// A token that is issued after the revocation, in the same second, is valid.
	refresh = f.signedIn(t)["refresh_token"].(string)
	f.granted(t, f.post(tokenV2, refreshForm(refresh)))

	refresh = f.signedIn(t)["refresh_token"].(string)
	f.update(t, func(tx store.Tx) error {
		u, err := f.Directory.User(tx, tenant, aliceID)
		u.Enabled = false
		if err != nil {
			return err
		}
		return f.Directory.UpdateUser(tx, u)
	})
	f.refused(t, f.post(tokenV2, refreshForm(refresh)), 400, 50057)
	f.update(t, func(tx store.Tx) error { return f.Directory.DeleteUser(tx, tenant, aliceID) })
	f.refused(t, f.post(tokenV2, refreshForm(refresh)), 400, 50173)
}
