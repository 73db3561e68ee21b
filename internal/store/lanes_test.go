package store_test

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/store"
)

// remote is an engine with one record, in which a commit takes a few milliseconds, as it does in a database.
type remote struct {
	mu      sync.Mutex
	record  store.Record
	commits int
}

func (r *remote) Snapshot(context.Context, int) (store.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return remoteSnapshot{r.record}, nil
}

func (r *remote) Commit(_ context.Context, c store.Commit) (store.Revision, error) {
	time.Sleep(3 * time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commits++
	if c.Guards[0].Revision != r.record.Revision {
		return 0, store.ErrConflict
	}
	r.record = store.Record{Key: c.Writes[0].Key, Value: c.Writes[0].Value, Revision: r.record.Revision + 1}
	return r.record.Revision, nil
}

func (r *remote) Watch(context.Context, string, store.Revision) iter.Seq2[store.Change, error] {
	return func(func(store.Change, error) bool) {}
}

func (r *remote) Close() error { return nil }

type remoteSnapshot struct{ record store.Record }

func (s remoteSnapshot) Revision() store.Revision { return s.record.Revision }

func (s remoteSnapshot) Get(context.Context, string) (store.Record, error) {
	if s.record.Revision == 0 {
		return store.Record{}, store.ErrNotFound
	}
	return s.record, nil
}

func (s remoteSnapshot) Scan(context.Context, store.Range) iter.Seq2[store.Record, error] {
	return func(func(store.Record, error) bool) {}
}

func (s remoteSnapshot) Settle(context.Context) error { return nil }
func (s remoteSnapshot) Close()                       {}

func increment(tx store.Tx) error {
	rec, err := tx.Get("n")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	n, _ := strconv.Atoi(string(rec.Value)) // 0 if there is no record yet
	tx.Put("n", strconv.AppendInt(nil, int64(n+1), 10))
	return nil
}

// TestWritersOfOneRecordLineUp has a thousand writers of one record in three processes: each of them succeeds, and the
// number of commits does not grow with the square of the writers.
func TestWritersOfOneRecordLineUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers = 1000
		engine := new(remote)
		stores := []store.Store{store.New(engine, store.Options{}), store.New(engine, store.Options{}), store.New(engine, store.Options{})}
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				if _, err := stores[i%len(stores)].Update(t.Context(), increment); err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			})
		}
		all.Wait()
		if got := string(engine.record.Value); got != strconv.Itoa(writers) {
			t.Errorf("%s of %d increments", got, writers)
		}
		if engine.commits > 8*writers {
			t.Errorf("%d commits of %d writers", engine.commits, writers)
		}
	})
}

// TestTransactionInsideOneThatHasItsLane has a transaction wait for a lane that the transaction around it is in.
func TestTransactionInsideOneThatHasItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := new(remote)
		s := store.New(engine, store.Options{})
		bump := func() {
			engine.mu.Lock()
			engine.record.Revision++
			engine.mu.Unlock()
		}
		attempts, inner := 0, 0
		_, err := s.Update(t.Context(), func(tx store.Tx) error {
			if attempts++; attempts == 2 {
				if _, err := s.Update(t.Context(), func(tx store.Tx) error {
					if inner++; inner == 1 {
						defer bump()
					}
					return increment(tx)
				}); err != nil {
					return err
				}
			}
			if attempts == 1 {
				defer bump()
			}
			return increment(tx)
		})
		if err != nil || inner != 2 {
			t.Errorf("%v after %d attempts of the inner transaction", err, inner)
		}
	})
}

// outdatedFirst is remote behind a cache whose first read of every transaction is outdated.
type outdatedFirst struct{ *remote }

func (o outdatedFirst) Snapshot(ctx context.Context, attempt int) (store.Snapshot, error) {
	if attempt == 0 {
		return nil, store.ErrStale
	}
	return o.remote.Snapshot(ctx, attempt)
}

// TestWritersLineUpAfterAnOutdatedRead has writers whose first attempt ends before its commit, as it does on a replica
// while others write. The first commit that fails makes them line up.
func TestWritersLineUpAfterAnOutdatedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers = 300
		engine := new(remote)
		st := store.New(outdatedFirst{engine}, store.Options{})
		var all sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				if _, err := st.Update(t.Context(), increment); err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			})
		}
		all.Wait()
		if engine.commits > 3*writers {
			t.Errorf("%d commits of %d writers", engine.commits, writers)
		}
	})
}
