//go:build cluster

package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/etcd/server/v3/embed"

	"midas/internal/store"
	"midas/internal/store/etcd"
	"midas/internal/store/storetest"
)

// commitOf writes keys, those with a dash before them are deleted, under guards of keys at a revision.
func commitOf(writes string, at store.Revision, guards ...string) store.Commit {
	c := store.Commit{}
	for _, key := range strings.Fields(writes) {
		name, isDelete := strings.CutPrefix(key, "-")
		w := store.Write{Key: name, Delete: isDelete}
		if !isDelete {
			w.Value = []byte("of " + writes)
		}
		c.Writes = append(c.Writes, w)
	}
	for _, key := range guards {
		c.Guards = append(c.Guards, store.Guard{Key: key, Revision: at})
	}
	return c
}

// Commits that meet are not sent in one Txn, and no commit is overtaken by a later one which it meets.
func TestCommitsThatMeetAreInDifferentGroups(t *testing.T) {
	e := open(t, embedded(t)+"/a")
	defer e.Close()
	many := func(n int, commit func(int) store.Commit) (all []store.Commit) {
		for i := range n {
			all = append(all, commit(i))
		}
		return all
	}
	big := strings.Repeat("x", 400<<10)
	for name, test := range map[string]struct {
		commits []store.Commit
		want    [][]int
	}{
		"nothing in common":        {[]store.Commit{commitOf("a", 0, "a"), commitOf("b -c", 0, "b")}, [][]int{{0, 1}}},
		"a guard in common":        {[]store.Commit{commitOf("a", 1, "parent"), commitOf("b", 1, "parent")}, [][]int{{0, 1}}},
		"one key twice":            {[]store.Commit{commitOf("a", 0), commitOf("a", 0), commitOf("b", 0)}, [][]int{{0, 2}, {1}}},
		"a delete and a put":       {[]store.Commit{commitOf("-a", 0), commitOf("a", 0)}, [][]int{{0}, {1}}},
		"a guard of what is put":   {[]store.Commit{commitOf("a", 0), commitOf("b", 1, "a")}, [][]int{{0}, {1}}},
		"a put of what is guarded": {[]store.Commit{commitOf("a", 1, "b"), commitOf("b", 1)}, [][]int{{0}, {1}}},
		"one that waits is not overtaken by one that it meets": {
			[]store.Commit{commitOf("a", 0), commitOf("a b", 0), commitOf("b", 0), commitOf("c", 0)}, [][]int{{0, 3}, {1}, {2}},
		},
		"the limit of operations": {
			many(3, func(i int) store.Commit {
				c := store.Commit{}
				for j := range 125 {
					c.Writes = append(c.Writes, store.Write{Key: fmt.Sprint(i, "/", j)})
				}
				return c
			}),
			[][]int{{0, 1}, {2}},
		},
		"the limit of bytes": {
			many(3, func(i int) store.Commit {
				return store.Commit{Writes: []store.Write{{Key: fmt.Sprint(i), Value: []byte(big)}}}
			}),
			[][]int{{0}, {1}, {2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, e.Grouped(test.commits...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if name != "the limit of operations" {
				return
			}
			if _, failed := e.CommitTogether(t.Context(), test.commits[:2]...); errors.Join(failed...) != nil {
				t.Error(failed)
			}
		})
	}
	groups := e.Grouped(many(100, func(i int) store.Commit { return commitOf(fmt.Sprint("k", i), 0) })...)
	if len(groups) != 3 || !slices.IsSorted(slices.Concat(groups...)) {
		t.Errorf("100 small commits: %v", groups)
	}
}

func TestGroups(t *testing.T) { groups(t, embedded(t)) }

// groups checks the outcomes of the commits of a group, and what a feed and a replica see of them.
func groups(t *testing.T, endpoint string) {
	servers := &stores{endpoint: endpoint}
	location := servers.location()
	e := open(t, location)
	st := storetest.CloseAtEnd(t, store.New(e, store.Options{}))
	follower := store.Follow(open(t, location), store.FollowOptions{})
	replica := storetest.CloseAtEnd(t, store.New(store.Cached(follower, 1<<20), store.Options{}))
	first := put(t, st, "old", "1")
	feed := watch(t, st, first)
	if got := keys(t, replica, store.Range{}); len(got) != 1 {
		t.Fatalf("%q", got)
	}

	// one guard of many does not hold
	revisions, failed := e.CommitTogether(t.Context(), commitOf("a b", 0, "a", "b"), commitOf("c", 0, "old"), commitOf("d -old", first, "old"), commitOf("-absent", 0))
	rev := revisions[0]
	if want := []store.Revision{rev, 0, rev, rev}; rev <= first || !slices.Equal(revisions, want) {
		t.Errorf("revisions %v, want %v", revisions, want)
	}
	if failed[0] != nil || !errors.Is(failed[1], store.ErrConflict) || failed[2] != nil || failed[3] != nil {
		t.Errorf("errors %v", failed)
	}
	expect(t, feed, store.Change{Revision: rev, Key: "a", Value: []byte("of a b")}, store.Change{Revision: rev, Key: "b", Value: []byte("of a b")},
		store.Change{Revision: rev, Key: "d", Value: []byte("of d -old")}, store.Change{Revision: rev, Key: "old", Deleted: true, Last: true})
	if got := keys(t, replica, store.Range{}); !slices.Equal(got, []string{"a", "b", "d"}) {
		t.Errorf("%q", got)
	}

	// two commits of one revision are guards of later ones
	if _, failed := e.CommitTogether(t.Context(), commitOf("a", rev, "a", "d"), commitOf("x", rev, "b", "d")); errors.Join(failed...) != nil {
		t.Errorf("guards of one revision: %v", failed)
	}
	for range 2 {
		next(t, feed)
	}

	// no guard holds: the feed shows that a revision was reached, and no gap
	if _, failed := e.CommitTogether(t.Context(), commitOf("a", first, "a"), commitOf("b", first, "b")); !errors.Is(failed[0], store.ErrConflict) || !errors.Is(failed[1], store.ErrConflict) {
		t.Errorf("errors %v", failed)
	}
	newest, err := e.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	expect(t, feed, store.Change{Revision: newest, Deleted: true, Last: true})
	if err := follower.Fresh(t.Context()); err != nil || follower.Head() != newest {
		t.Errorf("the replica is at %d, want %d: %v", follower.Head(), newest, err)
	}
	compareHead(t, e, newest, rev)
	for range 2 {
		next(t, feed)
	}
	after := put(t, st, "end", "")
	expect(t, feed, store.Change{Revision: after, Key: "end", Value: []byte{}, Last: true})
	beforeEnd := after - 1
	expect(t, watch(t, st, beforeEnd), store.Change{Revision: after, Key: "end", Value: []byte{}, Last: true}) // a feed may begin there
	if got := keys(t, replica, store.Range{}); !slices.Equal(got, []string{"a", "b", "d", "end", "newest", "newest2", "x"}) || follower.Reloads() != 0 {
		t.Errorf("%q after %d reloads", got, follower.Reloads())
	}
}

// compareHead checks commits that require the newest revision. One whose other guards fail is a conflict.
func compareHead(t *testing.T, e *etcd.Engine, newest, rev store.Revision) {
	t.Helper()
	at := func(c store.Commit, at store.Revision) store.Commit { c.At, c.Newest = at, true; return c }
	if _, err := e.Commit(t.Context(), at(commitOf("no", rev, "d"), rev)); !errors.Is(err, store.ErrOvertaken) {
		t.Errorf("at revision %d of %d: %v", rev, newest, err)
	}
	if _, err := e.Commit(t.Context(), at(commitOf("no", 1, "d"), newest)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("with another guard: %v", err)
	}
	newest, err := e.Commit(t.Context(), at(commitOf("newest", rev, "d"), newest))
	if err != nil {
		t.Error(err)
	}
	_, failed := e.CommitTogether(t.Context(), at(commitOf("no", rev, "d"), newest-1), at(commitOf("no2", 1, "d"), newest), at(commitOf("newest2", rev, "d"), newest))
	if !errors.Is(failed[0], store.ErrOvertaken) || !errors.Is(failed[1], store.ErrConflict) || failed[2] != nil {
		t.Errorf("in a group: %v", failed)
	}
}

func expect(t *testing.T, feed <-chan result, want ...store.Change) {
	t.Helper()
	var got []store.Change
	for range want {
		r := next(t, feed)
		if r.err != nil {
			t.Fatal(r.err)
		}
		got = append(got, r.Change)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An operator may have set smaller limits. Then commits of a group are sent by themselves, and one that is too large
// alone is refused alone.
func TestGroupsThatEtcdRefuses(t *testing.T) {
	endpoint := embedded(t, func(c *embed.Config) { c.MaxTxnOps, c.MaxRequestBytes = 6, 20<<10 })
	for name, commits := range map[string][]store.Commit{
		"bytes":      {large("a", 15<<10), large("b", 15<<10), large("huge", 30<<10), large("c", 1)},
		"operations": {commitOf("d e f", 0), commitOf("g", 0), commitOf("h1 h2 h3 h4 h5 h6 h7", 0), commitOf("i", 0)},
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t, endpoint+"/"+name)
			st := storetest.CloseAtEnd(t, store.New(e, store.Options{}))
			for range 2 {
				_, failed := e.CommitTogether(t.Context(), commits...)
				for i, err := range failed {
					if want := i == 2; errors.Is(err, store.ErrTooLarge) != want || !want && err != nil {
						t.Errorf("commit %d: %v", i, err)
					}
				}
			}
			if n := len(keys(t, st, store.Range{})); n != map[string]int{"bytes": 3, "operations": 5}[name] {
				t.Errorf("%d keys", n)
			}
		})
	}
}

func large(key string, size int) store.Commit {
	return store.Commit{Writes: []store.Write{{Key: key, Value: make([]byte, size)}}}
}

// waiter has an engine whose answers are lost, so that its commits wait.
type waiter struct {
	*etcd.Engine
	proxy   *storetest.Proxy
	outcome chan error // of all commits
}

func newWaiter(t *testing.T) (*waiter, store.Store) {
	endpoint := embedded(t)
	proxy := storetest.NewProxy(t, endpoint)
	w := &waiter{Engine: open(t, proxy.Address+"/a"), proxy: proxy, outcome: make(chan error, 100)}
	return w, storetest.CloseAtEnd(t, store.New(open(t, endpoint+"/a"), store.Options{}))
}

func (w *waiter) commit(ctx context.Context, writes string) {
	go func() {
		_, err := w.Commit(ctx, commitOf(writes, 0))
		w.outcome <- err
	}()
}

// wait returns when so many commits wait for others.
func (w *waiter) wait(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); w.Waiting() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d commits wait, want %d", w.Waiting(), n)
		}
	}
}

