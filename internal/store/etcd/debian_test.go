//go:build e2e && cluster

package etcd_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"midas/internal/store"
	"midas/internal/store/servertest"
	"midas/internal/store/storetest"
)

func all(c *servertest.EtcdCluster) string { return strings.Join(c.Endpoints, ",") }

func TestConformanceOnDebiansEtcd(t *testing.T) {
	conform(t, all(servertest.Etcd(t, 3)))
}

func TestGroupsOnDebiansEtcd(t *testing.T) { groups(t, all(servertest.Etcd(t, 1))) }

const endpointsVariable = "MIDAS_ETCD_ENDPOINTS"

// The child of storetest.Kill runs this test, too, and must use the cluster of its parent.
func TestAcknowledgedWritesSurviveKillOfAReplica(t *testing.T) {
	if os.Getenv(endpointsVariable) == "" {
		t.Setenv(endpointsVariable, all(servertest.Etcd(t, 3)))
	}
	storetest.Kill(t, func(t testing.TB, dir string) store.Store {
		return store.New(open(t, os.Getenv(endpointsVariable)+"/kill/"+filepath.Base(filepath.Dir(dir))), store.Options{})
	})
}

// tally counts what writers were told.
type tally struct{ acknowledged, unknown atomic.Int64 }

// count increments the key n until stop ends.
func (c *tally) count(stop context.Context, st store.Store) error {
	for stop.Err() == nil {
		_, err := st.Update(context.Background(), func(tx store.Tx) error {
			rec, err := tx.Get("n")
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			tx.Put("n", append(rec.Value[:len(rec.Value):len(rec.Value)], 'x'))
			return nil
		})
		switch {
		case err == nil:
			c.acknowledged.Add(1)
		case errors.Is(err, store.ErrUnavailable):
			c.unknown.Add(1)
		case !errors.Is(err, store.ErrConflict):
			return err
		}
	}
	return nil
}

// more waits until some more writes were acknowledged.
func (c *tally) more(t *testing.T, what string) {
	t.Helper()
	begin, before := time.Now(), c.acknowledged.Load()
	for c.acknowledged.Load() < before+20 {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%s: no writes", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("%s: 20 writes after %v, %d unknown so far", what, time.Since(begin), c.unknown.Load())
}

// The leader and another member are killed and paused in turn while writers run. Every acknowledged increment is
// there, a write is lost or doubled only if its writer was told that the outcome is not known, and the feed shows
// every commit.
func TestWritersSurviveTheLossOfMembers(t *testing.T) {
	c := servertest.Etcd(t, 3)
	st := storetest.CloseAtEnd(t, store.New(open(t, all(c)+"/midas"), store.Options{}))
	ctx, stop := context.WithCancel(t.Context())
	told := &tally{}
	var writers errgroup.Group
	for range 4 {
		writers.Go(func() error { return told.count(ctx, st) })
	}
	feed := make(chan error, 1)
	go func() { feed <- grows(st) }()
	told.more(t, "at first")
	for range 2 {
		leader := c.Leader()
		c.Kill(leader)
		told.more(t, "the leader was killed")
		c.Start(leader)
		told.more(t, "it was started again")
		leader = c.Leader()
		c.Pause(leader)
		told.more(t, "the leader was paused")
		c.Resume(leader)
		told.more(t, "it was resumed")
	}
	stop()
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := st.View(t.Context(), func(tx store.Tx) error {
		rec, err := tx.Get("n")
		n = int64(len(rec.Value))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if least, most := told.acknowledged.Load(), told.acknowledged.Load()+told.unknown.Load(); n < least || n > most {
		t.Errorf("%d increments are there, %d were acknowledged and %d unknown", n, least, most-least)
	}
	if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put("end", nil); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := <-feed; err != nil {
		t.Error(err)
	}
}

// grows watches until the key "end" is put. The value of n must grow by one byte each time.
func grows(st store.Store) error {
	n := 0
	for change, err := range st.Watch(context.Background(), "", 0) {
		if err != nil {
			return err
		}
		if change.Key == "end" {
			return nil
		}
		if n++; len(change.Value) != n {
			return errors.New("the feed has left out a commit, or shown it twice")
		}
	}
	return errors.New("the feed has ended")
}

// Without a majority, writes and reads end with ErrUnavailable, not later than their context, and go on by
// themselves.
func TestLossOfTheMajority(t *testing.T) {
	c := servertest.Etcd(t, 3)
	engine := open(t, all(c)+"/midas")
	st := storetest.CloseAtEnd(t, store.New(engine, store.Options{}))
	write := func(ctx context.Context) error {
		_, err := st.Update(ctx, func(tx store.Tx) error { tx.Put("a", nil); return nil })
		return err
	}
	if err := write(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Kill(0)
	c.Kill(1)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := write(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("write: %v", err)
		}
		cancel()
	}
	if err := write(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("write without a deadline: %v", err)
	}
	if _, err := engine.Newest(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("read: %v", err)
	}
	for engine.Failure() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	c.Start(0)
	for write(t.Context()) != nil {
		time.Sleep(50 * time.Millisecond)
	}
	for engine.Failure() != nil {
		time.Sleep(50 * time.Millisecond)
	}
}
