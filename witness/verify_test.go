package witness_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"midas/midastest"
	"midas/verify"
)

// verifier is a service of another team, which knows the server's issuer and authority only.
func (w *world) verifier(t *testing.T, issuer, audience string, options ...verify.Option) *verify.Verifier {
	t.Helper()
	pem, err := os.ReadFile(w.CAFile)
	check(t, err)
	v, err := verify.New(t.Context(), issuer, audience, append(options, verify.WithCA(pem))...)
	check(t, err)
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// TestServicesVerifyTokensOfTheServer presents everything that the server gives out to a service.
func TestServicesVerifyTokensOfTheServer(t *testing.T) {
	w := watch(t, midastest.Start(t, midastest.Lab()))
	w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	a := w.agent(t, w.vm(t, "web1", *identity.ID))
	base := w.Endpoint + "/" + w.TenantID
	billing := w.audience(t, "billing", 1)
	user := w.signIn(t, "https://graph.microsoft.com/.default openid offline_access")
	bound := registered{client: w.ClientID, secret: w.ClientSecret}.token(t, w,
		"token_type", "pop", "req_cnf", base64.RawURLEncoding.EncodeToString([]byte(`{"kid":"k"}`)))
	for _, issuer := range []string{base + "/v2.0", base + "/"} {
		for name, tt := range map[string]struct {
			audience, raw string
			want          error
		}{
			"a managed identity, version 1.0": {"api://billing", metadataToken(t, a, "api://billing"), nil},
			"a managed identity, by id":       {billing, metadataToken(t, a, billing), nil},
			"an application":                  {"api://billing", w.Token(t, "api://billing"), nil},
			"a resource of no registration":   {"api://anything", w.Token(t, "api://anything"), nil},
			"a user":                          {"https://graph.microsoft.com", user["access_token"], nil},
			"another audience":                {"api://billing", w.Token(t, midastest.Management), verify.ErrAudience},
			"an id_token":                     {azureCLI, user["id_token"], verify.ErrIDToken},
			"a refresh token":                 {azureCLI, user["refresh_token"], verify.ErrMalformed},
			"a token bound to a key":          {midastest.Management, bound, verify.ErrBound},
		} {
			c, err := w.verifier(t, issuer, tt.audience).Verify(t.Context(), tt.raw)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: %s: the error is %v, want %v", issuer, name, err, tt.want)
			}
			if err == nil && (c.Application == (name == "a user") || c.User == c.Application || c.TenantID != w.TenantID) {
				t.Errorf("%s: %s: %+v", issuer, name, c)
			}
		}
		second := w.claimsOfVersion2(t, issuer)
		if second.Version != "2.0" || second.ClientID != w.ClientID {
			t.Errorf("%s: %+v", issuer, second)
		}
	}
	for _, p := range w.forgedTokens(t) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = p.header
		if _, err := w.verifier(t, base+"/v2.0", midastest.Management).VerifyRequest(r); err == nil {
			t.Errorf("%s is accepted", p.name)
		}
	}
}

// claimsOfVersion2 verifies a token for an application that accepts version 2.0, whose audience is its client id.
func (w *world) claimsOfVersion2(t *testing.T, issuer string) *verify.Claims {
	t.Helper()
	client := w.audience(t, "second"+time.Now().Format("150405.000000000"), 2)
	c, err := w.verifier(t, issuer, client).Verify(t.Context(), w.Token(t, client))
	check(t, err)
	return c
}
