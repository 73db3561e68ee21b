//go:build cluster

package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

// A write whose answer is lost is not sent again, and is not called a conflict, after which the transaction would run
// again on top of its own write.
func TestAWriteWhoseAnswerIsLostHappensOnce(t *testing.T) {
	proxy := storetest.NewProxy(t, embedded(t))
	st := storetest.CloseAtEnd(t, store.New(open(t, proxy.Address+"/a"), store.Options{}))
	put(t, st, "n", "x")
	for cut := range 2 {
		runs := 0
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		_, err := st.Update(ctx, func(tx store.Tx) error {
			rec, err := tx.Get("n")
			if err != nil {
				return err
			}
			tx.Put("n", append(rec.Value[:len(rec.Value):len(rec.Value)], 'x'))
			runs++
			proxy.Drop(true)
			if cut == 1 {
				time.AfterFunc(300*time.Millisecond, proxy.Cut)
			}
			return nil
		})
		cancel()
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) || runs != 1 {
			t.Errorf("%v after %d runs", err, runs)
		}
		proxy.Drop(false)
		proxy.Cut()
		want := strings.Repeat("x", cut+2)
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			var got string
			err := st.View(t.Context(), func(tx store.Tx) error {
				rec, err := tx.Get("n")
				got = string(rec.Value)
				return err
			})
			if err == nil {
				if got != want {
					t.Errorf("%q, want %q", got, want)
				}
				break
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
}

// A replica that was away while etcd compacted its history reads everything again, and a list of many pages that is
// under way when its revision is compacted begins again, so that it never shows two revisions.
func TestCompactionWhileAReplicaIsAwayAndWhileItLists(t *testing.T) {
	endpoint := embedded(t)
	proxy := storetest.NewProxy(t, endpoint)
	follower := store.Follow(open(t, proxy.Address+"/a"), store.FollowOptions{})
	away := storetest.CloseAtEnd(t, store.New(store.Cached(follower, 1<<20), store.Options{}))
	other, c := storetest.CloseAtEnd(t, store.New(open(t, endpoint+"/a"), store.Options{})), client(t, endpoint)
	const records = 400 // more than the first page
	generation := func(g int) {
		t.Helper()
		for i := 0; i < records; i += 100 {
			_, err := other.Update(t.Context(), func(tx store.Tx) error {
				for j := range 100 {
					tx.Put(fmt.Sprintf("r/%03d", i+j), fmt.Append(nil, g))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	compact := func() {
		t.Helper()
		answer, err := c.Get(t.Context(), "/")
		if err == nil {
			_, err = c.Compact(t.Context(), answer.Header.Revision, clientv3.WithCompactPhysical())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	generation(0)
	if n := len(keys(t, away, store.Range{Prefix: "r/"})); n != records {
		t.Fatalf("%d keys", n)
	}
	proxy.Drop(true)
	generation(1)
	compact()
	proxy.Drop(false)
	proxy.Cut()
	runs := 0
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		var seen []string
		overtaken := false // the first run may end before its first record, because the replica forgets what it knew
		err := away.View(t.Context(), func(tx store.Tx) error {
			seen = nil
			runs++
			for rec, err := range tx.Scan(store.Range{Prefix: "r/"}) {
				if err != nil {
					return err
				}
				if seen = append(seen, string(rec.Value)); !overtaken {
					overtaken = true
					generation(2)
					compact()
				}
			}
			return nil
		})
		if err != nil && time.Now().Before(end) {
			runs = 0
			continue
		}
		if err != nil || len(seen) != records || strings.Join(seen, "") != strings.Repeat("2", records) {
			t.Errorf("%d records in %d runs: %v", len(seen), runs, err)
		}
		return
	}
}
