package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/clock"
)

// RecentAge is the maximum age of what Store.Recent shows.
const RecentAge = time.Second

const (
	probeInterval = 200 * time.Millisecond  // the newest revision is asked for about as often
	shortestGap   = time.Millisecond        // between the beginnings of two questions, if many readers come
	longestGap    = 2500 * time.Microsecond // likewise, if the database takes long to answer
	probeLimit    = 2 * time.Second         // of one question
	freshLimit    = 5 * time.Second         // for which a read waits until it is fresh, if its context has no earlier deadline
	longestLag    = 2 * time.Second         // of the feed behind an answer; then the feed begins anew
	ownLimit      = 250 * time.Millisecond  // for which a commit, or a Recent that is outdated, waits for the feed
)

// FollowOptions are optional.
type FollowOptions struct {
	Log    *slog.Logger         // nil means no log
	Uptime func() time.Duration // a clock that nobody sets and that runs on while the machine is suspended; nil means clock.Uptime
}

// Follower is to a cache what an Embedded engine is, for an engine whose database other processes write too.
//
// It runs the engine's feed, and hands each commit to the function of OnCommit before Head shows it. It does not trust
// the feed alone: it also asks the engine for the newest revision, and compares. What Head shows is as young as the
// moment before the last question whose answer the feed has reached. If the feed fails, leaves out a commit or stays
// behind an answer, the Follower calls the function of OnReload, so that the cache forgets everything, and begins a
// new feed.
type Follower struct {
	engine   Shared
	log      *slog.Logger
	uptime   func() time.Duration
	onCommit func(Revision, []Write)
	onReload func(Revision)

	head      atomic.Uint64 // all commits up to this revision were handed to onCommit
	own       atomic.Uint64 // the newest commit of this process
	confirmed atomic.Int64  // the uptime at which nobody was told of a commit after head; -1 before the first answer
	failing   atomic.Bool   // the last question has failed

	compares   bool         // the engine is a HeadComparer
	committing atomic.Int32 // commits of this process

	probes, reloads atomic.Uint64

	recent feedLog // what Watch yields

	ctx     context.Context // ends with Close; it belongs to the goroutines of the Follower, not to a request
	cancel  context.CancelFunc
	begin   sync.Once
	running sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	asking    bool          // a goroutine asks questions
	next      *probe        // that has not begun; nil if nobody waits for it
	asked     time.Duration // the uptime before the last question
	took      time.Duration // by the last answer
	readers   int           // of the last question
	pending   []answer      // that the feed has not reached, oldest first
	waiters   map[*waiter]struct{}
	loads     uint64 // how often the feed has begun
	stopWatch context.CancelCauseFunc
}

// Follow returns a Follower, which owns the engine and closes it. The feed begins with the first use.
func Follow(engine Shared, o FollowOptions) *Follower {
	f := &Follower{
		engine: engine, log: o.Log, uptime: o.Uptime, waiters: make(map[*waiter]struct{}),
		onCommit: func(Revision, []Write) {}, onReload: func(Revision) {},
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if f.uptime == nil {
		f.uptime = clock.Uptime()
	}
	_, f.compares = engine.(HeadComparer)
	f.confirmed.Store(-1)
	f.recent.init()
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Head returns the revision that the feed has reached.
func (f *Follower) Head() Revision { return Revision(f.head.Load()) }

// OnCommit sets the function that gets every commit, in the order of revisions, before Head shows it. It is set before
// the first use.
func (f *Follower) OnCommit(fn func(Revision, []Write)) { f.onCommit = fn }

// OnReload sets the function that is called when commits may have been missed, with the revision from which on OnCommit
// continues. It is set before the first use.
func (f *Follower) OnReload(fn func(Revision)) { f.onReload = fn }

// Age returns how old the revision Head may be: nobody was told of a later commit before that time. Before the first
// answer of the database it is longer than the process has run.
func (f *Follower) Age() time.Duration {
	confirmed := f.confirmed.Load()
	if confirmed < 0 {
		return f.uptime() + RecentAge + 1
	}
	return f.uptime() - time.Duration(confirmed)
}

// Reloads returns how often the feed has begun anew after a failure.
func (f *Follower) Reloads() uint64 { return f.reloads.Load() }

// Probes returns how often the newest revision was asked for.
func (f *Follower) Probes() uint64 { return f.probes.Load() }

// Fresh returns when Head shows every commit that anyone was told of before the call. All callers that came before a
// question began share its answer. The error is ErrOutdated if the database does not answer, or if the feed does not
// reach the answer, within the deadline of ctx or five seconds.
func (f *Follower) Fresh(ctx context.Context) error {
	return f.freshWithin(ctx, freshLimit)
}

func (f *Follower) freshWithin(ctx context.Context, limit time.Duration) error {
	p, err := f.ask(ctx)
	if err != nil {
		return err
	}
	return f.await(ctx, p, limit)
}

// ask begins a question for the newest revision, or joins one that has not begun.
func (f *Follower) ask(ctx context.Context) (*probe, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return f.join()
}

// await waits until Head shows the answer to a question.
func (f *Follower) await(ctx context.Context, p *probe, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		return fmt.Errorf("the database does not answer: %w", ErrOutdated)
	case <-ctx.Done():
		return outdated(ctx, "the database does not answer")
	}
	if p.err != nil {
		return p.err
	}
	return f.reach(ctx, p.revision, timer.C)
}

// outdated is the error of a read whose context has ended. A deadline of the caller is a sign of an outage.
func outdated(ctx context.Context, why string) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w: %w", why, ErrOutdated, ctx.Err())
	}
	return ctx.Err()
}

