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

// A backup waits until the feed of all keys has shown the newest revision, which may have changed nothing.
func TestCommitsThatChangeNothingAreInTheFeedOfAllKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		b.link.set(func(l *link) { l.blank = "nothing" })
		writeKey(t, a, "k", "0")
		writeKey(t, a, "nothing", "")
		if _, err := valueIn(t.Context(), b.View, "k"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for name, prefix := range map[string]string{"all keys": "", "one key": "k"} {
			var shown []string
			writeKey(t, a, "nothing", "")
			after := e.Head()
			writeKey(t, a, "nothing", "")
			writeKey(t, a, "k", "1")
			for _, from := range []store.Revision{0, after} { // the engine's feed, and the Follower's list
				for change, err := range b.Watch(ctx, prefix, from) {
					if err != nil || change.Last != (prefix == "") {
						t.Fatalf("%s: %+v, %v", name, change, err)
					}
					if change.Revision > after {
						shown = append(shown, change.Key)
					}
					if change.Revision == e.Head() {
						break
					}
				}
			}
			if want := map[string]string{"": "[ k  k]", "k": "[k k]"}[prefix]; fmt.Sprint(shown) != want {
				t.Errorf("%s: %v instead of %v", name, shown, want)
			}
		}
	})
}

// After a standby that lacks commits has taken over, or a backup was restored, the revisions after those that a consumer
// has seen do not tell what became of the revisions before.
func TestConsumersAreToldThatTheHistoryIsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost, restored := newShared(t), newShared(t)
		a, other, b := lost.replica(t), restored.replica(t), lost.replica(t)
		writeKey(t, a, "k", "0")
		for i := range 20 { // more than the lost history has
			writeKey(t, other, "k", strconv.Itoa(i))
		}
		if _, err := valueIn(t.Context(), b.View, "k"); err != nil {
			t.Fatal(err)
		}
		told := make(chan error, 3)
		for _, after := range []store.Revision{0, b.follower.Head()} {
			go func() {
				for change, err := range b.Watch(t.Context(), "k", after) {
					if err != nil || string(change.Value) != "0" {
						told <- err
						break
					}
				}
			}()
		}
		synctest.Wait()
		b.link.set(func(l *link) { l.skip = 1 })
		writeKey(t, a, "k", "lost")
		b.link.set(func(l *link) { l.engine = restored })
		writeKey(t, a, "k", "lost, too") // now the feed finds out
		for range 2 {
			if err := <-told; !errors.Is(err, store.ErrCompacted) {
				t.Errorf("a consumer was told %v", err)
			}
		}
	})
}
