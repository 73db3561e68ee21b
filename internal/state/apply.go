package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Result says what Apply has done.
type Result struct {
	Created, Changed, Deleted int
}

// Apply makes the changes of a plan, several at a time, each after those that it needs. A change that fails ends only
// those that need it; ids that are fixed and cannot be reserved end all before the first change. After a failure, or when ctx has ended, the same command can be run again: it continues with
// what is missing. progress is called after each change, by one goroutine at a time; nil is allowed.
func (p *Plan) Apply(ctx context.Context, progress func(done, of int)) (Result, error) {
	r := &run{plan: p, ended: map[*object]*ending{}, slots: make(chan struct{}, parallel), progress: progress}
	for _, s := range p.Steps {
		r.ended[s.object] = &ending{done: make(chan struct{})}
	}
	if err := p.reserve(ctx); err != nil {
		return Result{}, err
	}
	var created, deleted []*Step
	for _, s := range p.Steps {
		if s.Action == Delete {
			deleted = append(deleted, s)
		} else {
			created = append(created, s)
		}
	}
	r.all(ctx, created)
	if len(r.errs) == 0 {
		for len(deleted) > 0 && ctx.Err() == nil { // objects that depend on others are deleted before these
			n := 1
			for n < len(deleted) && deleted[n].object.kind == deleted[0].object.kind {
				n++
			}
			r.all(ctx, deleted[:n])
			deleted = deleted[n:]
		}
	}
	return r.result, r.err(ctx)
}

// run is one call of Apply.
type run struct {
	plan     *Plan
	ended    map[*object]*ending // of all objects with a step
	slots    chan struct{}
	progress func(done, of int)
	done     atomic.Int64

	mu      sync.Mutex
	result  Result
	errs    []error
	skipped int
}

// ending is the end of a step.
type ending struct {
	done   chan struct{} // closed at the end
	failed bool          // read after done
}

// all makes the changes of steps and waits for their end.
func (r *run) all(ctx context.Context, steps []*Step) {
	var group sync.WaitGroup
	for _, s := range steps {
		group.Go(func() {
			end := r.ended[s.object]
			defer close(end.done)
			end.failed = !r.one(ctx, s)
		})
	}
	group.Wait()
}

// one makes one change, after those that it needs. It returns whether the change was made.
func (r *run) one(ctx context.Context, s *Step) bool {
	for _, needed := range s.object.needs {
		if end := r.ended[needed]; end != nil && s.Action != Delete {
			<-end.done
			if end.failed {
				r.skip()
				return false
			}
		}
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		r.skip()
		return false
	}
	err := r.plan.do(ctx, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %s %s: %w", s.object.at, s.Action, s.object.line(), err))
		return false
	}
	switch s.Action {
	case Create:
		r.result.Created++
	case Change:
		r.result.Changed++
	case Delete:
		r.result.Deleted++
	}
	if done := r.done.Add(1); r.progress != nil {
		r.progress(int(done), len(r.plan.Steps))
	}
	return true
}

func (r *run) skip() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skipped++
}

// maxErrors bounds the errors that are shown.
const maxErrors = 20

// err returns what has failed.
func (r *run) err(ctx context.Context) error {
	errs := r.errs
	if ctx.Err() != nil {
		return fmt.Errorf("%d of %d changes were made; run the command again to continue: %w", r.done.Load(), len(r.plan.Steps), ctx.Err())
	}
	if len(errs) > maxErrors {
		errs = append(errs[:maxErrors:maxErrors], fmt.Errorf("and %d more errors", len(errs)-maxErrors))
	}
	if r.skipped > 0 {
		errs = append(errs[:len(errs):len(errs)], fmt.Errorf("%d changes need others that failed, and were not made", r.skipped))
	}
	return errors.Join(errs...)
}
