package federation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/federation"
	"midas/internal/outbound"
	"midas/internal/token"
)

// rsaKeys makes RSA keys once for all tests, because that takes long.
var rsaKeys = sync.OnceValue(func() (keys [3]*rsa.PrivateKey) {
	for i := range keys {
		keys[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return keys
})

// testIssuer is an issuer at a loopback address. Its documents can be replaced by wrong ones.
type testIssuer struct {
	*httptest.Server
	URL string // the issuer; the same as Server.URL if a test does not change it
	CA  string // the file with its certificate

	Discovery, Keys atomic.Int64 // how often each was asked for

	mu        sync.Mutex
	discovery map[string]any
	keys      []any
	serve     map[string]http.HandlerFunc // by path, instead of the documents
}

func newTestIssuer(t *testing.T) *testIssuer {
	t.Helper()
	i := &testIssuer{serve: map[string]http.HandlerFunc{}}
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(i.answer))
	i.Server.Config.ErrorLog = log.New(io.Discard, "", 0)
	i.StartTLS()
	t.Cleanup(i.Close)
	i.URL, i.CA = i.Server.URL, filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw})
	if err := os.WriteFile(i.CA, block, 0o600); err != nil {
		t.Fatal(err)
	}
	i.discovery = map[string]any{
		"issuer": i.URL, "jwks_uri": i.Server.URL + "/keys", "authorization_endpoint": i.Server.URL + "/authorize",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
	}
	i.Publish(jwk("k1", 0))
	return i
}

func (i *testIssuer) answer(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	serve, doc, keys := i.serve[r.URL.Path], maps.Clone(i.discovery), map[string]any{"keys": i.keys}
	i.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		i.Discovery.Add(1)
	case "/keys":
		i.Keys.Add(1)
	}
	switch {
	case serve != nil:
		serve(w, r)
	case r.URL.Path == "/.well-known/openid-configuration":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(doc)
	case r.URL.Path == "/keys":
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_ = json.NewEncoder(w).Encode(keys)
	default:
		http.NotFound(w, r)
	}
}

// Publish replaces the keys.
func (i *testIssuer) Publish(keys ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

// Set replaces a field of the discovery document, and removes it if the value is nil.
func (i *testIssuer) Set(name string, value any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.discovery[name] = value; value == nil {
		delete(i.discovery, name)
	}
}

// Serve replaces the answer at a path; nil restores it.
func (i *testIssuer) Serve(path string, h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serve[path] = h
}

// Settings are the settings with which the issuer can be reached.
func (i *testIssuer) Settings() federation.IssuerSettings {
	return federation.IssuerSettings{Issuer: i.URL, CA: i.CA, Private: true}
}

// jwk is a public key in the form of JSON, with changes.
func jwk(kid string, n int, changes ...func(map[string]any)) map[string]any {
	return jwkOf(&rsaKeys()[n].PublicKey, kid, changes...)
}

func jwkOf(public any, kid string, changes ...func(map[string]any)) map[string]any {
	data, err := json.Marshal(jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig", Algorithm: "RS256"})
	if err != nil {
		panic(err)
	}
	var m map[string]any
	_ = json.Unmarshal(data, &m)
	for _, change := range changes {
		change(m)
	}
	return m
}

// assertion signs an assertion of an issuer with a key.
func assertion(t *testing.T, issuer, kid string, n int) *token.Assertion {
	t.Helper()
	return signed(t, issuer, kid, jose.SigningKey{Algorithm: jose.RS256, Key: rsaKeys()[n]})
}

func signed(t *testing.T, issuer, kid string, key jose.SigningKey, headers ...string) *token.Assertion {
	t.Helper()
	opts := &jose.SignerOptions{}
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	for i := 0; i < len(headers); i += 2 {
		opts = opts.WithHeader(jose.HeaderKey(headers[i]), headers[i+1])
	}
	signer, err := jose.NewSigner(key, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(fmt.Appendf(nil, `{"iss":%q,"sub":"s","aud":"a"}`, issuer))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	a, err := token.ParseAssertion(raw)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// testClock is a clock that a test sets.
type testClock struct{ nanos atomic.Int64 }

func (c *testClock) Now() time.Time {
	return time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.nanos.Load()))
}

func (c *testClock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// newIssuers makes the trust in issuers.
func newIssuers(t *testing.T, clock *testClock, settings ...federation.IssuerSettings) *federation.Issuers {
	t.Helper()
	return newIssuersWith(t, federation.IssuersConfig{Settings: settings, Now: clock.Now, Client: &outbound.Client{}})
}

func newIssuersWith(t *testing.T, cfg federation.IssuersConfig) *federation.Issuers {
	t.Helper()
	all, err := federation.NewIssuers(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func encode(w io.Writer, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

// unrelatedCA is a certificate in PEM with which no server of the tests is verified.
func unrelatedCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
