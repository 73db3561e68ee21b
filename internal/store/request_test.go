package store_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/store"
)

// The reads of one request share a question. A later request, a conflict and a second ask again.
func TestReadsOfOneRequestShareAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newShared(t)
		a, b := e.replica(t), e.replica(t)
		writeKey(t, a, "k", "old")
		if _, err := valueIn(t.Context(), b.View, "k"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		asked := func() (n int) {
			b.link.set(func(l *link) { n = l.asked })
			return n
		}
		questions := func(run func()) int {
			before := asked()
			run()
			return asked() - before
		}
		read := func(ctx context.Context, want string) {
			t.Helper()
			if got, err := valueIn(ctx, b.View, "k"); got != want || err != nil {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		}
		slow := func(ctx context.Context, want string) { // the clock of the test goes on while the answer comes
			answers := make(chan struct{})
			b.link.set(func(l *link) { l.slow = answers })
			go func() {
				time.Sleep(time.Millisecond)
				b.link.set(func(l *link) { l.slow = nil })
				close(answers)
			}()
			read(ctx, want)
		}
		one := store.Request(t.Context())
		if n := questions(func() { slow(one, "old"); slow(one, "old") }); n == 0 {
			t.Error("a request has not asked")
		}
		if n := questions(func() { read(one, "old"); read(one, "old") }); n != 0 {
			t.Errorf("later reads of the request have asked %d times", n)
		}
		writeKey(t, a, "k", "new")
		if n := questions(func() { read(store.Request(t.Context()), "new") }); n == 0 {
			t.Error("the next request has not asked")
		}
		time.Sleep(2 * store.RecentAge)
		writeKey(t, a, "k", "newest")
		if n := questions(func() { read(one, "newest") }); n == 0 {
			t.Error("a long request has not asked again")
		}
	})
}

// A transaction begins to read before it knows the newest revision. What others have changed until then makes it run
// again, and no caller sees the first result.
func TestTransactionsReadWhileTheQuestionIsAsked(t *testing.T) {
	for name, change := range map[string]string{"a key that was cached": "k", "a key that was not": "fresh", "another key": "other"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newShared(t)
				a, b := e.replica(t), e.replica(t)
				writeKey(t, a, "k", "1")
				if _, err := valueIn(t.Context(), b.View, "k"); err != nil {
					t.Fatal(err)
				}
				slow := make(chan struct{})
				b.link.set(func(l *link) { l.slow = slow })
				runs := make(chan string, 9)
				done := make(chan error, 1)
				go func() {
					_, err := b.Update(t.Context(), func(tx store.Tx) error {
						rec, err := tx.Get("k")
						if err != nil {
							return err
						}
						other, err := tx.Get("fresh")
						if err != nil && !errors.Is(err, store.ErrNotFound) {
							return err
						}
						runs <- string(rec.Value) + string(other.Value)
						tx.Put("sum", append(append([]byte{}, rec.Value...), other.Value...))
						return nil
					})
					done <- err
				}()
				synctest.Wait()
				if first := <-runs; first != "1" {
					t.Fatalf("the first run has read %q", first)
				}
				writeKey(t, a, change, "2")
				b.link.set(func(l *link) { l.slow = nil })
				close(slow)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				want := map[string]string{"k": "2", "fresh": "12", "other": "1"}[change]
				if got, err := valueIn(t.Context(), a.View, "sum"); got != want || err != nil {
					t.Errorf("%q, %v, want %q", got, err, want)
				}
				if again := len(runs) > 0; again != (change != "other") {
					t.Errorf("ran again: %v", again)
				}
			})
		})
	}
}

// While a replica writes all the time, the feed is always a moment behind its newest commit. That is no outage.
func TestRecentSucceedsWhileOthersWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShared(t).replica(t)
		writeKey(t, r, "k", "0")
		r.link.set(func(l *link) { l.delay = 20 * time.Millisecond })
		ctx, cancel := context.WithCancel(t.Context())
		for w := range 16 {
			go func() {
				for i := 0; ctx.Err() == nil; i++ {
					_, _ = r.Update(ctx, func(tx store.Tx) error { tx.Put("w"+strconv.Itoa(w), []byte(strconv.Itoa(i))); return nil })
					time.Sleep(time.Duration(w+1) * time.Millisecond)
				}
			}()
		}
		for range 200 {
			if got, err := valueIn(t.Context(), r.Recent, "k"); got != "0" || err != nil {
				t.Errorf("%q, %v", got, err)
				break
			}
			time.Sleep(3 * time.Millisecond)
		}
		cancel()
		time.Sleep(time.Second)
	})
}
