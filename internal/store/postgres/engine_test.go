//go:build e2e && cluster

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"midas/internal/store"
	"midas/internal/store/postgres"
	"midas/internal/store/servertest"
	"midas/internal/store/storetest"
)

// Keys of the full length that PostgreSQL cannot compress do not fit into an entry of its index.
func TestLongKeysKeepTheirOrder(t *testing.T) {
	st := storeAt(t, servertest.Postgres(t).URL())
	random := rand.NewChaCha8([32]byte{1})
	common := make([]byte, 2048)
	_, _ = random.Read(common)
	var keys []string
	for i := range 40 {
		tail := make([]byte, store.MaxKey-len(common)-i%3)
		_, _ = random.Read(tail)
		keys = append(keys, string(common)+string(tail))
		_, _ = random.Read(tail)
		keys = append(keys, string(tail)+string(common))
	}
	keys = append(keys, string(common), string(common)+"\x00", string(common[:2047]))
	for part := range slices.Chunk(keys, 20) {
		_, err := st.Update(t.Context(), func(tx store.Tx) error {
			for _, k := range part {
				if _, err := tx.Get(k); !errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("get: %w", err)
				}
				tx.Put(k, []byte(k[:4]))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(keys)
	err := st.View(t.Context(), func(tx store.Tx) error {
		for _, reverse := range []bool{false, true} {
			records, err := tx.Records(store.Range{Reverse: reverse, Prefix: string(common[:2000])})
			if err != nil {
				return err
			}
			var got, want []string
			for _, rec := range records {
				got = append(got, rec.Key)
			}
			for _, k := range keys {
				if strings.HasPrefix(k, string(common[:2000])) {
					want = append(want, k)
				}
			}
			if reverse {
				slices.Reverse(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("reverse %t: %d keys of %d are not in order", reverse, len(got), len(want))
			}
		}
		rec, err := tx.Get(keys[7])
		if string(rec.Value) != keys[7][:4] {
			t.Errorf("get: %q, %v", rec.Value, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Views inside of views need no more connections than the pool has.
func TestNestedViewsDoNotWaitForConnections(t *testing.T) {
	for _, connections := range []int{1, 2, 3, 8} {
		st := storeAt(t, fmt.Sprintf("%s&pool_max_conns=%d", servertest.Postgres(t).URL(), connections))
		put(t, st, "a")
		var group errgroup.Group
		var all sync.WaitGroup
		const views = 12
		all.Add(views)
		for range views {
			group.Go(func() error {
				once := sync.OnceFunc(all.Done)
				return nest(st, 4, func() { once(); all.Wait() })
			})
		}
		if err := group.Wait(); err != nil {
			t.Errorf("%d connections: %v", connections, err)
		}
	}
}

func nest(st store.Store, depth int, inside func()) error {
	return st.View(context.Background(), func(tx store.Tx) error {
		if _, err := tx.Get("a"); err != nil {
			return err
		}
		inside()
		if depth > 0 {
			if err := nest(st, depth-1, inside); err != nil {
				return err
			}
		}
		_, err := tx.Records(store.Range{})
		return err
	})
}

// Commits that share one transaction of the database have their own guards.
func TestAFailedGuardFailsNoOtherCommit(t *testing.T) {
	e := openAt(t, servertest.Postgres(t).URL())
	storetest.CloseAtEnd(t, store.New(e, store.Options{}))
	var group errgroup.Group
	var mu sync.Mutex
	var revisions []store.Revision
	for i := range 200 {
		group.Go(func() error {
			guard := store.Guard{Key: fmt.Sprint(i), Revision: store.Revision(i % 2 * 7)} // every second guard fails
			rev, err := e.Commit(t.Context(), store.Commit{Guards: []store.Guard{guard}, Writes: []store.Write{{Key: fmt.Sprint(i)}}})
			if want := i%2 == 1; errors.Is(err, store.ErrConflict) != want || !want && err != nil {
				return fmt.Errorf("commit %d: %v", i, err)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				revisions = append(revisions, rev)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(revisions)
	for i, rev := range revisions {
		if rev != store.Revision(i+1) {
			t.Fatalf("revision %d is the %d. one", rev, i+1)
		}
	}
}

// A feed that is older than the limits ends with ErrCompacted, and the newest commits stay.
func TestTheFeedIsBounded(t *testing.T) {
	for name, limits := range map[string][2]int64{"rows": {20, 1 << 30}, "bytes": {1 << 30, 20 << 10}} {
		t.Run(name, func(t *testing.T) {
			server := servertest.Postgres(t)
			e, err := postgres.OpenKeeping(t.Context(), server.URL(), limits[0], limits[1], 20*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			st := storetest.CloseAtEnd(t, store.New(e, store.Options{}))
			for i := range 100 {
				_, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put(fmt.Sprint(i), make([]byte, 1<<10)); return nil })
				if err != nil {
					t.Fatal(err)
				}
			}
			for end := time.Now().Add(30 * time.Second); server.SQLIn("midas", "SELECT count(*) <= 20 FROM midas.changes") != "t"; {
				if time.Now().After(end) {
					t.Fatal("old changes stay")
				}
			}
			for _, err := range st.Watch(t.Context(), "", 1) {
				if !errors.Is(err, store.ErrCompacted) {
					t.Errorf("an old position: %v", err)
				}
			}
			for change, err := range st.Watch(t.Context(), "", 99) {
				if err != nil || change.Revision != 100 {
					t.Errorf("the newest commit: %v, %v", change.Revision, err)
				}
				break
			}
		})
	}
}

// Through a pooler no notification arrives, so the feed polls.
func TestTheFeedNeedsNoNotifications(t *testing.T) {
	server := servertest.Postgres(t)
	a, b := storeAt(t, server.URL()), storeAt(t, server.URL())
	put(t, a, "first")
	next := make(chan store.Change, 10)
	go func() {
		for change := range b.Watch(t.Context(), "", 0) {
			next <- change
		}
	}()
	<-next
	for range 3 {
		server.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
		put(t, a, "more")
		if change := <-next; change.Key != "more" {
			t.Errorf("got %+v", change)
		}
	}
}

// Sessions that end in the middle do not lose or double a commit.
func TestBrokenConnectionsDoNotLoseOrDoubleCommits(t *testing.T) {
	server := servertest.Postgres(t)
	st := storeAt(t, server.URL())
	const increments = 300
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 15 {
			server.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'midas'")
		}
	}()
	for i := range increments {
		_, err := st.Update(context.Background(), func(tx store.Tx) error {
			rec, err := tx.Get("n")
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			tx.Put("n", append(slices.Clone(rec.Value), 'x'))
			return nil
		})
		if err != nil {
			t.Fatalf("increment %d: %v", i, err)
		}
	}
	<-done
	err := st.View(t.Context(), func(tx store.Tx) error {
		rec, err := tx.Get("n")
		if len(rec.Value) != increments || rec.Revision != increments {
			t.Errorf("%d increments, revision %d", len(rec.Value), rec.Revision)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A replica that stops in the middle of a commit, with the lock, does not stop the others.
func TestAStoppedReplicaDoesNotBlockTheOthers(t *testing.T) {
	server := servertest.Postgres(t)
	st := storeAt(t, server.URL())
	put(t, st, "a")
	session := server.SQLIn("midas", "SELECT count(*) FROM midas.head")
	if session != "1" {
		t.Fatalf("the head has %s rows", session)
	}
	e := openAt(t, server.URL())
	storetest.CloseAtEnd(t, store.New(e, store.Options{}))
	ended := e.HoldLock(t)
	put(t, st, "b")
	ended()
}
