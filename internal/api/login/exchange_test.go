package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/store"
	"midas/internal/token"
)

func TestOutsideAssertionsGiveTokensOfManagedIdentities(t *testing.T) {
	e := newExchange(t)
	for _, path := range []string{tokenV2, "/" + domain + "/oauth2/v2.0/token", "/adfs/oauth2/token", tokenV1} {
		t.Run(path, func(t *testing.T) {
			form := exchangeForm(e.foreign().sign(t))
			if strings.HasSuffix(path, "oauth2/token") {
				form = exchangeForm(e.foreign().sign(t), "scope", "", "resource", armAudience)
			}
			_, c := e.granted(t, e.post(path, form))
			if c.ObjectID != managedID || c.Subject != managedID || c.AppID != managedClient || c.AppIDACR != "2" || c.IdentityType != "app" || c.TenantID != tenant ||
				c.Audience != armAudience || c.MIResourceID != managedPath || c.Attested {
				t.Errorf("claims %+v", c)
			}
		})
	}
	_, c := e.granted(t, e.post(tokenV2, exchangeForm(e.foreign().sign(t), "scope", "api://newer/.default")))
	if c.MIResourceID != "" || c.Version != token.V2 || c.Audience != newerApp {
		t.Errorf("an application of the tenant gets %+v", c)
	}
}

func TestOutsideAssertionsOfDifferentFormsAreAccepted(t *testing.T) {
	e := newExchange(t)
	now := e.time().Unix()
	for name, change := range map[string]func(*clientAssertion){
		"typ JWT":                  header("typ", "JWT"),
		"typ of OpenID":            header("typ", "http://openid.net/specs/jwt/1.0"),
		"an array of one audience": claim("aud", []string{tokenExchange}),
		"no nbf and no iat":        func(s *clientAssertion) { claim("nbf", nil)(s); claim("iat", nil)(s) },
		"valid for a year":         claim("exp", now+365*86400),
		"a clock that is fast":     func(s *clientAssertion) { claim("nbf", now+290)(s); claim("iat", now+290)(s) },
		"a clock that is slow":     claim("exp", now-290),
		"an enterprise":            func(s *clientAssertion) { claim("iss", outsideLogin)(s); claim("enterprise", "fabrikam")(s) },
		"headers that name keys": func(s *clientAssertion) {
			header("jku", "https://evil.test/keys")(s)
			header("x5u", "https://evil.test/cert")(s)
		},
	} {
		t.Run(name, func(t *testing.T) { e.granted(t, e.post(tokenV2, exchangeForm(e.foreign(change).sign(t)))) })
	}
	// Kubernetes gives a pod one token for an hour, so it is presented again and again, from any address.
	again := exchangeForm(e.foreign().sign(t))
	for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
		e.address = address
		e.granted(t, e.post(tokenV2, again))
	}
}

// TestOutsideAssertionsAuthenticateApplications uses them in the grants in which Entra takes client assertions.
func TestOutsideAssertionsAuthenticateApplications(t *testing.T) {
	e := newExchange(t)
	const app = "sp-" + webApp
	e.trust(app, outside, workload, tokenExchange)
	with := func(form string) string {
		v, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		v.Del("client_secret")
		v.Set("client_assertion", e.foreign().sign(t))
		v.Set("client_assertion_type", jwtBearer)
		return v.Encode()
	}
	_, c := e.granted(t, e.post(tokenV2, with(clientCredentialsForm("client_id", webApp))))
	if c.ObjectID != app || c.AppID != webApp || c.AppIDACR != "2" || c.MIResourceID != "" {
		t.Errorf("client credentials: %+v", c)
	}
	answer, c := e.granted(t, e.post(tokenV2, with(codeForm(e.codeFor(t, alice, authorizeURL(authorizeV2, "client_id", webApp, "redirect_uri", webRedirect)), "client_id", webApp, "redirect_uri", webRedirect))))
	if c.ObjectID != aliceID || c.AppIDACR != "2" {
		t.Errorf("authorization code: %+v", c)
	}
	_, c = e.granted(t, e.post(tokenV2, with(refreshForm(answer["refresh_token"].(string), "client_id", webApp))))
	if c.ObjectID != aliceID || c.AppIDACR != "2" {
		t.Errorf("refresh token: %+v", c)
	}
	wrong := strings.Replace(with(clientCredentialsForm("client_id", webApp)), "client_id="+webApp, "client_id="+certApp, 1)
	e.all["sp-"+certApp] = nil
	e.refused(t, e.post(tokenV2, wrong), http.StatusUnauthorized, 70025)
}

