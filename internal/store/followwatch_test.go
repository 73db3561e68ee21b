package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/store"
)

// Each feed costs the database the reading of every commit, so a replica has one for all its consumers.
func TestConsumersShareOneFeedOfTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		writeKey(t, a, "k/0", "0")
		if _, err := valueIn(t.Context(), b.View, "k/0"); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				prefix := []string{"", "k/"}[i%2]
				for change, err := range b.Watch(t.Context(), prefix, b.follower.Head()) {
					if err != nil || change.Key != "k/1" || change.Last != (prefix == "") {
						t.Errorf("consumer %d: %+v, %v", i, change, err)
					}
					break
				}
			})
		}
		synctest.Wait()
		writeKey(t, a, "k/1", "1")
		group.Wait()
		feeds := 0
		b.link.set(func(l *link) { feeds = l.feeds })
		if feeds != 1 {
			t.Errorf("%d feeds of the engine", feeds)
		}
	})
}

// A consumer that is further behind than the Follower's own list reads the engine's feed, and then the list.
func TestConsumersBehindTheFollowersListMissNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a := e.replica(t)
		const commits = 3000
		for i := range commits {
			writeKey(t, a, "k", strconv.Itoa(i))
		}
		want := 0
		for change, err := range a.Watch(t.Context(), "k", 0) {
			if err != nil || string(change.Value) != strconv.Itoa(want) {
				t.Fatalf("%q instead of %d: %v", change.Value, want, err)
			}
			if want++; want == commits {
				writeKey(t, a, "k", strconv.Itoa(commits))
			}
			if want > commits {
				break
			}
		}
		if a.link.feeds != 2 {
			t.Errorf("%d feeds of the engine", a.link.feeds)
		}
	})
}

// When the Follower begins a new feed, its consumers miss nothing and see nothing twice, or they are told.
func TestConsumersMissNothingWhenTheFeedBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		writeKey(t, a, "k", "0")
		if _, err := valueIn(t.Context(), b.View, "k"); err != nil {
			t.Fatal(err)
		}
		const commits = 60
		seen := make(chan error, 1)
		at := b.follower.Head()
		go func() { seen <- follows(t.Context(), b, at, commits) }()
		for i := 1; i <= commits; i++ {
			if i%10 == 5 {
				b.link.set(func(l *link) { l.skip = 1 })
			}
			writeKey(t, a, "k", strconv.Itoa(i))
			time.Sleep(20 * time.Millisecond)
		}
		if err := <-seen; err != nil {
			t.Error(err)
		}
		if b.follower.Reloads() == 0 {
			t.Error("the feed has not begun anew")
		}
	})
}

// follows reads the values 1 to last, each once. After ErrCompacted it reads the newest one, as all consumers do.
func follows(ctx context.Context, r *replica, after store.Revision, last int) error {
	for at := 0; at < last; {
		for change, err := range r.Watch(ctx, "k", after) {
			if errors.Is(err, store.ErrCompacted) {
				break
			}
			n, _ := strconv.Atoi(string(change.Value))
			if err != nil || n != at+1 {
				return fmt.Errorf("%d after %d: %w", n, at, err)
			}
			if at = n; at == last {
				return nil
			}
		}
		err := r.View(ctx, func(tx store.Tx) error {
			rec, err := tx.Get("k")
			at, _ = strconv.Atoi(string(rec.Value))
			after = store.RevisionOf(tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
