package agent_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"midas/internal/host"
)

// unanswered is less than the time after which a request to the server is given up: whoever has an
// answer by then has not waited for it.
const unanswered = 3 * time.Second

// within fails the test if do takes as long as a request that is not answered.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	begun := time.Now()
	do()
	if took := time.Since(begun); took > unanswered {
		t.Errorf("%s: it took %v", what, took)
	}
}

func TestUsableTokensAreGivenAtOnceWhileTheServerIsSilent(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s)
	a, c := start(t, s, p.through)
	run(t, a)
	const keys = 20
	ask := func(i int) (*host.Token, error) {
		return a.Token(t.Context(), host.Selector{}, "https://"+strconv.Itoa(i))
	}
	before := map[int]host.Secret{}
	for i := range keys {
		got, err := ask(i)
		if err != nil {
			t.Fatal(err)
		}
		before[i] = got.Raw
	}
	p.stop()
	c.Forward(31 * time.Minute) // past half their life
	within(t, "usable tokens one after another and at once", func() {
		var all sync.WaitGroup
		for i := range keys {
			for range 5 {
				all.Go(func() {
					if got, err := ask(i); err != nil || got.Raw != before[i] {
						t.Errorf("key %d: %v, %v", i, got, err)
					}
				})
			}
		}
		all.Wait()
		for i := range keys {
			if got, err := ask(i); err != nil || got.Raw != before[i] {
				t.Errorf("key %d: %v, %v", i, got, err)
			}
		}
	})
	p.resume()
	for i := range keys {
		eventually(t, func() bool { got, err := ask(i); return err == nil && got.Raw != before[i] })
	}
}

// Once a request was given up, those for which there is no token in memory fail at once, in time for
// clients that try again, and succeed as soon as the server answers.
func TestUnknownKeysFailAtOnceWhileTheServerIsAway(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s)
	a, _ := start(t, s, p.through)
	want(t, a, "t1")
	p.stop()
	cold := func(audience string) error {
		_, err := a.Token(t.Context(), host.Selector{}, audience)
		return err
	}
	if err := cold("https://first"); !errors.Is(err, host.ErrAway) {
		t.Errorf("the first: %v", err)
	}
	for i := range 3 {
		within(t, "an unknown key", func() {
			for j := range 10 {
				if err := cold("https://cold" + strconv.Itoa(10*i+j)); !errors.Is(err, host.ErrAway) {
					t.Errorf("an unknown key: %v", err)
				}
			}
		})
	}
	p.resume()
	eventually(t, func() bool { return cold("https://first") == nil })
}

// A connection whose packets are dropped is given up after the first request that was not answered,
// for tokens and for changes.
func TestDeadConnectionIsReplaced(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s)
	a, c := start(t, s, p.through)
	run(t, a)
	want(t, a, "t1")
	p.kill()
	c.Forward(31 * time.Minute)
	want(t, a, "t1")
	begun := time.Now()
	eventually(t, func() bool { got, _ := get(t, a); return got != "t1" && got != "" && a.Watching() })
	if took := time.Since(begun); took > 9*time.Second {
		t.Errorf("it took %v, as long as HTTP/2 takes to notice by itself", took)
	}
	s.change(func() { s.principals = nil })
	eventually(t, func() bool { _, err := get(t, a); return errors.Is(err, host.ErrNone) })
}

// After a refusal for a removed identity, its token is not returned because the server does not answer.
func TestEndedAssignmentStaysEndedWhileTheServerIsSilent(t *testing.T) {
	s := newServer(t)
	p := newProxy(t, s)
	a, _ := start(t, s, p.through)
	run(t, a)
	want(t, a, "t1")
	s.change(func() { s.principals = []host.Principal{{ObjectID: "o2"}}; s.refusal = host.CodeNone })
	eventually(t, func() bool { _, err := get(t, a); return errors.Is(err, host.ErrNone) })
	p.stop()
	time.Sleep(1100 * time.Millisecond) // refusals are remembered for a second
	if got, err := get(t, a); err == nil {
		t.Errorf("%q", got)
	}
}