func TestCommitsThatWait(t *testing.T) {
	w, other := newWaiter(t)
	w.proxy.Drop(true)
	for i := range etcd.MostFlying { // they happen, but nobody hears of it
		w.commit(t.Context(), fmt.Sprint("sent", i))
		for len(keys(t, other, store.Range{})) != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.commit(ctx, "cancelled")
	w.wait(t, 1)
	cancel()
	if err := <-w.outcome; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	w.commit(late, "late")
	if err := <-w.outcome; !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("late: %v", err)
	}
	for i := range 3 {
		w.commit(t.Context(), fmt.Sprint("grouped", i))
	}
	w.wait(t, 3)
	w.proxy.Drop(false)
	w.proxy.Cut()
	unknown := 0
	for range etcd.MostFlying + 3 {
		switch err := <-w.outcome; {
		case errors.Is(err, store.ErrUnavailable) && !errors.Is(err, store.ErrConflict):
			unknown++
		case err != nil:
			t.Error(err)
		}
	}
	got := keys(t, other, store.Range{})
	if unknown != etcd.MostFlying || len(got) != etcd.MostFlying+3 || slices.Contains(got, "cancelled") || slices.Contains(got, "late") {
		t.Errorf("%d commits are unknown; %q", unknown, got)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsCommitsThatWait(t *testing.T) {
	w, _ := newWaiter(t)
	w.proxy.Drop(true)
	for i := range etcd.MostFlying + 3 {
		w.commit(t.Context(), fmt.Sprint("k", i))
	}
	w.wait(t, 3)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	for range etcd.MostFlying + 3 {
		if err := <-w.outcome; !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	}
	if _, err := w.Commit(t.Context(), commitOf("k", 0)); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}

// Nobody knows which commits of a group have happened whose answer is lost, so none is sent again.
func TestAGroupWhoseAnswerIsLostHappensOnce(t *testing.T) {
	w, other := newWaiter(t)
	defer w.Close()
	w.proxy.Drop(true)
	time.AfterFunc(300*time.Millisecond, w.proxy.Cut)
	_, failed := w.CommitTogether(t.Context(), commitOf("a", 0), commitOf("b", 0))
	for _, err := range failed {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	}
	w.proxy.Drop(false)
	feed := watch(t, other, 0)
	end := put(t, other, "end", "")
	if r := next(t, feed); r.Revision != end { // the group has happened
		expect(t, feed, store.Change{Revision: r.Revision, Key: "b", Value: []byte("of b"), Last: true}, store.Change{Revision: end, Key: "end", Value: []byte{}, Last: true})
	}
}

// Of many commits that guard the absence of one key and wait, one is sent. The others are refused with it.
func TestManyCreatorsOfOneName(t *testing.T) {
	e := open(t, embedded(t)+"/a")
	st := storetest.CloseAtEnd(t, store.New(e, store.Options{}))
	const creators = 200
	outcomes := make([]error, creators)
	var all sync.WaitGroup
	for i := range creators {
		all.Go(func() { _, outcomes[i] = e.Commit(t.Context(), commitOf("name", 0, "name")) })
	}
	all.Wait()
	created := 0
	for _, err := range outcomes {
		if err == nil {
			created++
		} else if !errors.Is(err, store.ErrConflict) {
			t.Error(err)
		}
	}
	if n := len(keys(t, st, store.Range{})); created != 1 || n != 1 {
		t.Errorf("%d creators of %d keys", created, n)
	}
}
