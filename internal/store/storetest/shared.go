package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"midas/internal/store"
)

// RunShared checks what replicas need of two stores over one database, beside Run. open returns two stores over one
// new, empty database, and closes and removes them when t ends; it is called once per subtest.
func RunShared(t *testing.T, open func(t testing.TB) (a, b store.Store)) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, a, b store.Store)
	}{
		{"a view sees at once what the other store has written", otherIsSeenByView},
		{"a recent read sees within a second what the other store has written", otherIsSeenByRecent},
		{"a recent read sees at once what the same store has written", ownIsSeenByRecent},
		{"one of 1,000 creators of one key succeeds", manyCreators},
		{"increments of both stores are not lost", sharedIncrements},
		{"a child is never left without its parent", sharedParent},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := open(t)
			test.run(t, a, b)
		})
	}
}

func otherIsSeenByView(t *testing.T, a, b store.Store) {
	for i := range 100 {
		value := fmt.Sprint(i)
		put(t, a, "p/k", value)
		if got := read(t, b, "p/k"); got != value {
			t.Fatalf("a get shows %q instead of %q", got, value)
		}
		err := b.View(t.Context(), func(tx store.Tx) error {
			all, err := scanAll(tx, store.Range{Prefix: "p/"})
			if err == nil && (len(all) != 1 || string(all[0].Value) != value) {
				t.Errorf("a scan shows %v instead of %q", all, value)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		a, b = b, a
	}
}

func recent(t testing.TB, st store.Store, key string) string {
	t.Helper()
	var value string
	err := st.Recent(context.Background(), func(tx store.Tx) (err error) { value, err = valueOf(tx, key); return err })
	if err != nil && !errors.Is(err, store.ErrOutdated) {
		t.Fatalf("read %q: %v", key, err)
	}
	return value
}

func otherIsSeenByRecent(t *testing.T, a, b store.Store) {
	for i := range 20 {
		value := fmt.Sprint(i)
		recent(t, b, "k") // fills the cache
		put(t, a, "k", value)
		written := time.Now()
		for recent(t, b, "k") != value {
			if began := time.Since(written); began > store.RecentAge {
				if got := recent(t, b, "k"); got != value && got != "" {
					t.Fatalf("after %v a recent read shows %q instead of %q", began, got, value)
				}
			}
			if time.Since(written) > time.Minute {
				t.Fatal("the recent reads fail")
			}
		}
	}
}

func ownIsSeenByRecent(t *testing.T, a, b store.Store) {
	for i := range 100 {
		value := fmt.Sprint(i)
		put(t, a, "k", value)
		if got := recent(t, a, "k"); got != value && got != "" {
			t.Fatalf("a recent read shows %q instead of %q", got, value)
		}
		a, b = b, a
	}
}

func manyCreators(t *testing.T, a, b store.Store) {
	taken := errors.New("taken")
	var created, refused atomic.Int64
	var group errgroup.Group
	for i := range 1000 {
		st := []store.Store{a, b}[i%2]
		group.Go(func() error {
			me := fmt.Sprint(i)
			err := store.ErrConflict
			for errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrUnavailable) {
				_, err = st.Update(context.Background(), func(tx store.Tx) error {
					switch owner, err := valueOf(tx, "name"); {
					case err != nil:
						return err
					case owner != "" && owner != me: // it is mine if the answer of a slow database was lost
						return taken
					}
					tx.Put("name", []byte(me))
					return nil
				})
			}
			switch {
			case err == nil:
				created.Add(1)
			case errors.Is(err, taken):
				refused.Add(1)
			default:
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if created.Load() != 1 || refused.Load() != 999 {
		t.Errorf("%d created it, %d found it taken", created.Load(), refused.Load())
	}
}

func sharedIncrements(t *testing.T, a, b store.Store) {
	const each = 50
	var group errgroup.Group
	for _, st := range []store.Store{a, b, a, b} {
		group.Go(func() error {
			for range each {
				if err := increment(st, "shared"); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, st := range []store.Store{a, b} {
		if got := read(t, st, "shared"); got != fmt.Sprint(4*each) {
			t.Errorf("the sum is %s", got)
		}
	}
}

func sharedParent(t *testing.T, a, b store.Store) {
	for round := range 20 {
		parent, children := fmt.Sprintf("parent/%d", round), fmt.Sprintf("child/%d/", round)
		put(t, a, parent, "alive")
		var group errgroup.Group
		group.Go(func() error {
			for i := range 10 {
				if _, err := createChild(b, parent, fmt.Sprintf("%s%d", children, i)); err != nil {
					return err
				}
			}
			return nil
		})
		group.Go(func() error { return deleteParent(a, parent, children) })
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		err := b.View(t.Context(), func(tx store.Tx) error {
			left, err := scanAll(tx, store.Range{Prefix: children})
			if len(left) > 0 {
				t.Errorf("round %d: %d children live without their parent", round, len(left))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
