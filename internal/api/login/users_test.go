package login_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"html"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

const (
	cli      = directory.AzureCLIAppID
	webApp   = "aaaaaaaa-0000-4000-8000-000000000001" // a server with a secret
	pageApp  = "aaaaaaaa-0000-4000-8000-000000000002" // a page in a browser
	localApp = "aaaaaaaa-0000-4000-8000-000000000003" // a program without a secret
	apiApp   = "aaaaaaaa-0000-4000-8000-000000000004" // a middle-tier service
	certApp  = "aaaaaaaa-0000-4000-8000-000000000005" // an application with certificates
	theirApp = "aaaaaaaa-0000-4000-8000-000000000006" // an application of the other tenant
	newerApp = "aaaaaaaa-0000-4000-8000-000000000007" // a resource with v2.0 tokens

	alice        = "alice@" + domain
	aliceID      = "11111111-0000-4000-8000-000000000001"
	disabledUser = "gone@" + domain // switched off
	bob          = "bob@" + theirDomain
	bobID        = "11111111-0000-4000-8000-000000000003"
	password     = "Correct-horse-battery-9"
	theirTenant  = other
	theirDomain  = "fabrikam.example"

	webRedirect   = "https://app.test/callback"
	pageRedirect  = "https://page.test/"
	localRedirect = "http://localhost:54321"
)

// addUsers adds users of two tenants and the applications with which they sign in.
func (f *fixture) addUsers(t testing.TB) {
	t.Helper()
	good, err := directory.NewSecret("k1", secret, start.AddDate(-1, 0, 0), start.AddDate(50, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	secrets := []directory.Secret{good}
	d := f.Directory
	add := func(tx store.Tx, a directory.Application) error {
		if a.TenantID == "" {
			a.TenantID = tenant
		}
		a.ID = "object-" + a.AppID
		return errors.Join(d.CreateApplication(tx, a), d.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: "sp-" + a.AppID, AppID: a.AppID, TenantID: a.TenantID, DisplayName: a.DisplayName, Type: directory.TypeApplication, Enabled: true,
		}))
	}
	hash, err := d.HashPassword(t.Context(), password, throttle.Waiter{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.store.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(
			d.PutTenant(tx, directory.Tenant{ID: theirTenant, DisplayName: "Fabrikam", DefaultDomain: theirDomain}),
			d.CreateUser(tx, directory.User{ID: aliceID, TenantID: tenant, UserPrincipalName: alice, DisplayName: "Alice <b>", GivenName: "Alice", Surname: "Liddell", Mail: "a@mail.test", Enabled: true}, hash),
			d.CreateUser(tx, directory.User{ID: "11111111-0000-4000-8000-000000000002", TenantID: tenant, UserPrincipalName: disabledUser, Enabled: false}, hash),
			d.CreateUser(tx, directory.User{ID: bobID, TenantID: theirTenant, UserPrincipalName: bob, DisplayName: "Bob", Enabled: true}, hash),
			add(tx, directory.Application{AppID: webApp, DisplayName: "Web <i>app</i>", Secrets: secrets, Redirects: directory.Redirects{Web: []string{webRedirect, "https://app.test/other?x=1"}}}),
			add(tx, directory.Application{AppID: pageApp, DisplayName: "Page", Redirects: directory.Redirects{SPA: []string{pageRedirect}}}),
			add(tx, directory.Application{AppID: localApp, DisplayName: "Tool", PublicClient: true, Redirects: directory.Redirects{Public: []string{"http://localhost", "http://127.0.0.1/back", "myapp://auth"}}}),
			add(tx, directory.Application{AppID: apiApp, DisplayName: "API", Secrets: secrets, IdentifierURIs: []string{"api://api"}}),
			add(tx, directory.Application{AppID: certApp, DisplayName: "Certs"}),
			add(tx, directory.Application{AppID: theirApp, TenantID: theirTenant, DisplayName: "Theirs", Secrets: secrets, PublicClient: true, Redirects: directory.Redirects{Public: []string{"http://localhost"}}}),
			add(tx, directory.Application{AppID: newerApp, DisplayName: "Newer", IdentifierURIs: []string{"api://newer"}, TokenVersion: 2}),
			d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, aliceID),
			d.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, "sp-"+certApp), // because the last one cannot be removed
		)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func newFixtureWithUsers(t testing.TB) *fixture {
	f := newFixture(t)
	f.addUsers(t)
	f.consentToAll(t)
	return f
}

// consentToAll adds an administrator's consent for all applications, at Graph, ARM, apiApp and newerApp.
func (f *fixture) consentToAll(t testing.TB) {
	t.Helper()
	for _, app := range []string{webApp, pageApp, localApp, apiApp, certApp} {
		for resource, scope := range map[string]string{
			directory.GraphAppID: "openid profile email offline_access User.Read",
			directory.ARMAppID:   "user_impersonation",
			apiApp:               "user_impersonation Things.Read",
			newerApp:             "user_impersonation Things.Read",
		} {
			f.consent(t, app, resource, "", scope)
		}
	}
	f.consent(t, theirApp, directory.ARMAppID, "", "user_impersonation")
}

// consent adds a permission grant of an application at a resource, for one user or, if user is empty, for all.
func (f *fixture) consent(t testing.TB, app, resource, user, scope string) (id string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		in := tenant
		if app == theirApp {
			in = theirTenant
		}
		at, err := f.Directory.ServicePrincipalByAppID(tx, in, resource)
		if err != nil {
			return err
		}
		g := directory.PermissionGrant{TenantID: in, ClientID: "sp-" + app, ResourceID: at.ID, PrincipalID: user, Scope: scope, ConsentType: directory.ConsentPrincipal}
		if user == "" {
			g.ConsentType = directory.ConsentAllPrincipals
		}
		g, err = f.Directory.AddPermissions(tx, g)
		id = g.ID
		return err
	})
	return id
}

