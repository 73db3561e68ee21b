package login_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/store"
)

const (
	managedID      = "33333333-0000-4000-8000-000000000001" // principal of a user-assigned identity
	managedClient  = "33333333-0000-4000-8000-000000000002"
	managedPath    = "/subscriptions/44444444-0000-4000-8000-000000000001/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	outside        = "https://outside.test" // its keys are in a file
	outsideLogin   = "https://enterprise.test"
	outsideDown    = "https://127.0.0.1:1" // nothing listens there
	workload       = "system:serviceaccount:apps:web"
	tokenExchange  = "api://AzureADTokenExchange"
	exchangeClient = "fb60f99c-7a34-4190-8149-302f77469936"
)

// exchange is a fixture whose managed identity and whose application certApp trust outside issuers.
type exchange struct {
	*fixture
	keys [2]keyPair // the first one is the issuers'
	all  map[string][]federation.Credential
}

func newExchange(t testing.TB) *exchange {
	t.Helper()
	f := newFixtureWithUsers(t)
	e := &exchange{fixture: f, keys: f.addCertificate(t), all: map[string][]federation.Credential{}}
	f.update(t, func(tx store.Tx) error {
		return f.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: managedID, AppID: managedClient, TenantID: tenant, DisplayName: "app", Type: directory.TypeManagedIdentity, Enabled: true, ResourceID: managedPath,
		})
	})
	public := e.keys[0].key.PublicKey
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid(e.keys[0]),
		"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	issuers, err := federation.NewIssuers(federation.IssuersConfig{Now: f.time, Settings: []federation.IssuerSettings{
		{Issuer: outside, JWKS: file}, {Issuer: outsideLogin, JWKS: file, Enterprise: []string{"contoso", "fabrikam"}},
		{Issuer: outsideDown, Private: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.Issuers = issuers
	f.Federated = func(_ context.Context, p directory.ServicePrincipal) ([]federation.Credential, error) {
		return e.all[p.ID], nil
	}
	for _, issuer := range []string{outside, outsideLogin, outsideDown} {
		e.trust(managedID, issuer, workload, tokenExchange)
		e.trust("sp-"+certApp, issuer, workload, tokenExchange)
	}
	return e
}

// trust adds a federated credential to a principal.
func (e *exchange) trust(principal, issuer, subject, audience string) {
	e.all[principal] = append(e.all[principal], federation.Credential{Name: "fic", Issuer: issuer, Subject: subject, Audiences: []string{audience}})
}

// kid is the key id of a key in the issuers' documents.
func kid(p keyPair) string {
	sum := sha1.Sum(p.cert.DER)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// foreign is an assertion of the first outside issuer that is accepted.
func (e *exchange) foreign(changes ...func(*clientAssertion)) *clientAssertion {
	now := e.time().Unix()
	s := &clientAssertion{
		alg: jose.RS256, key: e.keys[0].key, header: map[string]any{"kid": kid(e.keys[0])},
		claims: map[string]any{"iss": outside, "sub": workload, "aud": tokenExchange, "nbf": now, "iat": now, "exp": now + 600},
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

// claim sets a claim of an assertion. The value nil removes it.
func claim(name string, value any) func(*clientAssertion) {
	return func(s *clientAssertion) {
		if s.claims[name] = value; value == nil {
			delete(s.claims, name)
		}
	}
}

// header sets a member of an assertion's header.
func header(name string, value any) func(*clientAssertion) {
	return func(s *clientAssertion) { s.header[name] = value }
}

// exchangeForm is a request of the managed identity, with changes.
func exchangeForm(assertion string, changes ...string) string {
	return assertionForm(assertion, append([]string{"client_id", managedClient}, changes...)...)
}
