package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// waiter waits until the feed has reached a revision.
type waiter struct {
	revision Revision
	loads    uint64 // the number of loads when it began to wait
	reached  chan struct{}
}

// Pauses between two attempts to begin a feed.
const (
	shortestReload = 10 * time.Millisecond
	longestReload  = time.Second
)

// start begins the feed and the questions, once.
func (f *Follower) start() {
	f.begin.Do(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.closed {
			return
		}
		f.asked = f.uptime() - probeInterval
		f.running.Add(2)
		go f.feed()
		go f.probeOften()
	})
}

// reach waits until the feed has reached a revision, or until the feed has begun anew at a newer state.
func (f *Follower) reach(ctx context.Context, rev Revision, limit <-chan time.Time) error {
	if f.Head() >= rev {
		return nil
	}
	f.start()
	f.mu.Lock()
	w := &waiter{revision: rev, loads: f.loads, reached: make(chan struct{})}
	if f.Head() >= rev {
		f.mu.Unlock()
		return nil
	}
	f.waiters[w] = struct{}{}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.waiters, w)
		f.mu.Unlock()
	}()
	select {
	case <-w.reached:
		return nil
	case <-f.ctx.Done():
		return ErrClosed
	case <-limit:
		return fmt.Errorf("the feed is at revision %d and not at %d: %w", f.Head(), rev, ErrOutdated)
	case <-ctx.Done():
		return outdated(ctx, "the feed is behind")
	}
}

// advance makes Head show a revision.
func (f *Follower) advance(rev Revision) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head.Store(uint64(rev))
	reached := 0
	for ; reached < len(f.pending) && f.pending[reached].revision <= rev; reached++ {
		f.confirm(f.pending[reached].asked)
	}
	f.pending = append(f.pending[:0], f.pending[reached:]...)
	f.release(func(w *waiter) bool { return w.revision <= rev })
}

// release ends the waits for which done is true. The caller holds f.mu.
func (f *Follower) release(done func(*waiter) bool) {
	for w := range f.waiters {
		if done(w) {
			delete(f.waiters, w)
			close(w.reached)
		}
	}
}

// reload ends the present feed for a reason. The loop of feed begins a new one.
func (f *Follower) reload(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = f.pending[:0]
	if f.stopWatch != nil {
		f.stopWatch(cause)
	}
}

// feed begins feeds until the Follower is closed.
func (f *Follower) feed() {
	defer f.running.Done()
	pause := shortestReload
	lost := false // what the feed has shown
	for first := true; f.ctx.Err() == nil; {
		err := f.load(lost)
		if err == nil {
			if !first {
				f.reloads.Add(1)
			}
			first, lost = false, false
			before := f.Head()
			err = f.watch()
			if f.ctx.Err() != nil || errors.Is(err, ErrClosed) {
				return
			}
			lost = !errors.Is(err, errBehind)
			f.log.Warn("the change feed of the store has failed; what was cached is read again", "revision", f.Head(), "cause", err)
			if f.Head() != before {
				pause = shortestReload
			}
		}
		select {
		case <-time.After(pause):
		case <-f.ctx.Done():
		}
		pause = min(2*pause, longestReload)
	}
}

// load makes the cache forget everything, and Head show the newest revision. If lost is true, the database may have lost
// commits that the feed has shown.
func (f *Follower) load(lost bool) error {
	f.mu.Lock()
	f.loads++
	loads, own, asked := f.loads, f.own.Load(), f.uptime()
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(f.ctx, probeLimit)
	defer cancel()
	rev, err := f.engine.Newest(ctx)
	if err != nil {
		return err
	}
	f.onReload(rev)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.own.CompareAndSwap(own, min(own, uint64(rev))) // the revision of a commit that the database has lost is never reached
	f.pending = f.pending[:0]
	f.head.Store(uint64(rev))
	f.recent.reset(loads, rev, lost)
	f.confirm(asked)
	f.release(func(w *waiter) bool { return w.loads < loads || w.revision <= rev })
	return nil
}

var (
	errGap       = errors.New("the feed has left out changes")
	errFeedEnded = errors.New("the feed has ended")
	errBehind    = errors.New("the feed was behind")
	errLost      = errors.New("the database has lost commits")
)

// watch hands the commits after Head to onCommit, until the feed fails.
func (f *Follower) watch() error {
	ctx, cancel := context.WithCancelCause(f.ctx)
	defer cancel(nil)
	f.mu.Lock()
	f.stopWatch = cancel
	f.mu.Unlock()
	var commit []Write // the changes of a commit so far
	at := f.Head()
	for change, err := range f.engine.Watch(ctx, "", at) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		if change.Revision < at || change.Revision == at && len(commit) == 0 || change.Revision > at && len(commit) > 0 {
			return fmt.Errorf("revision %d after %d: %w", change.Revision, at, errGap)
		}
		at = change.Revision
		commit = append(commit, Write{Key: change.Key, Value: change.Value, Delete: change.Deleted})
		if change.Last {
			f.onCommit(at, commit)
			f.advance(at)
			f.recent.add(at, commit)
			commit = nil
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errFeedEnded
}
