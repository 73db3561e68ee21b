package token_test

import (
	"testing"
	"time"

	"midas/internal/token"
)

func TestOwnTokensEnd(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	v := &token.Verifier{Now: func() time.Time { return now }}
	raw, end := v.Admit(token.Claims{Audience: "a", AppID: "b", Issued: now, Expires: now.Add(time.Hour)})
	if c, err := v.Verify(t.Context(), raw); err != nil || c.AppID != "b" {
		t.Errorf("%v, %v", c, err)
	}
	now = now.Add(time.Hour)
	if _, err := v.Verify(t.Context(), raw); err == nil {
		t.Error("the token has no end by time")
	}
	now = now.Add(-time.Hour)
	end()
	if _, err := v.Verify(t.Context(), raw); err == nil {
		t.Error("the token is valid after its end")
	}
}
