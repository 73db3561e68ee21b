package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/store"
)

// errUnknown is the refusal of the tests.
var errUnknown = errors.New("unknown client")

// known refuses a client that is not in the store. It counts how often it ran.
func known(ctx context.Context, st store.Store, runs *atomic.Int64) error {
	return st.Recent(ctx, func(tx store.Tx) error {
		runs.Add(1)
		if _, err := tx.Get("client"); errors.Is(err, store.ErrNotFound) {
			return errUnknown
		} else if err != nil {
			return err
		}
		return nil
	})
}

func TestRefusalIsCheckedAgainOnAFreshRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		writeKey(t, b, "other", "v")
		if err := known(t.Context(), b.Store, new(atomic.Int64)); !errors.Is(err, errUnknown) { // which the cache keeps
			t.Fatal(err)
		}
		b.link.set(func(l *link) { l.delay = 300 * time.Millisecond })
		writeKey(t, a, "client", "secret")
		if got, err := valueIn(t.Context(), b.Recent, "client"); got != "" || err != nil {
			t.Fatalf("a Recent that refuses nothing waits: %q, %v", got, err)
		}
		var runs atomic.Int64
		if err := known(t.Context(), b.Store, &runs); err != nil || runs.Load() != 2 {
			t.Errorf("the client that another replica has made: %v after %d runs", err, runs.Load())
		}
		if err := known(t.Context(), b.Store, &runs); err != nil || runs.Load() != 3 {
			t.Errorf("a known client: %v after %d runs", err, runs.Load())
		}
		writeKey(t, a, "late", "v")
		if got, err := valueIn(store.Fresh(t.Context()), b.Recent, "late"); got != "v" || err != nil {
			t.Errorf("a Recent in a fresh context: %q, %v", got, err)
		}
	})
}

func TestRefusalThatCannotBeCheckedIsAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShared(t).replica(t)
		writeKey(t, r, "other", "v")
		if err := known(t.Context(), r.Store, new(atomic.Int64)); !errors.Is(err, errUnknown) {
			t.Fatal(err)
		}
		r.link.set(func(l *link) { l.cut = true })
		var runs atomic.Int64
		if err := known(t.Context(), r.Store, &runs); !errors.Is(err, store.ErrOutdated) || errors.Is(err, errUnknown) {
			t.Errorf("without the database: %v", err)
		}
	})
}

func TestRefusalsShareOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShared(t).replica(t)
		writeKey(t, r, "other", "v")
		slow, before := make(chan struct{}), 0
		r.link.set(func(l *link) { l.slow, before = slow, l.asked })
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if err := known(t.Context(), r.Store, new(atomic.Int64)); !errors.Is(err, errUnknown) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(slow)
		wg.Wait()
		if asked := r.link.asked - before; asked > 3 {
			t.Errorf("1,000 refusals asked %d times", asked)
		}
	})
}

func TestRefusalOfASingleProcessIsNotCheckedAgain(t *testing.T) {
	e := newShared(t)
	for name, engine := range map[string]store.Engine{"embedded": e.Engine, "cached": store.Cached(e.Engine, 1<<20)} {
		var runs atomic.Int64
		if err := known(t.Context(), store.New(engine, store.Options{}), &runs); !errors.Is(err, errUnknown) || runs.Load() != 1 {
			t.Errorf("%s: %v after %d runs", name, err, runs.Load())
		}
	}
}
