package resource

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/store"
)

// takeOverAfter is how long Run waits for the process that has stored an operation to carry it out. Requests carry
// out all operations but the deletion of a group themselves.
const takeOverAfter = 10 * time.Second

// retryAfter is the pause after a failure of the change feed.
const retryAfter = 200 * time.Millisecond

// Run finishes open operations, including those of an earlier process, until ctx ends. One replica at a time runs
// it; two at once do no harm. It follows the change feed, because a request at another replica may have
// stored an operation, and that replica may have died before it has carried it out.
func (s *Service) Run(ctx context.Context) error {
	stored := make(chan Operation)
	ended := make(chan error, 1)
	go func() { ended <- s.followOperations(ctx, stored) }()
	next := clock.Of(ctx).NewTimer(sweepEvery)
	defer func() { next.Stop() }()
	s.tellRun()                   // the first sweep
	var takeOver <-chan time.Time // nil while no request at another replica carries out an operation
	for {
		select {
		case <-ctx.Done():
			<-ended
			return nil
		case err := <-ended:
			return err
		case op := <-stored:
			if !carriedOut(op) {
				s.tellRun()
			} else if takeOver == nil {
				takeOver = time.After(takeOverAfter)
			}
			continue
		case <-s.wake:
		case <-next.C:
			next = clock.Of(ctx).NewTimer(sweepEvery)
		case <-takeOver:
			takeOver = nil
		}
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "finish operations", "error", err)
		}
	}
}

// carriedOut reports whether the request that stores an operation also carries it out.
func carriedOut(op Operation) bool {
	target, err := arm.ParseID(op.Target)
	return op.Kind != "" || err != nil || !target.IsResourceGroup()
}

// followOperations sends the open operations that are stored from now on, until ctx ends. It logs and retries errors of the
// store; it returns early only if the store is closed.
func (s *Service) followOperations(ctx context.Context, stored chan<- Operation) error {
	for {
		err := s.followOperationsOnce(ctx, stored)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrClosed):
			return fmt.Errorf("follow the operations: %w", err)
		case err != nil && !errors.Is(err, store.ErrCompacted):
			s.Logger.WarnContext(ctx, "following the operations failed, trying again", "cause", err)
		}
		s.tellRun() // changes may have been missed
		timer := time.NewTimer(retryAfter)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (s *Service) followOperationsOnce(ctx context.Context, stored chan<- Operation) error {
	head, err := s.Store.Update(ctx, func(store.Tx) error { return nil })
	if err != nil {
		return fmt.Errorf("find the newest revision: %w", err)
	}
	s.tellRun() // what was stored before
	for change, err := range s.Store.Watch(ctx, operationKey(""), head) {
		if err != nil {
			return err
		}
		if change.Deleted {
			continue
		}
		op, err := operations.Decode(store.Record{Key: change.Key, Value: change.Value, Revision: change.Revision})
		if err != nil {
			return err
		}
		if !op.Ended.IsZero() {
			continue
		}
		select {
		case stored <- op:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
