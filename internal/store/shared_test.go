package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"midas/internal/store"
	"midas/internal/store/pebble"
)

var errPartitioned = fmt.Errorf("no answer: %w", store.ErrUnavailable)

// sharedEngine is an engine that several stores share, as replicas share a database: each gets a link.
type sharedEngine struct {
	*pebble.Engine
	committing sync.Mutex // so that a commit can compare the head
}

func newShared(t testing.TB) *sharedEngine {
	t.Helper()
	e, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &sharedEngine{Engine: e}
}

// link is the connection of one replica to a sharedEngine. It can be cut, and its feed can be delayed or lose commits.
type link struct {
	mu       sync.Mutex
	engine   *sharedEngine // the database
	cut      bool          // every call fails
	compares bool
	deaf     bool          // the feed shows nothing, though calls succeed
	skip     int           // commits that the feed leaves out
	delay    time.Duration // of each commit in the feed
	lag      time.Duration // likewise, only of the feed of all keys, which the Follower runs
	asked    int           // questions for the newest revision
	reads    int           // snapshots
	feeds    int           // calls of Watch
	blank    string        // a key whose commits the feed shows as ones that have changed nothing
	takes    time.Duration // an answer
	slow     chan struct{} // the answers wait until it is closed; nil if they do not
	ctx      context.Context
	cancel   context.CancelFunc
}

func (e *sharedEngine) link() *link {
	l := &link{engine: e}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

func (l *link) set(change func(*link)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *link) database() *sharedEngine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.engine
}

func (l *link) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

func (l *link) Newest(context.Context) (store.Revision, error) {
	var slow chan struct{}
	var takes time.Duration
	l.set(func(l *link) { l.asked++; slow, takes = l.slow, l.takes })
	time.Sleep(takes)
	if slow != nil {
		<-slow
	}
	if l.isCut() {
		return 0, errPartitioned
	}
	return l.database().Head(), nil
}

func (l *link) Snapshot(ctx context.Context, attempt int) (store.Snapshot, error) {
	l.set(func(l *link) { l.reads++ })
	if l.isCut() {
		return nil, errPartitioned
	}
	return l.database().Snapshot(ctx, attempt)
}

func (l *link) Commit(ctx context.Context, c store.Commit) (store.Revision, error) {
	if l.isCut() {
		return 0, errPartitioned
	}
	db := l.database()
	db.committing.Lock()
	defer db.committing.Unlock()
	if c.Newest && db.Head() != c.At {
		return 0, store.ErrOvertaken
	}
	if l.compares {
		if err := compareGuards(ctx, db, c.Guards); err != nil {
			return 0, err
		}
		c.At = db.Head()
	}
	return db.Commit(ctx, c)
}

// compareGuards compares guards that need not have held when the transaction read.
func compareGuards(ctx context.Context, db *sharedEngine, guards []store.Guard) error {
	snap, err := db.Snapshot(ctx, 1)
	if err != nil {
		return err
	}
	defer snap.Close()
	for _, g := range guards {
		rec, err := snap.Get(ctx, g.Key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if rec.Revision != g.Revision {
			return store.ErrConflict
		}
	}
	return nil
}

// comparing is a link to a database that is a store.HeadComparer.
type comparing struct{ *link }

func (comparing) ComparesHead() {}

// Watch notices what the feed leaves out with the next commit, as the engines do.
func (l *link) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(l.ctx, cancel)()
		l.set(func(l *link) { l.feeds++ })
		lost := false
		begins := true
		for change, err := range l.database().Watch(ctx, prefix, after) {
			if l.hold(ctx, begins, prefix == "") != nil {
				break
			}
			begins = change.Last
			if l.isBlank(change) {
				change.Key, change.Value, change.Deleted = "", nil, true
			}
			if l.leavesOut(change) {
				lost = true
				continue
			}
			if lost {
				yield(store.Change{}, store.ErrCompacted)
				return
			}
			if !yield(change, err) {
				return
			}
		}
		if l.ctx.Err() != nil {
			yield(store.Change{}, store.ErrClosed)
		}
	}
}

// hold waits for the delay, and while the link is cut or deaf.
func (l *link) hold(ctx context.Context, begins, all bool) error {
	for {
		l.mu.Lock()
		wait := time.Duration(0)
		if begins {
			wait = l.delay
			if all {
				wait += l.lag
			}
		}
		stopped := l.cut || l.deaf
		l.mu.Unlock()
		if stopped {
			wait = time.Millisecond
		}
		if wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		if !stopped || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (l *link) leavesOut(c store.Change) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.skip == 0 {
		return false
	}
	if c.Last {
		l.skip--
	}
	return true
}

func (l *link) isBlank(c store.Change) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blank != "" && c.Key == l.blank
}

func (l *link) Close() error { l.cancel(); return nil }

// replica is a store with a cache over a Follower.
type replica struct {
	store.Store
	link     *link
	follower *store.Follower
	cache    *store.Cache
}

func (e *sharedEngine) replica(t testing.TB) *replica {
	t.Helper()
	l := e.link()
	return replicaOf(t, l, l)
}

// comparing returns a replica whose commits may compare the head.
func (e *sharedEngine) comparing(t testing.TB) *replica {
	t.Helper()
	l := e.link()
	l.compares = true
	return replicaOf(t, l, comparing{l})
}

func replicaOf(t testing.TB, l *link, engine store.Shared) *replica {
	t.Helper()
	begin := time.Now()
	r := &replica{link: l}
	r.follower = store.Follow(engine, store.FollowOptions{Uptime: func() time.Duration { return time.Since(begin) }})
	r.cache = store.Cached(r.follower, 1<<20)
	r.Store = store.New(r.cache, store.Options{})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close a replica: %v", err)
		}
	})
	return r
}

// valueIn returns the value of a key, "" if there is none.
func valueIn(ctx context.Context, read func(context.Context, func(store.Tx) error) error, key string) (string, error) {
	var value string
	err := read(ctx, func(tx store.Tx) error {
		rec, err := tx.Get(key)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		value = string(rec.Value)
		return err
	})
	return value, err
}

func writeKey(t testing.TB, st store.Store, key, value string) {
	t.Helper()
	_, err := st.Update(context.Background(), func(tx store.Tx) error { tx.Put(key, []byte(value)); return nil })
	if err != nil {
		t.Fatalf("write %s: %v", key, err)
	}
}