func TestFlexibleCredentialsAreExchanged(t *testing.T) {
	e := newExchange(t)
	e.all[managedID] = []federation.Credential{{Issuer: outside, Expression: "claims['sub'] matches 'system:serviceaccount:apps:*'", Audiences: []string{tokenExchange}}}
	e.granted(t, e.post(tokenV2, exchangeForm(e.foreign().sign(t))))
	e.refused(t, e.post(tokenV2, exchangeForm(e.foreign(claim("sub", "system:serviceaccount:other:web")).sign(t))), 401, 700213)
}

// TestManagedIdentitiesWithoutAnAssertionAreRefused has the other grants and credentials of a managed identity.
func TestManagedIdentitiesWithoutAnAssertionAreRefused(t *testing.T) {
	e := newExchange(t)
	e.refused(t, e.post(tokenV2, clientCredentialsForm("client_id", managedClient)), 401, 7000215)
	e.refused(t, e.post(tokenV2, clientCredentialsForm("client_id", managedClient, "client_secret", "")), 401, 7000218)
	for _, grant := range []string{"authorization_code", "refresh_token", "password"} {
		w := e.post(tokenV2, exchangeForm(e.foreign().sign(t), "grant_type", grant, "code", "x", "refresh_token", "x", "username", alice, "password", password, "redirect_uri", webRedirect))
		if w.Code == http.StatusOK {
			t.Errorf("%s gives a token", grant)
		}
	}
}

func TestDisabledAndDeletedIdentitiesGetNothing(t *testing.T) {
	e := newExchange(t)
	form := exchangeForm(e.foreign().sign(t))
	for _, tenant := range []string{theirTenant, theirDomain} {
		e.refused(t, e.post("/"+tenant+"/oauth2/v2.0/token", form), 400, 700016)
	}
	change := func(enabled bool) {
		e.update(t, func(tx store.Tx) error {
			p, err := e.Directory.ServicePrincipal(tx, tenant, managedID)
			p.Enabled = enabled
			if err != nil {
				return err
			}
			return e.Directory.UpdateServicePrincipal(tx, p)
		})
	}
	change(false)
	e.refused(t, e.post(tokenV2, form), 401, 7000112)
	change(true)
	_, before := e.granted(t, e.post(tokenV2, form))
	e.update(t, func(tx store.Tx) error { return e.Directory.RevokeTokens(tx, tenant, managedID) })
	if _, after := e.granted(t, e.post(tokenV2, form)); !after.Issued.After(before.Issued) {
		t.Errorf("after a revocation the token is of %s, before of %s", after.Issued, before.Issued)
	}
	e.update(t, func(tx store.Tx) error { return e.Directory.DeleteManagedIdentityPrincipal(tx, tenant, managedID) })
	e.refused(t, e.post(tokenV2, form), 400, 700016)
}

// TestManagedIdentityIsAFederatedCredential presents the metadata service's token for the exchange.
func TestManagedIdentityIsAFederatedCredential(t *testing.T) {
	e := newExchange(t)
	for name, issuer := range map[string]string{"own name": e.issuer().IssuerV2(tenant), "Azure's name": "https://login.microsoftonline.com/" + tenant + "/v2.0"} {
		t.Run(name, func(t *testing.T) {
			e.all["sp-"+certApp] = []federation.Credential{{Issuer: issuer, Subject: managedID, Audiences: []string{tokenExchange}}}
			_, c := e.granted(t, e.post(tokenV2, assertionForm(e.own(t))))
			if c.ObjectID != "sp-"+certApp || c.AppIDACR != "2" {
				t.Errorf("claims %+v", c)
			}
			e.refused(t, e.post(tokenV2, assertionForm(e.own(t, func(c *token.Claims) { c.Subject, c.ObjectID = "x", "x" }))), 400, 700016)
		})
	}
	e.all["sp-"+certApp] = []federation.Credential{{Issuer: e.issuer().IssuerV2(tenant), Subject: strings.ToUpper(managedID[:8]) + "x", Audiences: []string{tokenExchange}}}
	e.refused(t, e.post(tokenV2, assertionForm(e.own(t))), 401, 700213)
	e.all["sp-"+certApp] = []federation.Credential{{Issuer: outside, Subject: managedID, Audiences: []string{tokenExchange}}}
	e.refused(t, e.post(tokenV2, assertionForm(e.own(t))), 401, 700211)
	e.all["sp-"+certApp] = nil
	e.refused(t, e.post(tokenV2, assertionForm(e.own(t))), 401, 70025)
}

