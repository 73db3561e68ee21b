package login_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/api/login"
	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/throttle"
	"midas/internal/token"
)

const (
	origin      = "https://login.test:8443"
	tenant      = "8d3e9b1c-0d3b-4c1c-9e6c-6f6a3d3f0a11"
	domain      = "contoso.example"
	other       = "1f0e9b1c-0d3b-4c1c-9e6c-6f6a3d3f0a22"
	client      = "c1a9f0de-6a35-4f6e-8a0b-1b2c3d4e5f60"
	disabledApp = "c1a9f0de-0000-4f6e-8a0b-1b2c3d4e5f61"
	expiredApp  = "c1a9f0de-0000-4f6e-8a0b-1b2c3d4e5f62"
	object      = "2f0c3a55-7f44-4a52-a3a7-0f2a3b4c5d6e"
	secret      = "well+known/secret%of&tests=1"
	armAudience = "https://management.core.windows.net/"
	request     = "99999999-0000-4000-8000-000000000001"
	caller      = "39e4c37b-acff-469e-bf35-2fc35ee16201"

	jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// start is a time with a fraction of a second.
var start = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)

// fixture is a login handler with one tenant and three applications: an enabled one, a disabled one, and one
// whose secret has expired.
type fixture struct {
	*login.Config
	*login.Handler
	store    store.Store
	keys     *token.Keys
	verifier *token.Verifier
	mu       sync.Mutex
	now      time.Time
	event    httpx.Event // of the last request
	address  string      // of the client; empty: 192.0.2.1
	ids      atomic.Int64
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{store: storetest.Memory(t), now: start}
	keys, err := token.OpenKeys(context.Background(), token.KeysConfig{
		Store: f.store, Master: seal.MasterKey{1}, Now: f.time, MaxTokenLifetime: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.keys = keys
	newID := func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", f.ids.Add(1)) }
	issuer := &token.Issuer{Keys: keys, Now: f.time, NewID: newID, Origin: origin}
	f.verifier = &token.Verifier{Keys: keys, Now: f.time, Origin: origin}
	table := &throttle.Table{Now: f.time}
	f.Config = &login.Config{
		Throttle: table, Passwords: &throttle.PasswordLimiter{Table: table},
		Directory: &directory.Directory{Store: f.store, Now: f.time, NewID: newID},
		Minter:    token.NewMinter(issuer),
		Tokens:    f.verifier, HomeTenant: tenant,
		Now: f.time, NewID: newID,
	}
	sealer, err := grant.NewSealer(seal.MasterKey{2})
	if err != nil {
		t.Fatal(err)
	}
	f.Grants = &grant.Grants{Store: f.store, Sealer: sealer, Now: f.time, NewID: newID}
	f.Passwords.Familiar = f.Grants
	f.Handler = login.New(f.Config)
	f.addTenant(t)
	return f
}

func (f *fixture) time() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fixture) addTenant(t testing.TB) {
	t.Helper()
	good, err := directory.NewSecret("k1", secret, start.AddDate(-1, 0, 0), start.AddDate(50, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	ended := good
	ended.End = start
	d := f.Directory
	_, err = f.store.Update(context.Background(), func(tx store.Tx) error {
		add := func(app, oid, name string, enabled bool, s directory.Secret) error {
			return errors.Join(
				d.CreateApplication(tx, directory.Application{ID: "app-" + oid, AppID: app, TenantID: tenant, DisplayName: name, Secrets: []directory.Secret{s}}),
				d.CreateServicePrincipal(tx, directory.ServicePrincipal{ID: oid, AppID: app, TenantID: tenant, DisplayName: name, Type: directory.TypeApplication, Enabled: enabled}))
		}
		return errors.Join(
			d.PutTenant(tx, directory.Tenant{ID: tenant, DisplayName: "Contoso", DefaultDomain: domain}),
			add(client, object, "app", true, good),
			add(disabledApp, "sp-off", "switched off", false, good),
			add(expiredApp, "sp-over", "app", true, ended),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ServeHTTP fills the event as httpx does before it calls the handler. The transport policy includes
// subdomains, as that of Entra does.
func (f *fixture) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ev := httpx.Event{RequestID: request, CorrelationID: request, ClientIP: "192.0.2.1", Method: r.Method, StrictSubdomains: true}
	if f.address != "" {
		ev.ClientIP = f.address
	}
	f.Serve(w, r, &ev)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.event = ev
}

// do sends one request.
func (f *fixture) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// get reads a document.
func (f *fixture) get(path string) *httptest.ResponseRecorder {
	return f.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// post sends an encoded form.
func (f *fixture) post(path, form string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return f.do(r)
}

const (
	tokenV2 = "/" + tenant + "/oauth2/v2.0/token"
	tokenV1 = "/" + tenant + "/oauth2/token"
)

// clientCredentialsForm is a valid form with changes: name and value, or name and "" to remove a field.
func clientCredentialsForm(changes ...string) string {
	v := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret},
		"scope": {armAudience + "/.default"},
	}
	for i := 0; i < len(changes); i += 2 {
		v.Del(changes[i])
		if changes[i+1] != "" {
			v.Set(changes[i], changes[i+1])
		}
	}
	return v.Encode()
}

// basic is an Authorization header of id and secret, each encoded.
func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func decode(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("status %d, the body is not a JSON object: %v: %q", w.Code, err, w.Body.String())
	}
	return m
}

// granted returns the response and the token's claims. It fails the test if the response has no valid token.
func (f *fixture) granted(t testing.TB, w *httptest.ResponseRecorder) (answer map[string]any, claims *token.Claims) {
	t.Helper()
	answer = decode(t, w)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %v", w.Code, answer["error_description"])
	}
	raw, _ := answer["access_token"].(string)
	claims, err := f.verifier.Verify(context.Background(), raw)
	if err != nil {
		t.Fatalf("the token is refused: %v", err)
	}
	return answer, claims
}