// update changes the directory.
func (f *fixture) update(t testing.TB, fn func(tx store.Tx) error) {
	t.Helper()
	if _, err := f.store.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// browser is a browser that keeps cookies and does what the scripts of pages do with its key. It follows
// the redirects from a form to a page of the server, and no others. A page that leads to another site by
// itself looks like a redirect, whose page was checked.
type browser struct {
	t       testing.TB
	f       *fixture
	cookies map[string]string
	host    string // the Host header; empty: the server's own
	plain   bool   // it is another program than a browser, and does not ask for HTML
	refuses bool   // it keeps no cookies
	at      string // the address of the last page
	key     string // kept in local storage for the server's origin; empty: no scripts run
}

func (f *fixture) browse(t testing.TB) *browser {
	key := make([]byte, 32)
	rand.Read(key)
	return &browser{t: t, f: f, cookies: map[string]string{}, key: base64.RawURLEncoding.EncodeToString(key)}
}

// cookie returns the value of the cookie of a kind, or an empty string. The suffix of its name is ignored.
func (b *browser) cookie(kind string) string {
	for name, value := range b.cookies {
		if strings.HasPrefix(name, "__Host-midas-"+kind+"-") {
			return value
		}
	}
	return ""
}

func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	b.t.Helper()
	if b.host != "" {
		r.Host = b.host
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	if !b.plain {
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	}
	w := b.f.do(r)
	for _, c := range w.Result().Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, "__Host-") {
			b.t.Errorf("cookie %v", c)
		}
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 || b.refuses {
			delete(b.cookies, c.Name)
		}
	}
	b.at = r.URL.String()
	if to, leaves := strings.CutPrefix(w.Header().Get("Refresh"), "0;url="); leaves {
		safePage(b.t, w)
		if link := regexp.MustCompile(`<a class="button" href="([^"]*)"`).FindStringSubmatch(w.Body.String()); link != nil && html.UnescapeString(link[1]) != to {
			b.t.Errorf("the page leads to %s, its link to %s", to, link[1])
		}
		w.Header().Set("Location", to)
		w.Code = http.StatusSeeOther
	}
	if to := w.Header().Get("Location"); r.Method == http.MethodPost && strings.HasPrefix(to, "/") && strings.Contains(to, "/login?ctx=") {
		if w.Code != http.StatusSeeOther || len(to) > 8<<10 {
			b.t.Errorf("status %d, Location %s", w.Code, to)
		}
		return b.send(httptest.NewRequest(http.MethodGet, to, nil))
	}
	return w
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.script(b.send(httptest.NewRequest(http.MethodGet, path, nil)))
}

// script does what the page's script does: it submits the page's only form with the key.
func (b *browser) script(w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	b.t.Helper()
	if b.key == "" || w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `<input type="hidden" name="action" value="resume">`) {
		return w
	}
	safePage(b.t, w)
	return b.submit(w)
}

// post sends a form as a page of the server does.
func (b *browser) post(path string, values url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.script(b.send(r))
}

// formAction and formHidden match the target and the hidden fields of a page's form.
var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	formHidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
)

