package login_test

import (
	"testing"
	"time"

	"midas/internal/throttle"
)

// TestOnBehalfOfWithAnOutsideAssertion has a service that authenticates with its workload's token, and passes on the
// token of the user who has called it.
func TestOnBehalfOfWithAnOutsideAssertion(t *testing.T) {
	e := newExchange(t)
	e.trust("sp-"+apiApp, outside, workload, tokenExchange)
	called := func(scope string) string {
		answer, _ := e.granted(t, e.post(tokenV2, codeForm(e.codeFor(t, alice, authorizeURL(authorizeV2)), "scope", scope)))
		return answer["access_token"].(string)
	}
	call := called("api://api/Read")
	passing := func(assertion, client string, changes ...string) string {
		return assertionForm(client, append([]string{
			"client_id", apiApp, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", assertion,
			"requested_token_use", "on_behalf_of", "scope", armAudience + "/.default offline_access",
		}, changes...)...)
	}
	outsideToken := e.foreign().sign(t)
	answer, claims := e.granted(t, e.post(tokenV2, passing(call, outsideToken)))
	if claims.ObjectID != aliceID || claims.AppID != apiApp || claims.AppIDACR != "2" || claims.Scopes != "user_impersonation" {
		t.Errorf("claims %v", claims)
	}
	refresh := answer["refresh_token"].(string)
	again := func(assertion string) string {
		return assertionForm(assertion, "client_id", apiApp, "grant_type", "refresh_token", "refresh_token", refresh, "scope", armAudience+"/.default")
	}
	if _, claims = e.granted(t, e.post(tokenV2, again(outsideToken))); claims.ObjectID != aliceID || claims.AppIDACR != "2" {
		t.Errorf("refreshed: claims %v", claims)
	}
	for _, tt := range []struct {
		name, form string
		status     int
		number     float64
	}{
		{"the outside token as the user's", passing(outsideToken, outsideToken), 400, 50013},
		{"the user's token as the client's", passing(call, call), 401, 700211},
		{"another subject", passing(call, e.foreign(claim("sub", "x")).sign(t)), 401, 700213},
		{"another subject refreshes", again(e.foreign(claim("sub", "x")).sign(t)), 401, 700213},
		{"refresh without a credential", refreshForm(refresh, "client_id", apiApp), 401, 7000218},
		{"a secret too", passing(call, outsideToken, "client_secret", secret), 400, 9002313},
		{"a user's token for another resource", passing(called("https://vault.azure.net/.default"), outsideToken), 400, 500131},
		{"a managed identity", passing(call, outsideToken, "client_id", managedClient), 400, 700016},
	} {
		t.Run(tt.name, func(t *testing.T) { e.refused(t, e.post(tokenV2, tt.form), tt.status, tt.number) })
	}
	e.all["sp-"+apiApp] = nil
	e.refused(t, e.post(tokenV2, again(outsideToken)), 401, 70025)
}

// TestWrongSignaturesAreThrottled because anybody who knows the name of a credential can make assertions that match it,
// and each costs a public-key operation.
func TestWrongSignaturesAreThrottled(t *testing.T) {
	e := newExchange(t)
	e.Limits.Signatures = throttle.Rule{Burst: 3, Refill: 2 * time.Second}
	wrong := func(changes ...string) int {
		t.Helper()
		forged := e.foreign()
		forged.key = e.keys[1].key
		return e.post(tokenV2, exchangeForm(forged.sign(t), changes...)).Code
	}
	for range 5 { // other refusals do not count
		e.refused(t, e.post(tokenV2, exchangeForm(e.foreign(claim("sub", "x")).sign(t))), 401, 700213)
		e.granted(t, e.post(tokenV2, exchangeForm(e.foreign().sign(t))))
	}
	for range 3 {
		if code := wrong(); code != 401 {
			t.Fatalf("status %d within the burst", code)
		}
	}
	if code := wrong(); code != 429 {
		t.Errorf("the fourth wrong signature: status %d", code)
	}
	if code := wrong("client_id", certApp); code != 401 {
		t.Errorf("another client: status %d", code)
	}
	e.advance(2 * time.Second)
	e.granted(t, e.post(tokenV2, exchangeForm(e.foreign().sign(t))))
}
