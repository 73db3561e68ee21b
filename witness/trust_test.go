package witness_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"midas/internal/agent"
)

// audience registers an application that accepts tokens of a version. It returns the client id.
func (w *world) audience(t *testing.T, name string, version int) (appID string) {
	t.Helper()
	appID = w.graph(t, "POST", "/v1.0/applications", fmt.Sprintf(
		`{"displayName":%[1]q,"identifierUris":["api://%[1]s"],"api":{"requestedAccessTokenVersion":%[2]d}}`, name, version)).text("appId")
	w.graph(t, "POST", "/v1.0/servicePrincipals", fmt.Sprintf(`{"appId":%q}`, appID))
	return appID
}

// relyingParty verifies a token as any party does that knows an issuer and an audience only.
func (w *world) relyingParty(t *testing.T, issuer, audience, raw string) (*oidc.IDToken, error) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), w.guard.Client)
	provider, err := oidc.NewProvider(ctx, issuer)
	check(t, err)
	return provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, raw)
}

// The resource decides the version of a token, and so its issuer, whoever the token is for. Both issuers have the
// discovery document that a relying party looks for.
func TestRelyingPartiesVerifyTokensOfBothIssuers(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	a := w.agent(t, w.vm(t, "web1", *identity.ID))
	first := w.audience(t, "first", 1)
	second := w.audience(t, "second", 2)
	v1, v2 := w.Endpoint+"/"+w.TenantID+"/", w.Endpoint+"/"+w.TenantID+"/v2.0"
	for _, row := range []struct{ resource, issuer, audience, version, client string }{
		{"sts.amazonaws.com", v1, "sts.amazonaws.com", "1.0", "appid"},
		{"api://first", v1, "api://first", "1.0", "appid"},
		{first, v1, first, "1.0", "appid"},
		{"api://second", v2, second, "2.0", "azp"},
		{second, v2, second, "2.0", "azp"},
	} {
		tokens := map[string]string{"metadata service": metadataToken(t, a, row.resource)}
		if strings.Contains(row.resource, "-") || strings.HasPrefix(row.resource, "api:") {
			tokens["token endpoint"] = w.Token(t, row.resource)
		}
		for from, raw := range tokens {
			verified, err := w.relyingParty(t, row.issuer, row.audience, raw)
			if err != nil {
				t.Errorf("%s, for %s: %v", from, row.resource, err)
				continue
			}
			var claims map[string]any
			check(t, verified.Claims(&claims))
			if claims["ver"] != row.version || claims[row.client] == nil || claims["sub"] != claims["oid"] {
				t.Errorf("%s, for %s: %v", from, row.resource, claims)
			}
			if from == "metadata service" && (verified.Subject != *identity.Properties.PrincipalID || claims[row.client] != *identity.Properties.ClientID) {
				t.Errorf("for %s: the token is not the identity's: %v", row.resource, claims)
			}
			other := v1
			if row.issuer == v1 {
				other = v2
			}
			if _, err := w.relyingParty(t, other, row.audience, raw); err == nil {
				t.Errorf("%s, for %s: it verifies at %s too", from, row.resource, other)
			}
		}
	}
}

func metadataToken(t *testing.T, a *agent.Server, resource string) string {
	t.Helper()
	token, reason := imds(t, a, url.QueryEscape(resource), "")
	if token == "" {
		t.Fatalf("no token for %s: %s", resource, reason)
	}
	return token
}
