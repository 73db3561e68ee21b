package store_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/store"
)

// A process that was paused does not know what others wrote meanwhile, and does not answer from what it knew.
func TestPausedReplicaShowsNothingOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, l := e.replica(t), e.link()
		var paused atomic.Int64
		begin := time.Now()
		follower := store.Follow(l, store.FollowOptions{Uptime: func() time.Duration { return time.Since(begin) + time.Duration(paused.Load()) }})
		b := store.New(store.Cached(follower, 1<<20), store.Options{})
		defer func() { _ = b.Close() }()
		writeKey(t, a, "k", "old")
		if got, err := valueIn(t.Context(), b.View, "k"); got != "old" || err != nil {
			t.Fatalf("before: %q, %v", got, err)
		}
		l.set(func(l *link) { l.deaf = true }) // what it has not read before the pause
		writeKey(t, a, "k", "new")
		paused.Store(int64(time.Minute))
		if got, err := valueIn(t.Context(), b.Recent, "k"); !errors.Is(err, store.ErrOutdated) {
			t.Errorf("resumed, and the feed is not: %q, %v", got, err)
		}
		l.set(func(l *link) { l.deaf = false })
		if got, err := valueIn(t.Context(), b.Recent, "k"); got != "new" || err != nil {
			t.Errorf("resumed: %q, %v", got, err)
		}
	})
}

// A database that was restored from a backup has lower revisions. What the replica has cached is forgotten.
func TestRestoredDatabaseEmptiesTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, restored := newShared(t), newShared(t)
		r, other := before.replica(t), restored.replica(t)
		for range 10 {
			writeKey(t, r, "k", "lost")
		}
		writeKey(t, other, "k", "kept")
		head := r.follower.Head()
		r.link.set(func(l *link) { l.engine = restored })
		time.Sleep(store.RecentAge)
		if got, err := valueIn(t.Context(), r.Recent, "k"); err == nil && got != "kept" {
			t.Errorf("a second later Recent shows %q", got)
		}
		time.Sleep(3 * time.Second)
		for name, read := range map[string]func(context.Context, func(store.Tx) error) error{"View": r.View, "Recent": r.Recent} {
			if got, err := valueIn(t.Context(), read, "k"); got != "kept" || err != nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if r.follower.Head() >= head || r.follower.Reloads() == 0 {
			t.Errorf("revision %d after %d, %d reloads", r.follower.Head(), head, r.follower.Reloads())
		}
		writeKey(t, r, "k", "goes on")
		if got, err := valueIn(t.Context(), other.View, "k"); got != "goes on" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// pinned is a link to an engine that can read an earlier revision.
type pinned struct {
	*link
	kept map[store.Revision]store.Snapshot
	pins int
}

func (p *pinned) SnapshotAt(_ context.Context, rev store.Revision, _ int) (store.Snapshot, error) {
	p.pins++
	return unclosed{p.kept[rev]}, nil
}

// unclosed is a snapshot that is used several times.
type unclosed struct{ store.Snapshot }

func (unclosed) Close() {}

// With an engine that can read an earlier revision, a read of what is not cached waits for no feed.
func TestPinnedEngineIsReadAtTheRevisionOfTheFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, p := e.replica(t), &pinned{link: e.link(), kept: map[store.Revision]store.Snapshot{}}
		writeKey(t, a, "k", "old")
		snap, err := e.Snapshot(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer snap.Close()
		p.kept[e.Head()] = snap
		begin := time.Now()
		follower := store.Follow(p, store.FollowOptions{Uptime: func() time.Duration { return time.Since(begin) }})
		b := store.New(store.Cached(follower, 1<<20), store.Options{})
		defer func() { _ = b.Close() }()
		if _, err := valueIn(t.Context(), b.View, "another"); err != nil {
			t.Fatal(err)
		}
		p.set(func(l *link) { l.delay = 500 * time.Millisecond })
		writeKey(t, a, "k", "new")
		asked := time.Now()
		if got, err := valueIn(t.Context(), b.Recent, "k"); got != "old" || err != nil || time.Since(asked) > 0 {
			t.Errorf("%q after %v: %v", got, time.Since(asked), err)
		}
		if p.pins == 0 || p.reads != 0 {
			t.Errorf("%d snapshots of earlier revisions, %d of the newest", p.pins, p.reads)
		}
	})
}
