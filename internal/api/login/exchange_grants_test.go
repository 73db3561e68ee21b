package login_test

import "testing"

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

// TestForgeriesDoNotStopTheWorkload because many workloads share an address, and whoever knows the name of a credential
// can make assertions that match it. A wrong signature costs a bounded number of public-key operations and is not
// counted: it cannot be guessed, as a secret can.
func TestForgeriesDoNotStopTheWorkload(t *testing.T) {
	e := newExchange(t)
	forged := e.foreign()
	forged.key = e.keys[1].key
	raw := forged.sign(t)
	for range 100 {
		e.refused(t, e.post(tokenV2, exchangeForm(raw)), 401, 700027)
	}
	e.granted(t, e.post(tokenV2, exchangeForm(e.foreign().sign(t))))
}