// Current returns nil if what Head shows is at most RecentAge old and has all commits that this process made before the
// call. Otherwise it waits a moment for the feed, unless the database is known not to answer, and then returns ErrOutdated.
func (f *Follower) Current(ctx context.Context) error {
	own := f.own.Load() // later commits of other requests need not be waited for: while many write, there is always one more
	if f.isRecent() {
		if f.head.Load() >= own {
			return nil
		}
		timer := time.NewTimer(RecentAge)
		defer timer.Stop()
		return f.reach(ctx, Revision(own), timer.C)
	}
	if f.failing.Load() {
		return fmt.Errorf("the database does not answer: %w", ErrOutdated)
	}
	if err := f.freshWithin(ctx, ownLimit); err != nil {
		return err
	}
	if !f.isRecent() || f.head.Load() < own {
		return fmt.Errorf("the feed is behind: %w", ErrOutdated)
	}
	return nil
}

func (f *Follower) isRecent() bool { return f.Age() <= RecentAge }

// Snapshot implements Engine.
func (f *Follower) Snapshot(ctx context.Context, attempt int) (Snapshot, error) {
	if err := f.Fresh(ctx); err != nil {
		return nil, err
	}
	return f.snapshot(ctx, attempt)
}

// Recent begins to read without a question for the newest revision.
func (f *Follower) Recent(ctx context.Context, attempt int) (Snapshot, error) {
	if err := f.Current(ctx); err != nil {
		return nil, err
	}
	return f.snapshot(ctx, attempt)
}

// snapshot begins to read a revision whose commits, and all before it, were handed to onCommit.
func (f *Follower) snapshot(ctx context.Context, attempt int) (Snapshot, error) {
	head := f.Head()
	snap, err := f.begins(ctx, head, attempt)
	if err != nil || snap.Revision() == head {
		return snap, err
	}
	if snap.Revision() < head { // the database was restored
		snap.Close()
		f.reload(errLost)
		return nil, fmt.Errorf("the database shows revision %d after %d: %w", snap.Revision(), head, ErrOutdated)
	}
	timer := time.NewTimer(freshLimit)
	defer timer.Stop()
	if err := f.reach(ctx, snap.Revision(), timer.C); err != nil {
		snap.Close()
		return nil, err
	}
	return snap, nil
}

// begins begins to read the revision head, or a newer one.
func (f *Follower) begins(ctx context.Context, head Revision, attempt int) (Snapshot, error) {
	if pinner, ok := f.engine.(Pinner); ok && head > 0 {
		return pinner.SnapshotAt(ctx, head, attempt)
	}
	return f.engine.Snapshot(ctx, attempt)
}

// Commit implements Engine. It also waits a moment until the feed has reached the commit, so that a Recent after it need
// not wait.
func (f *Follower) Commit(ctx context.Context, c Commit) (Revision, error) {
	rev, err := f.commit(ctx, c)
	if err != nil {
		return rev, err
	}
	timer := time.NewTimer(ownLimit)
	defer timer.Stop()
	_ = f.reach(ctx, rev, timer.C) // Current waits again, or fails
	return rev, nil
}

// commit commits. Until the commit is known as one of this process, it is under way: see mayBeAlone.
func (f *Follower) commit(ctx context.Context, c Commit) (Revision, error) {
	f.committing.Add(1)
	defer f.committing.Add(-1)
	rev, err := f.engine.Commit(ctx, c)
	if err != nil {
		return rev, err
	}
	for own := f.own.Load(); own < uint64(rev) && !f.own.CompareAndSwap(own, uint64(rev)); {
		own = f.own.Load()
	}
	return rev, nil
}

// Close implements Engine.
func (f *Follower) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	err := f.engine.Close()
	f.running.Wait()
	return err
}
