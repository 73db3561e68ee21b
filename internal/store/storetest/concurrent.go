package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"midas/internal/store"
)

func lostUpdates(t *testing.T, st store.Store) {
	const writers, each = 16, 50
	var group errgroup.Group
	for w := range writers {
		group.Go(func() error {
			for range each {
				if err := increment(st, "shared", fmt.Sprintf("own/%d", w)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	err := st.View(t.Context(), func(tx store.Tx) error {
		if n, err := number(tx, "shared"); n != writers*each || err != nil {
			t.Errorf("%d increments are there of %d, %v", n, writers*each, err)
		}
		for w := range writers {
			if n, err := number(tx, fmt.Sprintf("own/%d", w)); n != each || err != nil {
				t.Errorf("writer %d: %d increments are there of %d, %v", w, n, each, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// increment adds one to each of the keys in one transaction. It tries again after ErrConflict.
func increment(st store.Store, keys ...string) error {
	for {
		_, err := st.Update(context.Background(), func(tx store.Tx) error {
			for _, key := range keys {
				n, err := number(tx, key)
				if err != nil {
					return err
				}
				putNumber(tx, key, n+1)
			}
			return nil
		})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// childWithoutParent creates children while their parent is deleted in steps, as resource groups are: first
// the parent is put as "deleting", then the children are deleted, then the parent.
func childWithoutParent(t *testing.T, st store.Store) {
	const rounds = 40
	for round := range rounds {
		parent, children := fmt.Sprintf("parent/%d", round), fmt.Sprintf("child/%d/", round)
		put(t, st, parent, "alive")
		var group errgroup.Group
		var created atomic.Int64
		for w := range 4 {
			group.Go(func() error {
				for i := range 10 {
					ok, err := createChild(st, parent, fmt.Sprintf("%s%d-%d", children, w, i))
					if err != nil {
						return err
					}
					if ok {
						created.Add(1)
					}
				}
				return nil
			})
		}
		group.Go(func() error { return deleteParent(st, parent, children) })
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		err := st.View(t.Context(), func(tx store.Tx) error {
			left, err := scanAll(tx, store.Range{Prefix: children})
			if len(left) > 0 {
				t.Fatalf("round %d: %d of %d children live without their parent", round, len(left), created.Load())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func createChild(st store.Store, parent, child string) (created bool, err error) {
	_, err = st.Update(context.Background(), func(tx store.Tx) error {
		state, err := valueOf(tx, parent)
		if created = state == "alive"; created {
			tx.Put(child, []byte("x"))
		}
		return err
	})
	return created, err
}

func deleteParent(st store.Store, parent, children string) error {
	ctx := context.Background()
	if _, err := st.Update(ctx, func(tx store.Tx) error { tx.Put(parent, []byte("deleting")); return nil }); err != nil {
		return err
	}
	_, err := st.Update(ctx, func(tx store.Tx) error {
		all, err := scanAll(tx, store.Range{Prefix: children})
		for _, rec := range all {
			tx.Delete(rec.Key)
		}
		tx.Delete(parent)
		return err
	})
	return err
}

// exclusiveCreate checks that only one of many concurrent transactions that find a key absent can put it.
// Index keys rely on that.
func exclusiveCreate(t *testing.T, st store.Store) {
	taken := errors.New("taken")
	for round := range 30 {
		var winners atomic.Int64
		var group errgroup.Group
		for w := range 8 {
			group.Go(func() error {
				_, err := st.Update(t.Context(), func(tx store.Tx) error {
					name := fmt.Sprintf("name/%d", round)
					if owner, err := valueOf(tx, name); owner != "" || err != nil {
						return errors.Join(taken, err)
					}
					tx.Put(name, []byte{byte('a' + w)})
					return nil
				})
				if err == nil {
					winners.Add(1)
				} else if !errors.Is(err, taken) {
					return err
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if winners.Load() != 1 {
			t.Fatalf("round %d has %d winners", round, winners.Load())
		}
	}
}

// during runs read repeatedly, in four goroutines, while four more run write the given number of times each.
// The number of reads is not fixed, because an engine may become slower with every version of a key, and
// readers with a fixed number might then take forever.
func during(t *testing.T, times int, write func(writer, i int) error, read func(i int) error) {
	var writers, readers errgroup.Group
	var done atomic.Bool
	for w := range 4 {
		writers.Go(func() error {
			for i := range times {
				if err := write(w, i); err != nil && !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
			return nil
		})
		readers.Go(func() error {
			for i := 0; i < 20 || !done.Load(); i++ {
				if err := read(i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	failed := writers.Wait()
	done.Store(true)
	if err := errors.Join(failed, readers.Wait()); err != nil {
		t.Fatal(err)
	}
}

// whileMoving runs check repeatedly while amounts move between ten accounts whose sum is 1000.
func whileMoving(t *testing.T, st store.Store, check func(i int) error) {
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		for i := range 10 {
			putNumber(tx, account(i), 100)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	move := func(w, i int) error { return move(st, account((i+w)%10), account((i*7+w+1)%10)) }
	during(t, 500, move, check)
}

func account(i int) string { return fmt.Sprintf("account/%d", i) }

func move(st store.Store, from, to string) error {
	if from == to {
		return nil
	}
	_, err := st.Update(context.Background(), func(tx store.Tx) error {
		a, err := number(tx, from)
		if err != nil {
			return err
		}
		b, err := number(tx, to)
		if err != nil {
			return err
		}
		putNumber(tx, from, a-1)
		putNumber(tx, to, b+1)
		return nil
	})
	return err
}

func oneRevision(t *testing.T, st store.Store) {
	whileMoving(t, st, func(i int) error {
		sum := 0
		err := st.View(context.Background(), func(tx store.Tx) error {
			sum = 0
			for k := range 10 {
				n, err := number(tx, account((i+k)%10))
				if err != nil {
					return err
				}
				sum += n
			}
			return nil
		})
		if err == nil && sum != 1000 {
			err = fmt.Errorf("a view sees the sum %d", sum)
		}
		return err
	})
}

func scanAgreesWithGet(t *testing.T, st store.Store) {
	whileMoving(t, st, func(i int) error {
		return st.View(context.Background(), func(tx store.Tx) error {
			got := make(map[string]string)
			if i%2 == 0 { // some see the scan first, some the gets
				for k := range 10 {
					value, err := valueOf(tx, account(k))
					if err != nil {
						return err
					}
					got[account(k)] = value
				}
			}
			for rec, err := range tx.Scan(store.Range{Prefix: "account/"}) {
				if err != nil {
					return err
				}
				value, err := valueOf(tx, rec.Key)
				if err != nil {
					return err
				}
				if before, ok := got[rec.Key]; value != string(rec.Value) || ok && before != value {
					return fmt.Errorf("%s: scan %s, get %s, get before %s", rec.Key, rec.Value, value, before)
				}
			}
			return nil
		})
	})
}

// longView reads keys that have changed since the view began. It must see the old values, and all other
// transactions the new ones, although the reads of the view may fill a cache.
func longView(t *testing.T, st store.Store) {
	for _, commits := range []int{1, 2, 100, 600} {
		put(t, st, "a/x", "old")
		put(t, st, "begin", "")
		inside := func(tx store.Tx) (string, error) {
			value, err := valueOf(tx, "a/x")
			for rec, failed := range tx.Scan(store.Range{Prefix: "a/"}) {
				value += string(rec.Value)
				err = errors.Join(err, failed)
			}
			return value, err
		}
		var late string
		err := st.View(t.Context(), func(tx store.Tx) error {
			if _, err := tx.Get("begin"); err != nil {
				return err
			}
			for i := range commits {
				put(t, st, []string{"a/x", "other"}[min(i, 1)], "new")
			}
			var err error
			late, err = inside(tx)
			return err
		})
		if err != nil || late != "oldold" && late != "newnew" { // new if the view had to run again
			t.Errorf("%d commits: the view sees %q, %v", commits, late, err)
		}
		var after string
		err = st.View(t.Context(), func(tx store.Tx) (err error) { after, err = inside(tx); return err })
		if err != nil || after != "newnew" {
			t.Errorf("%d commits: then others see %q, %v", commits, after, err)
		}
	}
}

// linearizable increments one key while readers read it. A reader must see at least the number that was
// acknowledged before it began, and never less than an earlier reader.
func linearizable(t *testing.T, st store.Store) {
	var acknowledged, seen highest
	during(t, 300, func(int, int) error {
		var n int
		_, err := st.Update(context.Background(), func(tx store.Tx) (err error) {
			n, err = number(tx, "n")
			putNumber(tx, "n", n+1)
			return err
		})
		if err == nil {
			acknowledged.raise(n + 1)
		}
		return err
	}, func(int) error {
		atLeast := max(acknowledged.get(), seen.get())
		var n int
		err := st.View(context.Background(), func(tx store.Tx) (err error) { n, err = number(tx, "n"); return err })
		if err == nil && n < atLeast {
			err = fmt.Errorf("a view sees %d, but %d was known before it began", n, atLeast)
		}
		seen.raise(n)
		return err
	})
}

// highest holds the maximum of the numbers passed to raise.
type highest struct {
	mu sync.Mutex
	n  int
}

func (h *highest) get() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

func (h *highest) raise(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n = max(h.n, n)
}