// TestOwnTokensAreCurrent presents tokens of a managed identity that was disabled, revoked or deleted since.
func TestOwnTokensAreCurrent(t *testing.T) {
	e := newExchange(t)
	e.all["sp-"+certApp] = []federation.Credential{{Issuer: e.issuer().IssuerV2(tenant), Subject: managedID, Audiences: []string{tokenExchange}}}
	form := assertionForm(e.own(t))
	e.granted(t, e.post(tokenV2, form))
	e.update(t, func(tx store.Tx) error { return e.Directory.RevokeTokens(tx, tenant, managedID) })
	e.refused(t, e.post(tokenV2, form), 400, 50173)
	e.advance(2 * time.Hour)
	e.refused(t, e.post(tokenV2, form), 401, 700024)
	form = assertionForm(e.own(t))
	e.granted(t, e.post(tokenV2, form))
	e.update(t, func(tx store.Tx) error {
		p, err := e.Directory.ServicePrincipal(tx, tenant, managedID)
		if err != nil {
			return err
		}
		p.Enabled = false
		return e.Directory.UpdateServicePrincipal(tx, p)
	})
	e.refused(t, e.post(tokenV2, form), 401, 7000112)
	e.update(t, func(tx store.Tx) error { return e.Directory.DeleteManagedIdentityPrincipal(tx, tenant, managedID) })
	e.refused(t, e.post(tokenV2, form), 400, 700016)
}

// TestChainsHaveOneLink exchanges an outside token for a managed identity's token for the exchange, which is not
// accepted in turn.
func TestChainsHaveOneLink(t *testing.T) {
	e := newExchange(t)
	e.all["sp-"+certApp] = []federation.Credential{{Issuer: e.issuer().IssuerV2(tenant), Subject: managedID, Audiences: []string{tokenExchange}}}
	answer, c := e.granted(t, e.post(tokenV2, exchangeForm(e.foreign().sign(t), "scope", tokenExchange+"/.default")))
	if c.Audience != exchangeClient || c.Version != token.V2 {
		t.Errorf("claims %+v", c)
	}
	e.refused(t, e.post(tokenV2, assertionForm(answer["access_token"].(string))), 401, 700231)

	e.all["sp-"+certApp] = []federation.Credential{{Issuer: e.issuer().IssuerV2(tenant), Subject: object, Audiences: []string{tokenExchange}}}
	answer, _ = e.granted(t, e.post(tokenV2, clientCredentialsForm("scope", tokenExchange+"/.default")))
	e.refused(t, e.post(tokenV2, assertionForm(answer["access_token"].(string))), 401, 700226)
	users, _ := e.granted(t, e.post(tokenV2, passwordForm("scope", "openid "+armAudience+"/.default")))
	e.all["sp-"+certApp] = []federation.Credential{{Issuer: e.issuer().IssuerV2(tenant), Subject: aliceID, Audiences: []string{tokenExchange}}}
	e.refused(t, e.post(tokenV2, assertionForm(users["id_token"].(string))), 401, 700222)
}

// TestSystemAssignedIdentitiesAreNoCredentials because Entra has only user-assigned ones.
func TestSystemAssignedIdentitiesAreNoCredentials(t *testing.T) {
	e := newExchange(t)
	const id, app = "33333333-0000-4000-8000-000000000003", "33333333-0000-4000-8000-000000000004"
	e.update(t, func(tx store.Tx) error {
		return e.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: id, AppID: app, TenantID: tenant, DisplayName: "vm", Type: directory.TypeManagedIdentity, Enabled: true,
			ResourceID: "/subscriptions/44444444-0000-4000-8000-000000000001/resourcegroups/rg/providers/Microsoft.Compute/virtualMachines/vm",
		})
	})
	e.all["sp-"+certApp] = []federation.Credential{{Issuer: e.issuer().IssuerV2(tenant), Subject: id, Audiences: []string{tokenExchange}}}
	e.refused(t, e.post(tokenV2, assertionForm(e.own(t, func(c *token.Claims) { c.Subject, c.ObjectID, c.AppID = id, id, app }))), 401, 700222)
}
