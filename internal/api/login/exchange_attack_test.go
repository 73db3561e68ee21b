package login_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"midas/internal/api/login"
	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/store"
	"midas/internal/token"
)

// raw is an assertion with a payload that is not made from claims.
func (e *exchange) raw(t testing.TB, payload string) string {
	t.Helper()
	signed := strings.Split(e.foreign().sign(t), ".")
	return signed[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." + signed[2]
}

// counted counts the assertions that are verified, each of which can make the server ask an issuer.
type counted struct {
	login.Issuers
	asked atomic.Int64
}

func (c *counted) Verify(ctx context.Context, a *token.Assertion) error {
	c.asked.Add(1)
	return c.Issuers.Verify(ctx, a)
}

// TestAttacksOnExchanges presents what attackers can make. None of it makes the server ask an issuer.
func TestAttacksOnExchanges(t *testing.T) {
	e := newExchange(t)
	issuers := &counted{Issuers: e.Issuers}
	e.Issuers = issuers
	e.trust(managedID, outside, "caf\u00e9", tokenExchange)
	member := func(text string) string {
		return e.raw(t, `{"iss":"`+outside+`","aud":"`+tokenExchange+`","exp":4102444800,`+text+`}`)
	}
	made := func(changes ...func(*clientAssertion)) string { return e.foreign(changes...).sign(t) }
	nested := made(claim("iss", nil), claim("sub", nil), claim("assertion", made()))
	for _, tt := range []struct {
		name, form string
		status     int
		number     float64
	}{
		{"another identity's workload", exchangeForm(made(claim("sub", "system:serviceaccount:apps:other"))), 401, 700213},
		{"several audiences", exchangeForm(made(claim("aud", []string{tokenExchange, "https://evil.test"}))), 401, 700212},
		{"the subject twice", exchangeForm(member(`"sub":"x","sub":"` + workload + `"`)), 401, 50027},
		{"the subject twice with an escape", exchangeForm(member(`"sub":"x","s\u0075b":"` + workload + `"`)), 401, 50027},
		{"the subject under another name", exchangeForm(member(`"SUB":"` + workload + `"`)), 401, 700213},
		{"the subject as an array", exchangeForm(member(`"sub":["` + workload + `"]`)), 401, 50027},
		{"the subject decomposed", exchangeForm(made(claim("sub", "cafe\u0301"))), 401, 700213},
		{"the subject with a zero byte", exchangeForm(made(claim("sub", workload+"\x00"))), 401, 700213},
		{"the subject with a broken escape", exchangeForm(member(`"sub":"\ud800"`)), 401, 50027},
		{"a long subject", exchangeForm(made(claim("sub", strings.Repeat("a", 9000)))), 401, 700213},
		{"a long assertion", exchangeForm(made(claim("sub", strings.Repeat("a", 16<<10)))), 401, 50027},
		{"two values", exchangeForm(member(`"sub":"x"}{"sub":"` + workload + `"`)), 401, 50027},
		{"a nested token", exchangeForm(nested), 401, 700211},
		{"a nested token by cty", exchangeForm(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","cty":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(made())) + ".YQ"), 401, 50027},
		{"crit", exchangeForm(made(header("crit", []string{"x"}), header("x", 1))), 401, 50027},
		{"b64", exchangeForm(made(header("b64", true))), 401, 50027},
		{"an encrypted token", exchangeForm("e30.e30.e30.e30.e30"), 401, 50027},
		{"an assertion in Basic too", exchangeForm(made()), 400, 9002313},
		{"an assertion and a secret", exchangeForm(made(), "client_secret", secret), 400, 9002313},
		{"the server's own name in capitals", exchangeForm(made(claim("iss", strings.ToUpper(origin)+"/"+tenant+"/v2.0"))), 401, 700211},
		{"the client's own id", exchangeForm(made(claim("iss", managedClient), claim("sub", managedClient))), 401, 700211},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if strings.Contains(tt.name, "Basic") {
				headers = []string{"Authorization", basic(managedClient, "x")}
			}
			w := e.post(tokenV2, tt.form, headers...)
			e.refused(t, w, tt.status, tt.number)
			if w.Body.Len() > 4096 {
				t.Errorf("the answer has %d bytes", w.Body.Len())
			}
		})
	}
	if n := issuers.asked.Load(); n != 0 {
		t.Errorf("%d assertions that match no credential were verified", n)
	}
}

// TestKeysInTheHeaderAreIgnored signs with a key of the attacker, which the header names in every way there is.
func TestKeysInTheHeaderAreIgnored(t *testing.T) {
	e := newExchange(t)
	mine := e.keys[1]
	jwk := map[string]any{"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(mine.key.N.Bytes()), "e": "AQAB"}
	for name, change := range map[string]func(*clientAssertion){
		"jwk":                     header("jwk", jwk),
		"x5c":                     header("x5c", []string{base64.StdEncoding.EncodeToString(mine.cert.DER)}),
		"jku":                     header("jku", "https://evil.test/keys"),
		"x5u":                     header("x5u", "https://evil.test/cert"),
		"a kid that is a path":    header("kid", "../../../../dev/null"),
		"a kid that is a URL":     header("kid", "https://evil.test/keys"),
		"a kid with a line break": header("kid", "a\r\nb"),
		"no kid":                  func(s *clientAssertion) { delete(s.header, "kid") },
	} {
		t.Run(name, func(t *testing.T) {
			s := e.foreign(change)
			s.key = mine.key
			if w := e.post(tokenV2, exchangeForm(s.sign(t))); w.Code != http.StatusUnauthorized {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
}

// TestCertificateOfTheClientSignsForNoOtherIssuer and an outside issuer signs for no client.
func TestCertificateOfTheClientSignsForNoOtherIssuer(t *testing.T) {
	e := newExchange(t)
	own := e.assertion(e.keys[0])
	own.claims["iss"], own.claims["sub"], own.claims["aud"] = outsideDown, workload, tokenExchange
	e.refused(t, e.post(tokenV2, assertionForm(own.sign(t))), 400, 501661)
	foreign := e.foreign(claim("iss", webApp), claim("sub", webApp), claim("aud", origin+tokenV2))
	e.trust("sp-"+webApp, outside, workload, tokenExchange)
	e.refused(t, e.post(tokenV2, assertionForm(foreign.sign(t), "client_id", webApp)), 401, 700027)
}

// TestRefusalsDoNotShowCredentials because strangers can ask for any client.
func TestRefusalsDoNotShowCredentials(t *testing.T) {
	e := newExchange(t)
	e.all[managedID] = []federation.Credential{{Name: "secretname", Issuer: outside, Subject: "secretsubject", Audiences: []string{"secretaudience"}}}
	for _, change := range []func(*clientAssertion){claim("iss", "https://x.test"), claim("sub", "x"), claim("sub", "SECRETSUBJECT")} {
		body := e.post(tokenV2, exchangeForm(e.foreign(change).sign(t))).Body.String()
		for _, text := range []string{"secretname", "secretsubject", "secretaudience"} {
			if strings.Contains(body, text) {
				t.Errorf("the answer has %s: %s", text, body)
			}
		}
	}
	body := e.post(tokenV2, exchangeForm(e.foreign(claim("sub", "secretsubject")).sign(t))).Body.String()
	if strings.Contains(body, "secretaudience") {
		t.Errorf("the answer has the audience: %s", body)
	}
}

// TestUnavailableCredentialsAreNotARefusal because clients must try again.
func TestUnavailableCredentialsAreNotARefusal(t *testing.T) {
	e := newExchange(t)
	e.Federated = nil
	e.refused(t, e.post(tokenV2, exchangeForm(e.foreign().sign(t))), 401, 70025)
	e.Federated = func(context.Context, directory.ServicePrincipal) ([]federation.Credential, error) {
		return nil, store.ErrUnavailable
	}
	if w := e.post(tokenV2, exchangeForm(e.foreign().sign(t))); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
