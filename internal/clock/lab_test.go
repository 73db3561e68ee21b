package clock_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/clock"
)

func TestClockIsTheMachinesUntilItIsMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]*clock.Clock{"nil": nil, "zero": {}} {
			if !c.Now().Equal(time.Now()) || c.Offset() != 0 || c.Stopped() || !c.Begin().Equal(time.Now()) {
				t.Errorf("%s: %v, ahead by %v", name, c.Now(), c.Offset())
			}
		}
		var none *clock.Clock
		if cost := testing.AllocsPerRun(100, func() { _ = none.Now() }); cost != 0 {
			t.Errorf("the machine's clock allocates %v times", cost)
		}
	})
}

func TestClockIsAdvancedStoppedAndReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock.Clock
		begin, up := time.Now(), c.Uptime()
		was := up()
		ahead := func(want time.Duration, when string) {
			t.Helper()
			if got := time.Until(c.Now()); got != want || c.Offset() != want || c.Now().Round(0).Sub(time.Now().Round(0)) != want {
				t.Errorf("%s: ahead by %v, Offset %v, want %v", when, got, c.Offset(), want)
			}
		}
		c.Advance(2 * time.Hour)
		time.Sleep(time.Minute)
		ahead(2*time.Hour, "advanced")
		if !c.Begin().Equal(time.Now()) {
			t.Errorf("certificates begin at %v, and clients have %v", c.Begin(), time.Now())
		}
		c.Stop()
		time.Sleep(time.Hour)
		ahead(time.Hour, "stopped for an hour")
		if !c.Stopped() {
			t.Error("it does not stand")
		}
		c.Advance(time.Hour)
		ahead(2*time.Hour, "advanced while it stands")
		c.Start()
		time.Sleep(time.Hour)
		ahead(2*time.Hour, "running again")
		if moved := up() - was; moved < 2*time.Hour {
			t.Errorf("the uptime has moved by %v", moved)
		}
		c.Reset()
		ahead(0, "reset")
		if begin.After(c.Now()) {
			t.Error("reset has set the machine's clock back")
		}
	})
}

func TestTimersFollowTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock.Clock
		fired := func(timer *clock.Timer) bool {
			synctest.Wait()
			select {
			case <-timer.C:
				return true
			default:
				return false
			}
		}
		soon, late, never := c.NewTimer(time.Minute), c.NewTimer(3*time.Hour), c.NewTimer(time.Minute)
		never.Stop()
		c.Advance(2 * time.Hour)
		if !fired(soon) || fired(late) || fired(never) {
			t.Error("after two hours only the timer of a minute fires")
		}
		time.Sleep(time.Hour)
		if !fired(late) {
			t.Error("a timer does not fire when the rest of its time has passed")
		}
		held := c.NewTimer(time.Minute)
		c.Stop()
		if time.Sleep(time.Hour); fired(held) {
			t.Error("a timer fires while the clock stands")
		}
		made := c.NewTimer(time.Minute)
		c.Advance(time.Minute)
		if !fired(held) || !fired(made) {
			t.Error("timers do not fire when a clock that stands is advanced")
		}
		rest := c.NewTimer(time.Minute)
		c.Start()
		if time.Sleep(time.Minute); !fired(rest) {
			t.Error("a timer does not fire after the clock runs again")
		}
		back := c.NewTimer(time.Minute)
		c.Reset()
		if time.Sleep(time.Minute); !fired(back) {
			t.Error("a clock that is reset keeps its timers waiting")
		}
	})
}

func TestEveryFollowsTheClockOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock.Clock
		var runs atomic.Int32
		ctx, cancel := context.WithCancel(clock.With(t.Context(), &c))
		go clock.Every(ctx, time.Hour, func(context.Context) { time.Sleep(time.Second); runs.Add(1) })
		synctest.Wait()
		for want := int32(1); want < 4; want++ {
			c.Advance(30 * time.Hour)
			c.Settled(t.Context())
			if got := runs.Load(); got != want {
				t.Errorf("%d passes after %d moves", got, want)
			}
		}
		c.Stop()
		if time.Sleep(5 * time.Hour); runs.Load() != 3 {
			t.Error("a pass while the clock stands")
		}
		c.Start()
		if time.Sleep(61 * time.Minute); runs.Load() != 4 {
			t.Errorf("%d passes, want 4: time that passes counts", runs.Load())
		}
		c.Advance(30 * time.Hour) // a pass begins, and its job ends
		cancel()
		c.Settled(context.Background())
		clock.Sleep(clock.With(t.Context(), &c), time.Minute)
	})
}
