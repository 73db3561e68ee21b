package grant_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"midas/internal/seal"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/grant"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant = "8d3e9b1c-0d3b-4c1c-9e6c-6f6a3d3f0a11"
	user   = "2f0c3a55-7f44-4a52-a3a7-0f2a3b4c5d6e"
	client = "c1a9f0de-6a35-4f6e-8a0b-1b2c3d4e5f60"
)

var start = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)

type fixture struct {
	*grant.Grants
	mu  sync.Mutex
	now time.Time
	ids atomic.Int64
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	sealer, err := grant.NewSealer(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{now: start}
	f.Grants = &grant.Grants{
		Store: storetest.Memory(t), Sealer: sealer, Now: f.time,
		NewID: func() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", f.ids.Add(1)) },
	}
	return f
}

func (f *fixture) time() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

// keys counts the stored keys with a prefix.
func (f *fixture) keys(t testing.TB, prefix string) (n int) {
	t.Helper()
	if err := f.Store.View(t.Context(), func(tx store.Tx) error {
		n = 0
		for _, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func granted() grant.Grant {
	return grant.Grant{TenantID: tenant, UserID: user, ClientID: client, Scope: "openid", Authenticated: start.Truncate(time.Second)}
}

func (f *fixture) code(t testing.TB) grant.Code {
	t.Helper()
	sealed, err := f.SealCode(grant.Code{Grant: granted(), RedirectURI: "http://localhost:1", Challenge: "x", Method: "plain"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.OpenCode(sealed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rotate exchanges a refresh token at the current time.
func (f *fixture) rotate(t testing.TB, sealed string) (string, error) {
	t.Helper()
	r, err := f.OpenRefresh(t.Context(), sealed)
	if err != nil {
		return "", err
	}
	return f.Rotate(t.Context(), r, f.time())
}

func (f *fixture) mustRotate(t testing.TB, sealed string) string {
	t.Helper()
	f.advance(time.Millisecond)
	next, err := f.rotate(t, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestCodeIsRedeemedOnce(t *testing.T) {
	f := newFixture(t)
	c := f.code(t)
	refresh, err := f.Redeem(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.OpenRefresh(t.Context(), refresh)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(granted(), r.Grant); diff != "" {
		t.Errorf("grant (-want +got):\n%s", diff)
	}
	next := f.mustRotate(t, refresh)
	if _, err := f.Redeem(t.Context(), c, true); !errors.Is(err, grant.ErrRedeemed) {
		t.Errorf("redeemed twice: %v, want ErrRedeemed", err)
	}
	if _, err := f.OpenRefresh(t.Context(), next); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("the code's refresh token: %v, want ErrInvalid", err)
	}
}

func TestConcurrentRedemptionsOfACodeSucceedOnce(t *testing.T) {
	f := newFixture(t)
	c := f.code(t)
	var wg sync.WaitGroup
	var got atomic.Int64
	for range 16 {
		wg.Go(func() {
			switch _, err := f.Redeem(t.Context(), c, true); {
			case err == nil:
				got.Add(1)
			case !errors.Is(err, grant.ErrRedeemed):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := got.Load(); n != 1 {
		t.Errorf("%d redemptions succeeded, want 1", n)
	}
}

func TestCodesExpire(t *testing.T) {
	f := newFixture(t)
	sealed, err := f.SealCode(grant.Code{Grant: granted()})
	if err != nil {
		t.Fatal(err)
	}
	f.advance(grant.CodeLifetime - time.Second)
	if _, err := f.OpenCode(sealed); err != nil {
		t.Errorf("a second before it expires: %v", err)
	}
	f.advance(time.Second)
	if _, err := f.OpenCode(sealed); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("when it expires: %v, want ErrExpired", err)
	}
}

func TestSealedValueOpensOnlyForItsPurpose(t *testing.T) {
	f := newFixture(t)
	refresh, err := f.Begin(t.Context(), granted())
	if err != nil {
		t.Fatal(err)
	}
	device, _, err := f.StartDevice(t.Context(), grant.Device{ClientID: client})
	if err != nil {
		t.Fatal(err)
	}
	code, err := f.SealCode(grant.Code{Grant: granted()})
	if err != nil {
		t.Fatal(err)
	}
	foreign := newFixture(t)
	if foreign.Sealer, err = grant.NewSealer(seal.MasterKey{2}); err != nil {
		t.Fatal(err)
	}
	theirs, err := foreign.Begin(t.Context(), granted())
	if err != nil {
		t.Fatal(err)
	}
	for name, sealed := range map[string]string{
		"empty": "", "a word": "word", "a code": code, "a device code": device, "another server's": theirs,
		"cut": refresh[:len(refresh)-1], "longer": refresh + "A", "changed": flip(refresh), "with a line break": refresh[:9] + "\n" + refresh[9:],
		"huge": strings.Repeat("A", 1<<20),
	} {
		if _, err := f.OpenRefresh(t.Context(), sealed); !errors.Is(err, grant.ErrInvalid) {
			t.Errorf("%s as a refresh token: %v, want ErrInvalid", name, err)
		}
	}
	for name, sealed := range map[string]string{"refresh token": refresh, "device code": device} {
		if _, err := f.OpenCode(sealed); !errors.Is(err, grant.ErrInvalid) {
			t.Errorf("a %s as a code: %v, want ErrInvalid", name, err)
		}
	}
	if _, err := f.OpenDevice(t.Context(), refresh); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("a refresh token as a device code: %v, want ErrInvalid", err)
	}
}

// flip changes the character in the middle.
func flip(s string) string {
	b := []byte(s)
	if i := len(b) / 2; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func TestReusedRefreshTokenEndsItsFamily(t *testing.T) {
	f := newFixture(t)
	first, err := f.Begin(t.Context(), granted())
	if err != nil {
		t.Fatal(err)
	}
	second := f.mustRotate(t, first)
	f.advance(time.Second)
	if _, err := f.rotate(t, first); !errors.Is(err, grant.ErrReused) {
		t.Errorf("the first again: %v, want ErrReused", err)
	}
	if _, err := f.rotate(t, second); !errors.Is(err, grant.ErrInvalid) {
		t.Errorf("the second afterwards: %v, want ErrInvalid", err)
	}
}

func TestOverlapAllowsRetries(t *testing.T) {
	f := newFixture(t)
	f.Overlap = 10 * time.Second
	first, err := f.Begin(t.Context(), granted())
	if err != nil {
		t.Fatal(err)
	}
	f.mustRotate(t, first)
	f.advance(10*time.Second - 1)
	if _, err := f.rotate(t, first); err != nil {
		t.Errorf("within the overlap: %v", err)
	}
	f.advance(1)
	if _, err := f.rotate(t, first); !errors.Is(err, grant.ErrReused) {
		t.Errorf("after it: %v, want ErrReused", err)
	}
}

func TestUnusedRefreshTokensExpire(t *testing.T) {
	f := newFixture(t)
	token, err := f.Begin(t.Context(), granted())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.advance(grant.RefreshLifetime - time.Hour)
		token = f.mustRotate(t, token)
	}
	f.advance(grant.RefreshLifetime)
	if _, err := f.rotate(t, token); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("after its lifetime: %v, want ErrExpired", err)
	}
	page := granted()
	page.Page = true
	if token, err = f.Begin(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	f.advance(grant.PageLifetime - time.Hour)
	token = f.mustRotate(t, token)
	f.advance(time.Hour)
	if _, err := f.rotate(t, token); !errors.Is(err, grant.ErrExpired) {
		t.Errorf("token of a page that was used: %v, want ErrExpired", err)
	}
}

// TestSweepRemovesExpiredRecords sweeps many expired records and one valid family, which stays.
func TestSweepRemovesExpiredRecords(t *testing.T) {
	f := newFixture(t)
	var used string
	for i := range 50 {
		token, err := f.Begin(t.Context(), granted())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			used = token
		}
		if _, err := f.Redeem(t.Context(), f.code(t), false); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := f.StartDevice(t.Context(), grant.Device{ClientID: client}); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("nothing has expired, and %d entries were swept, %v", n, err)
	}
	f.advance(grant.RefreshLifetime - time.Hour)
	used = f.mustRotate(t, used)
	f.advance(2 * time.Hour)
	for {
		n, err := f.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if n := f.keys(t, "d/"); n != 4 {
		t.Errorf("%d keys are left, want the family that was used, its user's list, and their entries", n)
	}
	f.mustRotate(t, used)
}

func FuzzOpen(f *testing.F) {
	sealer, err := grant.NewSealer(seal.MasterKey{1})
	if err != nil {
		f.Fatal(err)
	}
	good, err := sealer.Seal("a", 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("")
	f.Fuzz(func(t *testing.T, sealed string) {
		var v any
		if sealer.Open("a", sealed, &v) == nil {
			data, err := base64.RawURLEncoding.DecodeString(sealed)
			if err != nil || base64.RawURLEncoding.EncodeToString(data) != sealed || v != 1.0 {
				t.Errorf("%q opens and gives %v", sealed, v)
			}
		}
		if sealer.Open("b", sealed, &v) == nil {
			t.Errorf("%q opens for another purpose", sealed)
		}
	})
}
