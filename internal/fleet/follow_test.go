package fleet_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/arm"
	"midas/internal/fleet"
	"midas/internal/host"
	"midas/internal/identity"
)

// counted counts how often a state is computed.
type counted struct {
	fleet.Identities
	computed atomic.Int64
}

func (c *counted) ResourceIdentity(ctx context.Context, id arm.ID) (identity.ManagedServiceIdentity, error) {
	c.computed.Add(1)
	return c.Identities.ResourceIdentity(ctx, id)
}

func TestStateIsComputedOnceForAllWaiters(t *testing.T) {
	b := setup(t)
	count := &counted{Identities: b.Fleet.Identities}
	b.Fleet.Identities = count
	h, _ := b.enroll(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	defer func() { cancel(); <-done }()
	const waiters = 200
	var ready, all sync.WaitGroup
	got := make(chan host.State, waiters)
	ready.Add(waiters)
	for range waiters {
		all.Go(func() {
			w := b.Follow(h)
			defer w.End()
			first, changed, err := w.State(ctx)
			ready.Done()
			for state := first; err == nil; state, changed, err = w.State(ctx) {
				if state.Version != first.Version {
					got <- state
					return
				}
				<-changed
			}
			t.Error(err)
		})
	}
	ready.Wait()
	before := count.computed.Load()
	b.make(t, vm, "Microsoft.Compute/virtualMachines", `{"a":1}`)
	all.Wait()
	version := (<-got).Version
	for range waiters - 1 {
		if other := <-got; other.Version != version {
			t.Error("two states after one change")
		}
	}
	// The first round may be computed twice, because Run begins by waking all watchers.
	if before > 2 || count.computed.Load()-before > 2 {
		t.Errorf("computed %d times before the change and %d times after it", before, count.computed.Load()-before)
	}
}

func TestStatesWithoutWaitersAreForgotten(t *testing.T) {
	b := setup(t)
	h, _ := b.enroll(t)
	for range 3 {
		w := b.Follow(h)
		if _, _, err := w.State(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.End()
		w.End()
	}
	for deadline := time.Now().Add(10 * time.Second); fleet.Watchers(b.Fleet) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d states and keys are left", fleet.Watchers(b.Fleet))
		}
	}
}
