package token_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/token"
)

func userClaims(f *fixture) token.Claims {
	c := f.claims()
	c.IdentityType, c.AppIDACR, c.Scopes, c.AuthMethods = "user", "0", "user_impersonation", []string{"pwd"}
	c.UPN, c.UniqueName, c.Name, c.WellKnownIDs = "a@b.test", "a@b.test", "A", []string{"w"}
	return c
}

func TestUserTokensHaveEntrasClaims(t *testing.T) {
	f := newFixture(t)
	now := float64(start.Unix())
	shared := map[string]any{
		"aud": "https://management.azure.com", "idp": origin + "/" + tenant + "/", "idtyp": "user",
		"iat": now - 300, "nbf": now - 300, "midas_iat": now, "exp": now + 3600, "oid": object, "sub": object, "tid": tenant, "uti": "uti-1",
		"scp": "user_impersonation", "amr": []any{"pwd"}, "name": "A", "wids": []any{"w"},
	}
	for version, own := range map[string]map[string]any{
		token.V1: {"ver": "1.0", "iss": origin + "/" + tenant + "/", "appid": client, "appidacr": "0", "upn": "a@b.test", "unique_name": "a@b.test"},
		token.V2: {"ver": "2.0", "iss": origin + "/" + tenant + "/v2.0", "azp": client, "azpacr": "0", "preferred_username": "a@b.test"},
	} {
		c := userClaims(f)
		c.Version, c.UniqueID = version, "uti-1"
		raw := f.mint(t, c)
		want := map[string]any{}
		for _, m := range []map[string]any{shared, own} {
			for k, v := range m {
				want[k] = v
			}
		}
		if diff := cmp.Diff(want, part(t, raw, 1)); diff != "" {
			t.Errorf("version %s (-want +got):\n%s", version, diff)
		}
		got, err := f.verifier.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if got.AppID != client || got.UPN != "a@b.test" || got.AppIDACR != "0" || got.Version != version {
			t.Errorf("version %s: %+v", version, got)
		}
	}
}

func TestUsersDoNotShareCachedTokens(t *testing.T) {
	f := newFixture(t)
	req := f.request()
	req.Claims = userClaims(f)
	req.Claims.Expires = time.Time{}
	first := f.warm(t, req)
	for name, change := range map[string]func(*token.Claims){
		"scopes": func(c *token.Claims) { c.Scopes = "x" }, "name": func(c *token.Claims) { c.Name = "B" },
		"upn": func(c *token.Claims) { c.UPN = "b" }, "unique name": func(c *token.Claims) { c.UniqueName = "b" },
		"directory roles": func(c *token.Claims) { c.WellKnownIDs = nil }, "authentication methods": func(c *token.Claims) { c.AuthMethods = nil },
		"version": func(c *token.Claims) { c.Version = token.V2 },
	} {
		other := req
		change(&other.Claims)
		if f.warm(t, other) == first {
			t.Errorf("%s: the token of the first request is returned", name)
		}
	}
	if fresh, err := f.minter.Fresh(t.Context(), req); err != nil || fresh == first || f.warm(t, req) != first {
		t.Errorf("Fresh returned or replaced the cached token: %v", err)
	}
}

func TestIDTokensAreNotAccessTokens(t *testing.T) {
	f := newFixture(t)
	for version, issuer := range map[string]string{token.V1: origin + "/" + tenant + "/", token.V2: origin + "/" + tenant + "/v2.0"} {
		raw, err := f.issuer.MintID(t.Context(), token.IDClaims{
			Audience: "https://management.azure.com", Issuer: issuer, Subject: object, ObjectID: object, TenantID: tenant, Version: version,
		}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if claims := part(t, raw, 1); claims["exp"] != float64(start.Unix()+3600) || claims["uti"] == "" {
			t.Errorf("claims %v", claims)
		}
		if _, err := f.verifier.Verify(t.Context(), raw); !errors.Is(err, token.ErrMalformed) {
			t.Errorf("version %s: %v, want ErrMalformed", version, err)
		}
	}
	for name, c := range map[string]token.IDClaims{
		"no audience": {Issuer: "i", Subject: "s", TenantID: "t"}, "no issuer": {Audience: "a", Subject: "s", TenantID: "t"},
	} {
		if _, err := f.issuer.MintID(t.Context(), c, time.Hour); err == nil {
			t.Errorf("%s: minted", name)
		}
	}
	if _, err := f.issuer.MintID(t.Context(), token.IDClaims{Audience: "a", Issuer: "i", Subject: "s", TenantID: "t"}, 25*time.Hour); err == nil {
		t.Error("minted with a lifetime longer than MaxTokenLifetime")
	}
}

// TestVersionsAreNotMixed verifies tokens with the issuer of the other version.
func TestVersionsAreNotMixed(t *testing.T) {
	f := newFixture(t)
	for version, issuer := range map[string]string{"1.0": origin + "/" + tenant + "/v2.0", "2.0": origin + "/" + tenant + "/", "3.0": origin + "/" + tenant + "/v2.0"} {
		raw, err := f.keys.Sign([]byte(`{"aud":"a","iss":"` + issuer + `","appid":"x","azp":"x","tid":"` + tenant + `","ver":"` + version + `","exp":4000000000}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.verifier.Verify(t.Context(), raw); !errors.Is(err, token.ErrIssuer) {
			t.Errorf("version %s by %s: %v, want ErrIssuer", version, issuer, err)
		}
	}
}
