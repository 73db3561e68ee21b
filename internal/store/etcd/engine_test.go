//go:build cluster

package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"midas/internal/store"
	"midas/internal/store/etcd"
	"midas/internal/store/storetest"
)

// client returns a client that may do what only operators and other programs do.
func client(t testing.TB, endpoint string) *clientv3.Client {
	t.Helper()
	c, err := etcd.NewClient(etcd.Config{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func put(t testing.TB, st store.Store, key, value string) store.Revision {
	t.Helper()
	rev, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put(key, []byte(value)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func keys(t testing.TB, st store.Store, r store.Range) (all []string) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		all = nil
		for rec, err := range tx.Scan(r) {
			if err != nil {
				return err
			}
			all = append(all, rec.Key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPrefixesAreSeparate(t *testing.T) {
	endpoint := embedded(t)
	var all []store.Store
	for i, prefix := range []string{"/a", "/ab", "/a/b", "/a%2Fc"} {
		st := storetest.CloseAtEnd(t, store.New(open(t, endpoint+prefix), store.Options{}))
		put(t, st, fmt.Sprint("key", i), "x")
		all = append(all, st)
	}
	for i, st := range all {
		want := fmt.Sprint("key", i)
		if got := keys(t, st, store.Range{}); len(got) != 1 || got[0] != want {
			t.Errorf("store %d has the keys %q", i, got)
		}
		for change, err := range st.Watch(t.Context(), "", 0) {
			if err != nil || change.Key != want {
				t.Errorf("the feed of store %d shows %q, %v", i, change.Key, err)
			}
			break
		}
	}
}

// next returns the next change or error of a feed.
func next(t testing.TB, feed <-chan result) result {
	t.Helper()
	select {
	case r := <-feed:
		return r
	case <-time.After(time.Minute):
		t.Fatal("the feed shows nothing")
		return result{}
	}
}

type result struct {
	store.Change
	err error
}

func watch(t testing.TB, st store.Store, after store.Revision) <-chan result {
	feed := make(chan result)
	ctx := t.Context()
	go func() {
		for change, err := range st.Watch(ctx, "", after) {
			select {
			case feed <- result{change, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return feed
}

func TestFeedAndCompaction(t *testing.T) {
	dir, peer, endpoint := t.TempDir(), free(t), free(t)
	server := startAt(t, dir, peer, endpoint)
	c, st := client(t, endpoint), storetest.CloseAtEnd(t, store.New(open(t, endpoint+"/a"), store.Options{}))
	first := put(t, st, "a", "1")
	quiet := watch(t, st, first)
	newest := put(t, st, "a", "2")
	if r := next(t, quiet); r.err != nil || r.Revision != newest {
		t.Fatalf("%+v", r)
	}
	for range 10 { // another program's writes, so that etcd's revision is far from the store's
		if _, err := c.Put(t.Context(), "/other", "x"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Compact(t.Context(), int64(newest)+5, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	for _, after := range []store.Revision{0, first} {
		if r := next(t, watch(t, st, after)); !errors.Is(r.err, store.ErrCompacted) {
			t.Errorf("after %d: %+v", after, r)
		}
	}
	server.Close() // so that the feed begins a new watch, whose position is compacted, but nothing is lost
	server = startAt(t, dir, peer, endpoint)
	t.Cleanup(server.Close)
	old := open(t, endpoint+"/a")
	defer old.Close()
	third := put(t, st, "a", "3")
	if r := next(t, quiet); r.err != nil || r.Revision != third {
		t.Errorf("after %d: %+v", newest, r)
	}
	snap, _ := old.SnapshotAt(t.Context(), first, 0)
	if _, err := snap.Get(t.Context(), "a"); !errors.Is(err, store.ErrStale) {
		t.Errorf("a compacted snapshot: %v", err)
	}
}

func TestFeedNoticesForeignWritesAndDeletes(t *testing.T) {
	endpoint := embedded(t)
	c := client(t, endpoint)
	for name, change := range map[string]func(context.Context) error{
		"write":  func(ctx context.Context) error { _, err := c.Put(ctx, "/a/k/foreign", "x"); return err },
		"delete": func(ctx context.Context) error { _, err := c.Delete(ctx, "/a/", clientv3.WithPrefix()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			st := storetest.CloseAtEnd(t, store.New(open(t, endpoint+"/a"), store.Options{}))
			feed := watch(t, st, put(t, st, "a", "1"))
			second := put(t, st, "b", "2")
			if r := next(t, feed); r.Revision != second || r.err != nil {
				t.Fatalf("%+v", r)
			}
			if err := change(t.Context()); err != nil {
				t.Fatal(err)
			}
			put(t, st, "c", "3")
			if r := next(t, feed); !errors.Is(r.err, store.ErrCompacted) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A commit that only deletes keys that do not exist changes nothing in etcd. A follower still has to learn that
// the revision was reached.
func TestFeedShowsDeletesOfAbsentKeys(t *testing.T) {
	st := storetest.CloseAtEnd(t, store.New(open(t, embedded(t)+"/a"), store.Options{}))
	rev, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Delete("x"); tx.Delete("y"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if r := next(t, watch(t, st, 0)); r.Revision != rev || r.Key != "x" || !r.Deleted {
		t.Errorf("%+v, want the deletion of x in %d", r, rev)
	}
}

// After an older copy of the database was put back, and as many commits as before were written, revisions and
// versions are the same, but the history is another.
func TestFeedNoticesARestoredDatabase(t *testing.T) {
	dir := t.TempDir()
	now, backup := dir+"/now", dir+"/backup"
	var peer, listen = free(t), free(t)
	start := func() *embed.Etcd { return startAt(t, now, peer, listen) }
	server := start()
	st := storetest.CloseAtEnd(t, store.New(open(t, listen+"/a"), store.Options{}))
	put(t, st, "a", "1")
	server.Close()
	if err := os.CopyFS(backup, os.DirFS(now)); err != nil {
		t.Fatal(err)
	}
	server = start()
	feed := watch(t, st, put(t, st, "lost", "x"))
	rev := put(t, st, "lost", "y")
	if r := next(t, feed); r.err != nil || r.Revision != rev {
		t.Fatalf("%+v", r)
	}
	server.Close()
	if err := errors.Join(os.RemoveAll(now), os.CopyFS(now, os.DirFS(backup))); err != nil {
		t.Fatal(err)
	}
	server = start()
	defer server.Close()
	other := storetest.CloseAtEnd(t, store.New(open(t, listen+"/a"), store.Options{}))
	for i := range 4 {
		put(t, other, "other", fmt.Sprint(i))
	}
	if r := next(t, feed); !errors.Is(r.err, store.ErrCompacted) {
		t.Errorf("%+v", r)
	}
}

func TestLargeScans(t *testing.T) {
	st := storetest.CloseAtEnd(t, store.New(open(t, embedded(t)+"/a"), store.Options{}))
	big := strings.Repeat("x", store.MaxValue)
	for i := range 24 { // more than one answer may have
		put(t, st, fmt.Sprintf("big/%03d", i), big)
	}
	for i := range 30 {
		_, err := st.Update(t.Context(), func(tx store.Tx) error {
			for j := range 100 {
				tx.Put(fmt.Sprintf("small/%02d%02d", i, j), []byte("x"))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, reverse := range []bool{false, true} {
		if n := len(keys(t, st, store.Range{Reverse: reverse})); n != 3024 {
			t.Errorf("reverse %v: %d keys", reverse, n)
		}
		if n := len(keys(t, st, store.Range{Prefix: "small/", Limit: 2500, Reverse: reverse})); n != 2500 {
			t.Errorf("reverse %v: %d keys of 2500", reverse, n)
		}
	}
}

// etcd's quota: writes end with ErrUnavailable, reads go on, and Failure says why.
func TestQuota(t *testing.T) {
	endpoint := embedded(t, func(c *embed.Config) { c.QuotaBackendBytes = 8 << 20 })
	e := open(t, endpoint+"/a")
	st := storetest.CloseAtEnd(t, store.New(e, store.Options{}))
	put(t, st, "a", "1")
	var err error
	for i := 0; i < 100 && err == nil; i++ {
		_, err = st.Update(t.Context(), func(tx store.Tx) error { tx.Put("big", make([]byte, store.MaxValue)); return nil })
	}
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("write: %v", err)
	}
	for e.Failure() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	if text := e.Failure().Error(); !strings.Contains(text, "NOSPACE") {
		t.Error(text)
	}
	if got := keys(t, st, store.Range{Prefix: "a"}); len(got) != 1 {
		t.Errorf("keys %q", got)
	}
	again := open(t, endpoint+"/a") // a start is possible, too
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	c := client(t, endpoint)
	answer, err := c.Get(t.Context(), "/")
	if err == nil {
		_, err = c.Compact(t.Context(), answer.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err == nil {
		_, err = c.Defragment(t.Context(), endpoint)
	}
	if err == nil {
		_, err = c.AlarmDisarm(t.Context(), &clientv3.AlarmMember{})
	}
	if err != nil {
		t.Fatal(err)
	}
	put(t, st, "a", "2")
	if err := e.Failure(); err != nil {
		t.Error(err)
	}
}
