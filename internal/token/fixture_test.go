package token_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/token"
)

const (
	origin = "https://login.test:8443"
	tenant = "8d3e9b1c-0d3b-4c1c-9e6c-6f6a3d3f0a11"
	object = "2f0c3a55-7f44-4a52-a3a7-0f2a3b4c5d6e"
	client = "c1a9f0de-6a35-4f6e-8a0b-1b2c3d4e5f60"
)

const (
	day   = 24 * time.Hour
	month = 30 * day
)

var master = seal.MasterKey{1, 2, 3}

// start is a time with a fraction of a second.
var start = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)

// clock is a clock that tests can set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// fixture is one installation: keys in a store, with an issuer, a minter and a verifier.
type fixture struct {
	clock    *clock
	store    store.Store
	cfg      token.KeysConfig
	keys     *token.Keys
	issuer   *token.Issuer
	minter   *token.Minter
	verifier *token.Verifier
	minted   atomic.Int64 // number of token ids that were generated
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{clock: &clock{now: start}, store: storetest.Memory(t)}
	f.cfg = token.KeysConfig{
		Store: f.store, Master: master, Now: f.clock.Now,
		RotateEvery: month, PublishBefore: day, MaxTokenLifetime: day,
	}
	f.keys = f.open(t)
	newID := func() string { return fmt.Sprintf("uti-%d", f.minted.Add(1)) }
	f.issuer = &token.Issuer{Keys: f.keys, Now: f.clock.Now, NewID: newID, Origin: origin}
	f.minter = token.NewMinter(f.issuer)
	f.verifier = &token.Verifier{Keys: f.keys, Now: f.clock.Now, Origin: origin}
	return f
}

func (f *fixture) open(t testing.TB) *token.Keys {
	t.Helper()
	keys, err := token.OpenKeys(t.Context(), f.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// claims are the claims of a service principal's token for ARM.
func (f *fixture) claims() token.Claims {
	return token.Claims{
		Audience: "https://management.azure.com", Subject: object, ObjectID: object, TenantID: tenant,
		AppID: client, AppIDACR: "1", IdentityType: "app", IdentityProvider: origin + "/" + tenant + "/",
		Expires: f.clock.Now().Add(time.Hour),
	}
}

func (f *fixture) mint(t testing.TB, c token.Claims) string {
	t.Helper()
	raw, err := f.issuer.Mint(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// published are the ids of the keys in the key set.
func published(k *token.Keys) []string {
	var kids []string
	for _, key := range k.PublicKeys("") {
		kids = append(kids, key.KeyID)
	}
	return kids
}

// deaf is a store whose change feed shows nothing.
type deaf struct{ store.Store }

func (deaf) Watch(ctx context.Context, _ string, _ store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		<-ctx.Done()
		yield(store.Change{}, ctx.Err())
	}
}
