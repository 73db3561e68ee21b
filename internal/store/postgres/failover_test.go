//go:build e2e && cluster

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"midas/internal/store"
	"midas/internal/store/servertest"
)

// writer puts keys until stop is closed. It returns the acknowledged keys.
func writer(st store.Store, name string, stop <-chan struct{}) (acknowledged []string, err error) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return acknowledged, nil
		default:
		}
		key := fmt.Sprintf("w/%s/%d", name, i)
		_, err := st.Update(context.Background(), func(tx store.Tx) error { tx.Put(key, []byte("x")); return nil })
		switch {
		case err == nil:
			acknowledged = append(acknowledged, key)
		case !errors.Is(err, store.ErrUnavailable):
			return nil, err
		}
	}
}

// A standby takes over while two replicas write. The feed of a third shows every acknowledged write, in order and
// without a gap.
func TestNoAcknowledgedWriteIsLostWhenAStandbyTakesOver(t *testing.T) {
	primary := servertest.Postgres(t)
	first := storeAt(t, primary.URL())
	if _, err := first.Update(t.Context(), func(tx store.Tx) error { tx.Put("begin", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	standby := primary.Standby(true)
	url := primary.URL(standby)
	a, b, observer := storeAt(t, url), storeAt(t, url), storeAt(t, url)

	var mu sync.Mutex
	var acknowledged []string
	stop := make(chan struct{})
	var writers, watcher errgroup.Group
	for i, st := range []store.Store{a, b, a, b} {
		writers.Go(func() error {
			keys, err := writer(st, fmt.Sprint(i), stop)
			mu.Lock()
			defer mu.Unlock()
			acknowledged = append(acknowledged, keys...)
			return err
		})
	}
	fed := make(map[string]bool)
	watcher.Go(func() error { return follow(observer, fed) })
	waitForChanges(t, observer, 50)
	primary.Kill()
	standby.Promote()
	waitForChanges(t, observer, 50)
	close(stop)
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Update(t.Context(), func(tx store.Tx) error { tx.Put("end", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := watcher.Wait(); err != nil {
		t.Fatalf("the feed: %v", err)
	}
	t.Logf("%d acknowledged writes", len(acknowledged))
	for _, key := range acknowledged {
		if !fed[key] {
			t.Errorf("the feed lacks the acknowledged write %s", key)
		}
	}
	checkAll(t, b, acknowledged)
}

// follow collects the keys of a feed until the key "end".
func follow(st store.Store, into map[string]bool) error {
	var at store.Revision
	for change, err := range st.Watch(context.Background(), "", 0) {
		if err != nil {
			return err
		}
		if change.Revision != at && change.Revision != at+1 {
			return fmt.Errorf("revision %d follows %d", change.Revision, at)
		}
		at = change.Revision
		into[change.Key] = true
		if change.Key == "end" {
			return nil
		}
	}
	return errors.New("it ended")
}

// waitForChanges waits for new commits.
func waitForChanges(t *testing.T, st store.Store, count int) {
	t.Helper()
	var head store.Revision
	for end := time.Now().Add(time.Minute); ; {
		rev, err := st.Update(t.Context(), func(store.Tx) error { return nil })
		if err == nil {
			head = rev
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	seen := 0
	for _, err := range st.Watch(t.Context(), "w/", head) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == count {
			return
		}
	}
}

func checkAll(t *testing.T, st store.Store, keys []string) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		for _, key := range keys {
			if _, err := tx.Get(key); err != nil {
				t.Errorf("the acknowledged write %s: %v", key, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A write that begins while the server is away waits for it, and fails after the deadline if it does not come back.
func TestAServerThatCrashesAndStarts(t *testing.T) {
	server := servertest.Postgres(t)
	st := storeAt(t, server.URL())
	stop := make(chan struct{})
	var keys []string
	var group errgroup.Group
	group.Go(func() (err error) { keys, err = writer(st, "0", stop); return err })
	for range 3 {
		waitForChanges(t, st, 20)
		server.Kill()
		server.Start()
	}
	waitForChanges(t, st, 20)
	server.Kill()
	_, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put("gone", nil); return nil })
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
		t.Errorf("update while the server is away: %v", err)
	}
	if err := st.View(t.Context(), func(tx store.Tx) error { _, err := tx.Get("gone"); return err }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("view while the server is away: %v", err)
	}
	server.Start()
	close(stop)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	checkAll(t, st, keys)
}

// A standby that does not confirm a commit: the commit must not be acknowledged.
func TestACommitWithoutItsStandbyIsNotAcknowledged(t *testing.T) {
	server := servertest.Postgres(t)
	st := storeAt(t, server.URL())
	put := func() error {
		_, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put("a", nil); return nil })
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	server.SQL("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
	server.SQL("SELECT pg_reload_conf()")
	for end := time.Now().Add(30 * time.Second); put() == nil; {
		if time.Now().After(end) {
			t.Fatal("commits are acknowledged without the standby")
		}
	}
	if err := put(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	server.SQL("ALTER SYSTEM RESET synchronous_standby_names")
	server.SQL("SELECT pg_reload_conf()")
	for end := time.Now().Add(30 * time.Second); put() != nil; {
		if time.Now().After(end) {
			t.Fatal("commits do not resume")
		}
	}
}
