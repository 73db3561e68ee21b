package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/directory"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
)

// watchers are the channels of the waiting callers, by the key of their resource.
type watchers struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool
}

// Watch returns a channel that receives a value after each change that may concern the resource. It may also
// receive one after other changes. A caller that calls Watch before it reads misses no change. end must be
// called.
func (f *Fleet) Watch(id arm.ID) (changed <-chan struct{}, end func()) {
	keys := []string{id.Key()}
	if c := identityResource(id); c.Key() != id.Key() {
		keys = append(keys, c.Key())
	}
	ch := make(chan struct{}, 1)
	w := &f.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keys {
		if w.waiting[key] == nil {
			w.waiting[key] = map[chan struct{}]bool{}
		}
		w.waiting[key][ch] = true
	}
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, key := range keys {
			if delete(w.waiting[key], ch); len(w.waiting[key]) == 0 {
				delete(w.waiting, key)
			}
		}
	}
}

// Waiting returns how many resources have a host that waits for changes at this replica.
func (f *Fleet) Waiting() int {
	f.watchers.mu.Lock()
	defer f.watchers.mu.Unlock()
	return len(f.watchers.waiting)
}

func (w *watchers) wake(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.waiting[key] {
		signal(ch)
	}
}

// none reports whether there are no watchers. A caller that calls Watch afterwards also reads the store
// afterwards, so it misses no change.
func (w *watchers) none() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting) == 0
}

func (w *watchers) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, all := range w.waiting {
		for ch := range all {
			signal(ch)
		}
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // the last value was not received yet, which is enough
	}
}

// Run wakes the watchers until ctx ends. Every replica runs it, because hosts wait at every replica. It logs and
// retries errors of the store; it returns early only if the store is closed.
func (f *Fleet) Run(ctx context.Context) error {
	if f.Head != nil {
		var noticing sync.WaitGroup
		noticing.Go(func() { clock.Every(ctx, noticeEvery, f.noticeOutage(ctx)) })
		defer noticing.Wait()
	}
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, store.ErrClosed) {
			return fmt.Errorf("follow changes for hosts: %w", err)
		}
		if !errors.Is(err, store.ErrCompacted) {
			f.Logger.WarnContext(ctx, "hosts: following the store failed, trying again", "cause", err)
		}
		pause(ctx, retryAfter)
	}
}

const (
	retryAfter  = 200 * time.Millisecond
	noticeEvery = 250 * time.Millisecond
)

// noticeOutage returns a function that wakes all watchers when what this replica knows is outdated. A host that waits
// here would otherwise believe that nothing has changed, while another replica has taken an identity away from it.
func (f *Fleet) noticeOutage(ctx context.Context) func(context.Context) {
	outdated := false
	return func(context.Context) {
		if f.watchers.none() {
			return
		}
		was := outdated
		outdated = errors.Is(f.Store.Recent(ctx, func(store.Tx) error { return nil }), store.ErrOutdated)
		if outdated && !was {
			f.watchers.wakeAll()
		}
	}
}

// follow wakes the watchers that each change concerns. It first wakes all, because changes may have been
// missed.
func (f *Fleet) follow(ctx context.Context) error {
	head, err := f.Store.Update(ctx, func(store.Tx) error { return nil })
	if err != nil {
		return fmt.Errorf("find the newest revision: %w", err)
	}
	f.watchers.wakeAll()
	for change, err := range f.Store.Watch(ctx, "", head) {
		if err != nil {
			return err
		}
		if err := f.wakeFor(ctx, change); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// wakeFor wakes the watchers that a change concerns. It returns early if nobody is waiting.
func (f *Fleet) wakeFor(ctx context.Context, change store.Change) error {
	if f.watchers.none() {
		return nil
	}
	if key, changed := identity.ChangedResource(change.Key); changed {
		f.watchers.wake(key)
		return nil
	}
	if key, changed := resource.Changed(change.Key); changed {
		return f.wakeResource(ctx, key)
	}
	if key, changed := changedHost(change.Key); changed {
		f.watchers.wake(key)
		return nil
	}
	resourceID, changed, err := directory.ManagedIdentityChanged(change)
	if err != nil { // the record has a newer version: reading it returns the error to the host
		f.watchers.wakeAll()
		return nil
	}
	if !changed {
		return nil
	}
	id, err := arm.ParseID(resourceID)
	if err != nil {
		return fmt.Errorf("the resource of a principal: %w", err)
	}
	return f.wakeResource(ctx, id.Key())
}

// wakeResource wakes the watchers of a resource and, if it is a user-assigned identity, those of the
// resources that use it. The identity may have been deleted, so all associations count.
func (f *Fleet) wakeResource(ctx context.Context, key string) error {
	f.watchers.wake(key)
	if !identity.IsUserAssigned(key) {
		return nil
	}
	return f.Store.View(ctx, func(tx store.Tx) error {
		for user, err := range resource.AssociatedKeys(tx, key) {
			if err != nil {
				return fmt.Errorf("find the resources that use %s: %w", key, err)
			}
			f.watchers.wake(user)
		}
		return nil
	})
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
