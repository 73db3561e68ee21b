package clock

import "time"

// Timer is a time.Timer that follows a Clock.
type Timer struct {
	C <-chan time.Time // receives the time once, when the timer fires

	machine *time.Timer // its channel is C if clock is nil
	clock   *Clock
	fired   chan time.Time
	at      time.Time // by the clock; guarded by the clock's mu
	job     bool      // the clock counts the pass after the timer has fired
	owes    bool      // the timer has fired, and the pass has not ended; guarded by the clock's mu
}

// NewTimer returns a timer that fires after d by the clock.
func (c *Clock) NewTimer(d time.Duration) *Timer { return c.newTimer(d, false) }

func (c *Clock) newTimer(d time.Duration, job bool) *Timer {
	if c == nil {
		machine := time.NewTimer(d)
		return &Timer{C: machine.C, machine: machine}
	}
	t := &Timer{clock: c, fired: make(chan time.Time, 1), job: job}
	t.C = t.fired
	c.mu.Lock()
	defer c.mu.Unlock()
	t.machine = time.AfterFunc(time.Hour, t.due)
	t.start(d)
	return t
}

// start makes the timer fire after d. The caller holds the clock's mu.
func (t *Timer) start(d time.Duration) {
	if t.clock.waiting == nil {
		t.clock.waiting = map[*Timer]struct{}{}
	}
	now := t.clock.Now()
	t.at = now.Add(d)
	t.clock.waiting[t] = struct{}{}
	t.arm(now)
}

// arm fires the timer if it is due, or sets the machine's timer. The caller holds the clock's mu.
func (t *Timer) arm(now time.Time) {
	left := t.at.Sub(now)
	switch {
	case left <= 0:
		t.machine.Stop()
		delete(t.clock.waiting, t)
		if t.job {
			t.owes = true
			t.clock.work(1)
		}
		t.fired <- now // it has room for the one value that the timer sends before it is started again
	case t.clock.Stopped():
		t.machine.Stop()
	default:
		t.machine.Reset(left)
	}
}

// due is called when the machine's timer fires.
func (t *Timer) due() {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if _, waits := t.clock.waiting[t]; waits && !t.clock.Stopped() {
		t.arm(t.clock.Now())
	}
}

// again starts the timer of a job, whose value was received, for the next time.
func (t *Timer) again(d time.Duration) {
	if t.clock == nil {
		t.machine.Reset(d)
		return
	}
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.pay()
	t.start(d)
}

// pay ends the pass of a job. The caller holds the clock's mu.
func (t *Timer) pay() {
	if t.owes {
		t.owes = false
		t.clock.work(-1)
	}
}

// Stop prevents the timer from firing.
func (t *Timer) Stop() {
	t.machine.Stop()
	if t.clock == nil {
		return
	}
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	t.pay()
	delete(t.clock.waiting, t)
}
