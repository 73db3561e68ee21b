package store

import (
	"context"
	"fmt"
	"time"
)

// probe is one question for the newest revision, for all readers that came before it began.
type probe struct {
	done     chan struct{} // closed when revision or err is set
	readers  int           // that wait for it, while it has not begun; Follower.mu guards it
	revision Revision
	err      error
}

// answer is an answer that the feed has not reached yet.
type answer struct {
	revision Revision
	asked    time.Duration // the uptime before the question
	got      time.Duration // the uptime of the answer
}

// mostPending bounds the answers that wait for the feed. Further answers only make the age come out greater.
const mostPending = 64

// join returns a question that has not begun before the call. At most one is asked at a time.
func (f *Follower) join() (*probe, error) {
	f.start()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	if f.next == nil {
		f.next = &probe{done: make(chan struct{})}
	}
	f.next.readers++
	if !f.asking {
		f.asking = true
		f.running.Add(1)
		go f.answer()
	}
	return f.next, nil
}

// answer asks the questions that others wait for.
func (f *Follower) answer() {
	defer f.running.Done()
	for waited := false; ; waited = true { // for the answer before
		f.gather(waited)
		f.mu.Lock()
		p := f.next
		f.next = nil
		f.asked, f.readers = f.uptime(), p.readers
		asked, head := f.asked, f.Head()
		f.mu.Unlock()
		f.probes.Add(1)
		ctx, cancel := context.WithTimeout(f.ctx, probeLimit)
		rev, err := f.engine.Newest(ctx)
		cancel()
		switch {
		case f.ctx.Err() != nil:
			err = ErrClosed
		case err != nil:
			err = fmt.Errorf("ask for the newest revision: %w: %w", ErrOutdated, err)
		case rev < head:
			err = fmt.Errorf("the database was at revision %d and is at %d: %w", head, rev, ErrOutdated)
			f.reload(errLost)
		}
		f.failing.Store(err != nil)
		if !f.answered(p, answer{revision: rev, asked: asked, got: f.uptime()}, err) {
			return
		}
	}
}

// gather waits before the next question, if the last one was for several readers, or if waited is true because readers
// of the next one have come before its answer: others come with them. It waits two times as long as the last answer has
// taken, within the bounds of shortestGap and longestGap, from the beginning of the last question. So a busy database is
// asked less often, and a reader that is alone does not wait.
func (f *Follower) gather(waited bool) {
	f.mu.Lock()
	asked, several, gap := f.asked, f.readers > 1, min(max(2*f.took, shortestGap), longestGap)
	f.mu.Unlock()
	if several || waited {
		f.waitUntil(asked + gap)
	}
}

// waitUntil waits until an uptime, or until the Follower is closed.
func (f *Follower) waitUntil(at time.Duration) {
	left := at - f.uptime()
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.ctx.Done():
	}
}

// answered ends a question and reports whether readers wait for the next one.
func (f *Follower) answered(p *probe, a answer, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.revision, p.err = a.revision, err
	close(p.done)
	f.took = a.got - a.asked
	if err == nil {
		f.note(a)
	}
	f.asking = f.next != nil
	return f.asking
}

// note remembers an answer until the feed has reached it. The caller holds f.mu.
func (f *Follower) note(a answer) {
	last := len(f.pending) - 1
	switch {
	case f.Head() >= a.revision:
		f.confirm(a.asked)
	case last >= 0 && f.pending[last].revision == a.revision:
		f.pending[last].asked = a.asked
	case len(f.pending) < mostPending:
		f.pending = append(f.pending, a)
	}
}

// confirm records that nobody was told of a commit after Head before an uptime. The caller holds f.mu.
func (f *Follower) confirm(asked time.Duration) {
	f.confirmed.Store(max(f.confirmed.Load(), int64(asked)))
}

// probeOften asks for the newest revision if no reader does, so that the age stays known, and begins a new feed if the
// feed stays behind the answers.
func (f *Follower) probeOften() {
	defer f.running.Done()
	ticker := time.NewTicker(probeInterval / 2)
	defer ticker.Stop()
	for {
		f.mu.Lock()
		now := f.uptime()
		due := !f.asking && now-f.asked >= probeInterval*3/4
		lags := len(f.pending) > 0 && now-f.pending[0].got > longestLag
		f.mu.Unlock()
		if lags {
			f.reload(errBehind)
		}
		if due {
			_, _ = f.join()
		}
		select {
		case <-ticker.C:
		case <-f.ctx.Done():
			return
		}
	}
}
