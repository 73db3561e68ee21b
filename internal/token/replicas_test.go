package token_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/store"
	"midas/internal/token"
)

// installation is three replicas on one store, none of which follows the change feed: each was paused since its start.
type installation struct {
	*fixture
	clocks   []*clock
	keys     []*token.Keys
	issuers  []*token.Issuer
	verifier []*token.Verifier
}

func newInstallation(t *testing.T, publishBefore time.Duration) *installation {
	t.Helper()
	in := &installation{fixture: newFixture(t)}
	if err := empty(t, in.store); err != nil {
		t.Fatal(err)
	}
	in.keys, in.clocks = make([]*token.Keys, 3), make([]*clock, 3)
	var starting sync.WaitGroup
	for i := range in.keys {
		in.clocks[i] = &clock{now: start.Truncate(time.Second)} // as tokens
		cfg := in.cfg
		cfg.PublishBefore, cfg.Now = publishBefore, in.clocks[i].Now
		cfg.Earliest, cfg.HeldBack, cfg.Shared = in.earliest, 3*time.Hour, true
		starting.Go(func() { // all at once on an empty store
			k, err := token.OpenKeys(t.Context(), cfg)
			if err != nil {
				t.Error(err)
			}
			in.keys[i] = k
		})
	}
	starting.Wait()
	for i, k := range in.keys {
		in.issuers = append(in.issuers, &token.Issuer{Keys: k, Now: in.clocks[i].Now, NewID: func() string { return "id" }, Origin: origin})
		in.verifier = append(in.verifier, &token.Verifier{Keys: k, Now: in.clocks[i].Now, Origin: origin})
	}
	return in
}

// earliest is the slowest clock, as replica.Registry knows it.
func (in *installation) earliest(now time.Time) time.Time {
	for _, c := range in.clocks {
		if at := c.Now(); at.Before(now) {
			now = at
		}
	}
	return now
}

// mintAt signs a token at a replica, and checks that every replica publishes its key and accepts it.
func (in *installation) mintAt(t *testing.T, i int) (kid string) {
	t.Helper()
	c := in.claims()
	c.Expires = in.clocks[i].Now().Add(time.Hour)
	raw, err := in.issuers[i].Mint(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	kid = header(t, raw)["kid"].(string)
	for j, k := range in.keys {
		if err := k.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if all := published(k); !slices.Contains(all, kid) {
			t.Errorf("replica %d publishes %v, but replica %d signs with %s", j, all, i, kid)
		}
		if _, err := in.verifier[j].Verify(t.Context(), raw); err != nil && in.clocks[i].Now().Equal(in.clocks[j].Now()) {
			t.Errorf("replica %d refuses a token of replica %d: %v", j, i, err)
		}
	}
	return kid
}

// TestEveryReplicaPublishesEveryKeyThatSigns has replicas rotate at the same moment, and sign. Keys sign at once, which
// is the worst case.
func TestEveryReplicaPublishesEveryKeyThatSigns(t *testing.T) {
	in := newInstallation(t, 0)
	if first := in.mintAt(t, 0); first != in.mintAt(t, 1) || first != in.mintAt(t, 2) {
		t.Error("replicas that have started together sign with different keys")
	}
	for range 2 {
		var rotating sync.WaitGroup
		for i, k := range in.keys {
			rotating.Go(func() {
				if _, err := k.Rotate(t.Context()); err != nil {
					t.Error(err)
				}
				in.mintAt(t, i)
			})
		}
		rotating.Wait()
	}
	signer := in.mintAt(t, 0)
	if err := in.keys[1].Withdraw(t.Context(), signer); err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	if again := in.mintAt(t, 1); again == signer {
		t.Error("the withdrawn key signs")
	}
	if got := in.mintAt(t, 2); got == signer {
		t.Error("the withdrawn key signs at a replica that publishes its successor")
	}
}

// TestTokenOfANewKeyIsAcceptedByAReplicaThatDoesNotKnowTheKey: only an unknown key causes a read.
func TestTokenOfANewKeyIsAcceptedByAReplicaThatDoesNotKnowTheKey(t *testing.T) {
	in := newInstallation(t, 0)
	for _, c := range in.clocks {
		c.Advance(time.Second) // the new key signs after the first one
	}
	if _, err := in.keys[0].Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := in.issuers[0].Mint(t.Context(), in.claims())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.verifier[2].Verify(t.Context(), raw); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
	if err := in.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.verifier[2].Verify(t.Context(), raw); err != nil {
		t.Errorf("a verified token needs the store: %v", err)
	}
	if _, err := in.verifier[1].Verify(t.Context(), raw); !errors.Is(err, store.ErrClosed) || errors.Is(err, token.ErrUnknownKey) {
		t.Errorf("a key that cannot be looked up: %v, want the store's error", err)
	}
}

// TestNewKeySignsByTheSlowestClock sets one clock an hour ahead and another one an hour back.
func TestNewKeySignsByTheSlowestClock(t *testing.T) {
	in := newInstallation(t, day)
	in.clocks[1].Advance(time.Hour)
	in.clocks[2].Advance(-time.Hour)
	first := in.mintAt(t, 0)
	second, err := in.keys[1].Rotate(t.Context()) // its time is an hour late
	if err != nil {
		t.Fatal(err)
	}
	advance := func(d time.Duration) {
		for _, c := range in.clocks {
			c.Advance(d)
		}
	}
	for _, tt := range []struct {
		after time.Duration // since the rotation
		want  string
	}{{day - 1, first}, {day, first}, {day + time.Hour, first}, {day + 2*time.Hour - 1, first}, {day + 2*time.Hour, second}} {
		advance(tt.after)
		for i := range in.keys {
			if got := in.mintAt(t, i); got != tt.want {
				t.Errorf("%s after the rotation replica %d signs with %s, want %s", tt.after, i, got, tt.want)
			}
		}
		advance(-tt.after)
	}
	// The last token that the first key can have signed is in time until then by the fastest clock.
	advance(day + 2*time.Hour - 1)
	c := in.claims()
	c.Expires = in.clocks[1].Now().Add(day)
	raw, err := in.issuers[1].Mint(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	advance(day - time.Second)
	for i, v := range in.verifier {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Errorf("replica %d refuses it: %v", i, err)
		}
	}
	// A withdrawn key is replaced at once, by all clocks.
	signer := in.mintAt(t, 0)
	if err := in.keys[1].Withdraw(t.Context(), signer); err != nil {
		t.Fatal(err)
	}
	for i, k := range in.keys {
		if err := k.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := in.mintAt(t, i); got == signer {
			t.Errorf("replica %d signs with the withdrawn key", i)
		}
	}
}

// TestWithdrawnKeyEndsAtEveryReplicaWithinASecond withdraws a key while all feeds are late: the replicas compare.
func TestWithdrawnKeyEndsAtEveryReplicaWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.cfg.Now, f.cfg.Shared = time.Now, true
		if err := empty(t, f.store); err != nil {
			t.Fatal(err)
		}
		a := f.open(t)
		f.cfg.Store = deaf{f.store}
		b := f.open(t)
		ctx, stop := contextWithStop(t)
		var following sync.WaitGroup
		for _, k := range []*token.Keys{a, b} {
			following.Go(func() {
				if err := k.Follow(ctx); err != nil {
					t.Errorf("Follow: %v", err)
				}
			})
		}
		was := a.Signer()
		if err := a.Withdraw(ctx, was); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if slices.Contains(published(b), was) || b.Signer() != a.Signer() {
			t.Error("the withdrawn key is in use after a second")
		}
		stop()
		following.Wait()
	})
}
