package token_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/token"
)

func (f *fixture) request() token.Request {
	c := f.claims()
	c.Expires = time.Time{}
	return token.Request{Claims: c, Lifetime: time.Hour}
}

func (f *fixture) warm(t *testing.T, req token.Request) *token.Token {
	t.Helper()
	tok, err := f.minter.Token(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.verifier.Verify(t.Context(), tok.Raw()); err != nil {
		t.Fatalf("the minter's token is refused: %v", err)
	}
	return tok
}

func TestTokenIsCachedUntilHalfItsLife(t *testing.T) {
	f := newFixture(t)
	first := f.warm(t, f.request())
	f.clock.Set(start.Truncate(time.Second).Add(30*time.Minute - 1))
	if f.warm(t, f.request()) != first {
		t.Error("a new token was signed before half the lifetime")
	}
	f.clock.Advance(1)
	second := f.warm(t, f.request())
	if second == first {
		t.Error("the token was returned after half its lifetime")
	}
	if want := f.clock.Now().Add(time.Hour); !second.Claims.Expires.Equal(want) {
		t.Errorf("the second token expires at %s, want %s", second.Claims.Expires, want)
	}
}

func TestDifferentRequestsDoNotShareTokens(t *testing.T) {
	f := newFixture(t)
	first := f.warm(t, f.request())
	tests := map[string]func(*token.Request){
		"tenant":                func(r *token.Request) { r.Claims.TenantID = object },
		"subject":               func(r *token.Request) { r.Claims.Subject = client },
		"object":                func(r *token.Request) { r.Claims.ObjectID = client },
		"audience":              func(r *token.Request) { r.Claims.Audience += "/" },
		"app":                   func(r *token.Request) { r.Claims.AppID = object },
		"client authentication": func(r *token.Request) { r.Claims.AppIDACR = "2" },
		"identity provider":     func(r *token.Request) { r.Claims.IdentityProvider = "x" },
		"identity type":         func(r *token.Request) { r.Claims.IdentityType = "user" },
		"resource":              func(r *token.Request) { r.Claims.MIResourceID = "/subscriptions/s" },
		"roles":                 func(r *token.Request) { r.Claims.Roles = []string{"a"} },
		"lifetime":              func(r *token.Request) { r.Lifetime = 2 * time.Hour },
		"revoked since":         func(r *token.Request) { r.After = start },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			req := f.request()
			change(&req)
			if f.warm(t, req) == first {
				t.Error("the token of another request is returned")
			}
		})
	}
}

func TestConcurrentRequestsShareOneSignature(t *testing.T) {
	f := newFixture(t)
	var wg sync.WaitGroup
	raws := make([]string, 32)
	for i := range raws {
		wg.Go(func() {
			if tok, err := f.minter.Token(t.Context(), f.request()); err != nil {
				t.Error(err)
			} else {
				raws[i] = tok.Raw()
			}
		})
	}
	wg.Wait()
	if n := f.minted.Load(); n != 1 {
		t.Errorf("%d tokens were signed for 32 requests, want 1", n)
	}
	for _, raw := range raws {
		if raw != raws[0] {
			t.Fatal("the requests got different tokens")
		}
	}
}

func TestCachedTokensOfAWithdrawnKeyAreNotReturned(t *testing.T) {
	f := newFixture(t)
	first := f.warm(t, f.request())
	if err := f.keys.Withdraw(t.Context(), f.keys.Signer()); err != nil {
		t.Fatal(err)
	}
	if f.warm(t, f.request()) == first {
		t.Error("the token was returned although its key was withdrawn")
	}
}

func TestTokenAfterARevocationIsValid(t *testing.T) {
	f := newFixture(t)
	req := f.request()
	req.Lifetime = day // the longest allowed lifetime
	req.After = start.Truncate(time.Second).Add(time.Second)
	tok := f.warm(t, req)
	if tok.Claims.Issued.Before(req.After) {
		t.Errorf("issued at %s, before the first valid second %s", tok.Claims.Issued, req.After)
	}
	if f.warm(t, req) != tok {
		t.Error("a new token was signed although nothing has changed")
	}
}

func TestBoundTokensAreNotCached(t *testing.T) {
	f := newFixture(t)
	f.minter.SetLimit(4)
	first := f.warm(t, f.request())
	for i := range 5 {
		req := f.request()
		req.Claims.Confirmation = &token.Confirmation{KeyID: fmt.Sprint(i)}
		tok, err := f.minter.Token(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.verifier.Verify(t.Context(), tok.Raw()); !errors.Is(err, token.ErrBound) {
			t.Errorf("a bound token: %v", err)
		}
		if again, err := f.minter.Token(t.Context(), req); err != nil || again == tok {
			t.Errorf("the bound token is returned again (%v)", err)
		}
	}
	if f.warm(t, f.request()) != first {
		t.Error("bound tokens have replaced a cached one")
	}
}

func TestCachedTokensAreBounded(t *testing.T) {
	f := newFixture(t)
	f.minter.SetLimit(4)
	first := f.warm(t, f.request())
	for i := range 5 {
		req := f.request()
		req.Claims.Audience = fmt.Sprintf("api://%d", i)
		f.warm(t, req)
	}
	if f.warm(t, f.request()) == first {
		t.Error("the oldest token is still cached")
	}
}

func TestMinterReturnsTheIssuersError(t *testing.T) {
	f := newFixture(t)
	req := f.request()
	req.Lifetime = 2 * day
	if tok, err := f.minter.Token(t.Context(), req); err == nil {
		t.Errorf("got %v for a lifetime longer than MaxTokenLifetime", tok)
	}
}

func TestTokensAreRedactedWhenPrinted(t *testing.T) {
	f := newFixture(t)
	tok := f.warm(t, f.request())
	signature := tok.Raw()[strings.LastIndexByte(tok.Raw(), '.'):]
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", tok)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", tok)
	fmt.Fprintf(&log, "%v %+v %#v %s %q", tok, tok, tok, tok, tok)
	for _, secret := range []string{signature} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is printed in %s", secret, log.String())
		}
	}
}