func formOf(t testing.TB, w *httptest.ResponseRecorder) (action string, values url.Values) {
	t.Helper()
	body := w.Body.String()
	m := formAction.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("status %d, no form: %s", w.Code, body)
	}
	values = url.Values{}
	for _, hidden := range formHidden.FindAllStringSubmatch(body, -1) {
		values.Set(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2]))
	}
	return html.UnescapeString(m[1]), values
}

// submit submits a page's form with the given fields: name and value.
func (b *browser) submit(w *httptest.ResponseRecorder, fields ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	action, values := formOf(b.t, w)
	if values.Has("key") {
		values.Set("key", b.key)
	}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return b.post(action, values)
}

// signOut signs one of the browser's users out.
func (b *browser) signOut(name string) {
	b.t.Helper()
	if w := b.get("/common/oauth2/v2.0/logout?logout_hint=" + name); !strings.Contains(w.Body.String(), "<h1>You are signed out</h1>") {
		b.t.Fatalf("status %d: %s", w.Code, w.Body)
	}
}

// signIn fills in the sign-in page.
func (b *browser) signIn(w *httptest.ResponseRecorder, name string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.submit(w, "action", "signin", "username", name, "password", password)
}

// reply returns the target and the parameters of a redirect to the client.
func reply(t testing.TB, w *httptest.ResponseRecorder) (to string, values url.Values) {
	t.Helper()
	location := w.Header().Get("Location")
	u, err := url.Parse(location)
	if w.Code != http.StatusSeeOther || err != nil {
		t.Fatalf("status %d, Location %q, %v: %s", w.Code, location, err, w.Body)
	}
	to, _, _ = strings.Cut(location, "?")
	return to, u.Query()
}

// verifier is a PKCE verifier (RFC 7636, appendix B); challenge computes its S256 challenge.
const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorizeURL is a valid authorization request of Azure CLI, with changes.
func authorizeURL(path string, changes ...string) string {
	return path + "?" + withChanges(url.Values{
		"client_id": {cli}, "response_type": {"code"}, "redirect_uri": {localRedirect}, "state": {"st&<ate"},
		"scope": {armAudience + "/.default offline_access openid profile"}, "code_challenge": {challenge(verifier)},
		"code_challenge_method": {"S256"}, "nonce": {"no<nce"},
	}, changes...)
}

func withChanges(v url.Values, changes ...string) string {
	for i := 0; i < len(changes); i += 2 {
		v.Del(changes[i])
		if changes[i+1] != "" {
			v.Set(changes[i], changes[i+1])
		}
	}
	return v.Encode()
}

const authorizeV2 = "/" + tenant + "/oauth2/v2.0/authorize"

// codeFor signs a user in and returns the code.
func (f *fixture) codeFor(t testing.TB, name, address string) string {
	t.Helper()
	b := f.browse(t)
	_, values := reply(t, b.signIn(b.get(address), name))
	if values.Get("code") == "" {
		t.Fatalf("no code: %v", values)
	}
	return values.Get("code")
}

// codeForm is a form that redeems a code of authorizeURL, with changes.
func codeForm(code string, changes ...string) string {
	return withChanges(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {cli}, "code": {code}, "redirect_uri": {localRedirect},
		"code_verifier": {verifier}, "client_info": {"1"},
	}, changes...)
}

// refreshForm is a form that uses a refresh token, with changes.
func refreshForm(token string, changes ...string) string {
	return withChanges(url.Values{"grant_type": {"refresh_token"}, "client_id": {cli}, "refresh_token": {token}}, changes...)
}

// signedIn returns a token response for Alice at Azure CLI.
func (f *fixture) signedIn(t testing.TB) map[string]any {
	t.Helper()
	answer, _ := f.granted(t, f.post(tokenV2, codeForm(f.codeFor(t, alice, authorizeURL(authorizeV2)))))
	return answer
}

// keyPair is a key with its certificate. The pairs are generated once, because generating a key is slow.
type keyPair struct {
	key  *rsa.PrivateKey
	cert directory.Certificate
}

var keyPairs = sync.OnceValues(func() ([2]keyPair, error) {
	var both [2]keyPair
	for i := range both {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return both, err
		}
		template := x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: "c"}, NotBefore: start.AddDate(-1, 0, 0), NotAfter: start.AddDate(50, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
		if err != nil {
			return both, err
		}
		if both[i].cert, err = directory.NewCertificate("", der); err != nil {
			return both, err
		}
		both[i].key = key
	}
	return both, nil
})
