package midas

import (
	"context"
	"errors"
	"time"

	"midas/internal/lab"
	"midas/internal/store"
)

// The reasons why a server cannot be reset or its clock moved.
var (
	errNotLab      = errors.New("it has no laboratory; start it with Config.Lab")
	errNoClock     = errors.New("the server has no clock of its own; start it with Config.Lab or Config.MovableClock")
	errSharedReset = errors.New("other servers can use its store; only one that is in memory or in a folder can return to an earlier state")
	errSharedClock = errors.New("other servers can use its store, and the clocks of all of them must agree")
	errNotCaptured = errors.New("its state was not captured at the start")
	errClockBack   = errors.New("the clock moves forwards only; Reset returns it to the time of the machine")
	errClockFar    = errors.New("the clock can be at most 100 years ahead")
)

// ownRecords are the keys of records that belong to the process or to the store, and not to the state of a laboratory.
func ownRecords() []string {
	return []string{store.JobKind.Keys, store.ReplicaKind.Keys, store.FormatKind.Keys}
}

// Advance moves the clock of a server with Config.Lab or Config.MovableClock forward, and waits for the jobs that run
// because of it, but for no more than two seconds.
func (s *Server) Advance(ctx context.Context, d time.Duration) error {
	switch {
	case s.clock == nil:
		return errNoClock
	case s.services.store.shared():
		return errSharedClock
	case d < 0:
		return errClockBack
	}
	if err := s.KeepKeys(ctx); err != nil {
		return err
	}
	s.capturing.Lock() // a reset ends before or begins after
	defer s.capturing.Unlock()
	if d > lab.Furthest-s.clock.Offset() {
		return errClockFar
	}
	lab.Advance(ctx, s.clock, d)
	return nil
}

// KeepKeys implements lab.Resetter. The first key of a store in memory is made while the server already serves.
func (s *Server) KeepKeys(ctx context.Context) error {
	if err := s.services.keys.Made(ctx); err != nil {
		return err
	}
	s.capturing.Lock()
	defer s.capturing.Unlock()
	state := s.captured.Load()
	if state == nil || s.clock.Offset() != 0 {
		return nil
	}
	return state.Adopt(ctx, s.services.store.engine, store.KeyKind.Keys)
}

// Now is the time by the server's clock.
func (s *Server) Now() time.Time { return s.clock.Now() }

// Capture makes the present state of a server with Config.Lab that to which Reset returns, instead of its state at the
// start.
func (s *Server) Capture(ctx context.Context) (err error) {
	st := s.services.store
	if s.services.lab == nil {
		return errNotLab
	}
	if st.shared() {
		return errSharedReset
	}
	s.capturing.Lock()
	defer s.capturing.Unlock()
	state, err := store.CopyState(ctx, st.engine, ownRecords()...)
	if err == nil {
		s.captured.Store(state)
	}
	return err
}

// Reset returns a server with Config.Lab to the state of the last Capture: the store, the caches, the clock, and
// everything that the laboratory has changed. It returns the number of records that it has changed. Requests that run
// meanwhile are served before or after. Tokens that were issued before stay valid if their subject exists and they are
// not of the future; agents of this process ask for new ones.
func (s *Server) Reset(ctx context.Context) (records int, err error) {
	r := s.services
	switch {
	case r.lab == nil:
		return 0, errNotLab
	case r.store.shared():
		return 0, errSharedReset
	}
	s.capturing.Lock()
	defer s.capturing.Unlock()
	state := s.captured.Load()
	if state == nil {
		return 0, errNotCaptured
	}
	moved := s.clock.Stopped() || s.clock.Offset() != 0
	var except []string
	if !moved { // making new keys takes longer than everything else
		except = append(except, store.KeyKind.Keys)
	}
	engine, _ := r.store.engine.(store.Embedded)
	if records, err = state.Restore(ctx, engine, except...); err != nil {
		return records, err
	}
	ctx = context.WithoutCancel(ctx) // half a reset would leave caches of records that are gone
	s.clock.Reset()
	r.lab.begin()
	r.minter.Forget()
	r.verifier.Forget()
	r.throttle.Clear()
	if moved {
		err = r.keys.Restart(ctx)
	}
	for _, a := range s.agents {
		a.StartOver()
	}
	return records, err
}
