package token_test

import (
	"encoding/json"
	"testing"
	"time"

	"midas/internal/token"
)

// TestSlowVerifiersAcceptNewTokens checks the reason why iat and nbf are earlier than the time of issue: a
// verifier that compares them with its own clock without leeway, as many libraries do.
func TestSlowVerifiersAcceptNewTokens(t *testing.T) {
	f := newFixture(t)
	id, err := f.issuer.MintID(t.Context(), token.IDClaims{Audience: client, Issuer: origin, Subject: object, TenantID: tenant}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"of an application": f.mint(t, f.claims()), "of a user": f.mint(t, userClaims(f)), "id_token": id, "warm": f.warm(t, f.request()).Raw(),
	} {
		claims := part(t, raw, 1)
		slow := float64(start.Add(-299 * time.Second).Unix())
		if iat, nbf := claims["iat"].(float64), claims["nbf"].(float64); iat > slow || nbf > slow || iat != float64(start.Unix()-300) {
			t.Errorf("%s: iat %v and nbf %v, while a slow clock says %v", name, iat, nbf, slow)
		}
		if exp := claims["exp"].(float64); exp != float64(start.Unix()+3600) {
			t.Errorf("%s: exp %v, want an hour after the time of issue", name, exp)
		}
	}
}

// TestTokensOfEarlierVersionsWereIssuedAtTheirIAT verifies a token without midas_iat. Otherwise a token that
// an earlier version has issued up to five minutes before a revocation would outlive it.
func TestTokensOfEarlierVersionsWereIssuedAtTheirIAT(t *testing.T) {
	f := newFixture(t)
	m := part(t, f.mint(t, f.claims()), 1)
	delete(m, "midas_iat")
	m["iat"], m["nbf"] = start.Unix(), start.Unix()
	payload, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := f.keys.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := f.verifier.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if want := start.Truncate(time.Second); !claims.Issued.Equal(want) {
		t.Errorf("issued at %s, want %s", claims.Issued, want)
	}
}

// TestBackdatingGivesNoMoreLeewayForTheFuture has a token of a replica whose clock is ahead by more than
// clock.Skew, so that its nbf is not in the future for this one.
func TestBackdatingGivesNoMoreLeewayForTheFuture(t *testing.T) {
	f := newFixture(t)
	f.clock.Advance(6 * time.Minute)
	raw := f.mint(t, f.claims())
	f.clock.Set(start)
	if _, err := f.verifier.Verify(t.Context(), raw); err == nil {
		t.Error("a token that will be issued in six minutes is accepted")
	}
}
