package token_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"midas/internal/seal"
	"midas/internal/token"
)

func (f *fixture) request() token.Request {
	c := f.claims()
	c.Expires = time.Time{}
	return token.Request{Claims: c, Life: time.Hour}
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

func TestATokenIsWarmUntilHalfItsLife(t *testing.T) {
	f := newFixture(t)
	first := f.warm(t, f.request())
	f.clock.Set(start.Truncate(time.Second).Add(30*time.Minute - 1))
	if f.warm(t, f.request()) != first {
		t.Error("signed anew before half its life")
	}
	f.clock.Advance(1)
	second := f.warm(t, f.request())
	if second == first {
		t.Error("handed out after half its life")
	}
	if want := f.clock.Now().Add(time.Hour); !second.Claims.Expires.Equal(want) {
		t.Errorf("the second token expires at %s, want %s", second.Claims.Expires, want)
	}
}

func TestWarmTokensAreSharedByNobodyElse(t *testing.T) {
	f := newFixture(t)
	first := f.warm(t, f.request())
	tests := map[string]func(*token.Request){
		"tenant":            func(r *token.Request) { r.Claims.TenantID = object },
		"subject":           func(r *token.Request) { r.Claims.Subject = client },
		"object":            func(r *token.Request) { r.Claims.ObjectID = client },
		"audience":          func(r *token.Request) { r.Claims.Audience += "/" },
		"app":               func(r *token.Request) { r.Claims.AppID = object },
		"how it showed":     func(r *token.Request) { r.Claims.AppIDACR = "2" },
		"identity provider": func(r *token.Request) { r.Claims.IdentityProvider = "x" },
		"identity type":     func(r *token.Request) { r.Claims.IdentityType = "user" },
		"resource":          func(r *token.Request) { r.Claims.MIResourceID = "/subscriptions/s" },
		"roles":             func(r *token.Request) { r.Claims.Roles = []string{"a"} },
		"life":              func(r *token.Request) { r.Life = 2 * time.Hour },
		"revoked since":     func(r *token.Request) { r.After = start },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			req := f.request()
			change(&req)
			if f.warm(t, req) == first {
				t.Error("the other one's token is handed out")
			}
		})
	}
}

func TestOneSignsAndAllWait(t *testing.T) {
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
		t.Errorf("%d tokens were signed for 32 askers, want 1", n)
	}
	for _, raw := range raws {
		if raw != raws[0] {
			t.Fatal("the askers got different tokens")
		}
	}
}

func TestTokensOfAWithdrawnKeyAreNotHandedOut(t *testing.T) {
	f := newFixture(t)
	first := f.warm(t, f.request())
	if err := f.keys.Withdraw(t.Context(), f.keys.Signer()); err != nil {
		t.Fatal(err)
	}
	if f.warm(t, f.request()) == first {
		t.Error("handed out although its key was withdrawn")
	}
}

func TestATokenAfterARevocationIsNotRevokedItself(t *testing.T) {
	f := newFixture(t)
	req := f.request()
	req.Life = day // the longest, which must not become longer
	req.After = start.Truncate(time.Second).Add(time.Second)
	tok := f.warm(t, req)
	if tok.Claims.IssuedAt.Before(req.After) {
		t.Errorf("issued at %s, before the first good second %s", tok.Claims.IssuedAt, req.After)
	}
	if f.warm(t, req) != tok {
		t.Error("signed anew although nothing has happened")
	}
}

func TestWarmTokensAreBounded(t *testing.T) {
	f := newFixture(t)
	f.minter.MaxWarm = 4
	first := f.warm(t, f.request())
	for i := range 5 {
		req := f.request()
		req.Claims.Audience = fmt.Sprintf("api://%d", i)
		f.warm(t, req)
	}
	if f.warm(t, f.request()) == first {
		t.Error("the oldest token is still kept")
	}
}

func TestTheMinterGivesTheIssuersError(t *testing.T) {
	f := newFixture(t)
	req := f.request()
	req.Life = 2 * day
	if tok, err := f.minter.Token(t.Context(), req); err == nil {
		t.Errorf("got %v for a life longer than a key's", tok)
	}
}

// TestRecentKeepsWhatWasUsedLast compares the bounded memory with a plain list.
func TestRecentKeepsWhatWasUsedLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(2, 12).Draw(t, "limit")
		var r token.Recent
		values, used := map[int]int{}, []int{} // used: each key once, the last used last
		touch := func(key int) {
			for i, k := range used {
				if k == key {
					used = append(used[:i], used[i+1:]...)
					break
				}
			}
			used = append(used, key)
		}
		for step := range 60 {
			key := rapid.IntRange(0, 20).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0:
				r.Drop(key)
				delete(values, key)
			case 1:
				if v, ok := r.Get(key, limit); ok {
					if want, known := values[key]; !known || v != want {
						t.Fatalf("Get(%d) = %d, want %d, %v", key, v, want, known)
					}
					touch(key)
				}
			default:
				r.Put(key, step, limit)
				values[key] = step
				touch(key)
			}
			if r.Len() > limit {
				t.Fatalf("%d are kept, the limit is %d", r.Len(), limit)
			}
		}
		for _, key := range used[max(0, len(used)-limit/2):] {
			want, known := values[key]
			if v, ok := r.Get(key, limit); ok != known || known && v != want {
				t.Fatalf("the lately used %d is %d, %v; want %d, %v", key, v, ok, want, known)
			}
		}
	})
}

func TestSecretsDoNotPrintThemselves(t *testing.T) {
	f := newFixture(t)
	tok := f.warm(t, f.request())
	signature := tok.Raw()[strings.LastIndexByte(tok.Raw(), '.'):]
	key := seal.MasterKey{0x6b, 0x65, 0x79}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", tok, "master", key)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", tok, "master", key)
	fmt.Fprintf(&log, "%v %+v %#v %s %q", tok, tok, tok, tok, tok)
	fmt.Fprintf(&log, "%v %+v %#v %s %q", key, key, key, key, key)
	for _, secret := range []string{signature, "107", "0x6b", "key\x00"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is printed in %s", secret, log.String())
		}
	}
}
