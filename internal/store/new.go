package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"midas/internal/trace"
)

// Options tune the transaction logic. The zero value is right for production.
type Options struct {
	// Attempts is how often a transaction runs before Update returns ErrConflict. 0 means 64, which
	// take about half a second with the random pauses between them.
	Attempts int
}

const (
	defaultAttempts = 64
	shortestPause   = 50 * time.Microsecond
	longestPause    = 16 * time.Millisecond
)

// New makes a Store of an engine. The Store owns the engine and closes it.
func New(engine Engine, o Options) Store {
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	s := &transactional{engine: engine, fresh: engine.Snapshot, updates: engine.Snapshot, attempts: o.Attempts, gate: newGate(), lanes: newLanes()}
	if follows, ok := engine.(recentEngine); ok {
		s.recent = follows.Recent
	}
	if cache, ok := engine.(*Cache); ok {
		s.fresh, s.updates = cache.freshly, cache.forUpdate
		if cache.recent == nil {
			s.recent = nil // only this process writes
		}
	}
	return s
}

// transactional is the part of a Store that is the same for every engine.
type transactional struct {
	engine   Engine
	recent   beginning // of a Recent; nil if every read is fresh
	fresh    beginning // of a View that waits for the newest revision before it reads
	updates  beginning // of an Update
	attempts int
	gate     *gate
	held     atomic.Pointer[map[string]int] // see Upgrade; nil if nothing is held back
	lanes    *lanes
}

// beginning begins to read, as Engine.Snapshot does.
type beginning func(ctx context.Context, attempt int) (Snapshot, error)

// recentEngine is an Engine that can begin to read without a question to its database. Snapshot begins a fresh read.
type recentEngine interface {
	Engine
	Recent(ctx context.Context, attempt int) (Snapshot, error)
}

func (s *transactional) View(ctx context.Context, fn func(Tx) error) error {
	return s.read(ctx, s.engine.Snapshot, fn)
}

// read runs fn on a snapshot that begin begins.
func (s *transactional) read(ctx context.Context, begin beginning, fn func(Tx) error) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	for attempt := range s.attempts {
		if err := pause(ctx, attempt); err != nil {
			return err
		}
		err := s.view(ctx, attempt, begin, fn)
		if err != errAgain {
			return err
		}
	}
	return fmt.Errorf("view of one revision, %d attempts: %w", s.attempts, ErrConflict)
}

// errAgain means that an attempt has failed and the transaction must run again. It is compared by identity and
// is never returned to callers, so an error that fn returns from a nested transaction is never equal to it.
var errAgain = errors.New("store: run again")

func (s *transactional) view(ctx context.Context, attempt int, begin beginning, fn func(Tx) error) error {
	snap, err := begin(ctx, attempt)
	if errors.Is(err, ErrStale) {
		return errAgain
	}
	if err != nil {
		return fmt.Errorf("begin a view: %w", err)
	}
	t := &tx{ctx: ctx, snap: snap, held: s.heldBack()}
	defer t.end()
	return t.conclude(fn(t))
}

func (s *transactional) heldBack() map[string]int {
	if held := s.held.Load(); held != nil {
		return *held
	}
	return nil
}

func (s *transactional) Update(ctx context.Context, fn func(Tx) error) (Revision, error) {
	if err := s.gate.enter(); err != nil {
		return 0, err
	}
	defer s.gate.leave()
	if check := guardOf(ctx); check != nil {
		fn = guardedBy(check, fn)
	}
	leave, calm := func() {}, 0 // calm attempts have no pauses before them
	defer func() { leave() }()
	for attempt := range s.attempts {
		if err := pause(ctx, attempt-calm); err != nil {
			return 0, err
		}
		rev, lost, err := s.update(ctx, attempt, fn)
		if err != errAgain {
			return rev, err
		}
		if lost != "" && calm == 0 {
			leave, calm = s.lanes.enter(ctx, lost), attempt+laneAttempts
		}
	}
	return 0, fmt.Errorf("update, %d attempts: %w", s.attempts, ErrConflict)
}

// update runs one attempt. lost is the record for which another transaction's commit came first, if that is known.
func (s *transactional) update(ctx context.Context, attempt int, fn func(Tx) error) (rev Revision, lost string, err error) {
	snap, err := s.updates(ctx, attempt)
	if errors.Is(err, ErrStale) {
		return 0, "", errAgain
	}
	if err != nil {
		return 0, "", fmt.Errorf("begin an update: %w", err)
	}
	t := &tx{ctx: ctx, snap: snap, update: true, held: s.heldBack()}
	defer t.end()
	if err := fn(t); err != nil || t.err != nil || t.stale || t.writes == 0 {
		return snap.Revision(), "", t.conclude(err)
	}
	newest, err := t.confirm()
	if errors.Is(err, ErrStale) {
		return 0, t.contended(), errAgain
	}
	if err != nil {
		return 0, "", fmt.Errorf("begin an update: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return 0, "", err
	}
	rev, err = s.commit(ctx, t, newest)
	t.noteGuess(err)
	switch {
	case errors.Is(err, ErrOvertaken):
		return 0, "", errAgain
	case errors.Is(err, ErrConflict):
		return 0, t.contended(), errAgain
	}
	if err != nil {
		return 0, "", fmt.Errorf("commit: %w", err)
	}
	return rev, "", nil
}

// commit commits the writes of an attempt.
func (s *transactional) commit(ctx context.Context, t *tx, newest bool) (Revision, error) {
	ctx, span := trace.Start(ctx, "store.commit")
	defer span.End()
	rev, err := s.engine.Commit(ctx, t.commit(newest))
	span.Fail(reasonOf(err))
	return rev, err
}

func (s *transactional) Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		if s.gate.closed.Load() {
			yield(Change{}, ErrClosed)
			return
		}
		for change, err := range s.engine.Watch(ctx, prefix, after) {
			if !yield(change, err) || err != nil {
				return
			}
		}
	}
}

func (s *transactional) Close() error {
	if !s.gate.close() {
		return nil
	}
	return s.engine.Close()
}

// pause waits before an attempt: not at all before the first two, because the second attempt usually
// succeeds, then for a random time below a bound that doubles, so that many transactions do not conflict
// again.
func pause(ctx context.Context, attempt int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if attempt < 2 {
		return nil
	}
	bound := min(longestPause, shortestPause<<min(attempt-2, 16))
	timer := time.NewTimer(rand.N(bound))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
