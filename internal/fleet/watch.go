package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/store"
)

// watchers are those who wait for a change, by the key of their resource.
type watchers struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool
}

// Watch gives a channel that gets a value after each change that may be about the resource; some are
// not. Whoever watches first and looks then, misses nothing. The function ends it.
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

func (w *watchers) wake(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for ch := range w.waiting[key] {
		signal(ch)
	}
}

// none reports whether nobody waits for anything. Who begins to wait after that looks at the store
// after that, too.
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
	default: // it has been told and not looked yet
	}
}

// Run wakes the watchers and clears away what has ended, until ctx ends. Failures of the store are
// logged and tried again; only a closed store ends it early.
func (f *Fleet) Run(ctx context.Context) error {
	sweeping := make(chan struct{})
	go func() {
		defer close(sweeping)
		f.tend(ctx)
	}()
	defer func() { <-sweeping }()
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

const retryAfter = 200 * time.Millisecond

// follow wakes whom each change is about. It begins by waking everybody, because of what may have been
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
		if err := f.told(ctx, change); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// told wakes those whom a change is about. Without any it does not look whom that would be.
func (f *Fleet) told(ctx context.Context, change store.Change) error {
	if f.watchers.none() {
		return nil
	}
	switch key := change.Key; {
	case store.ResourceIdentityKind.Holds(key):
		f.watchers.wake(key[len(store.ResourceIdentityKind.Keys):])
	case store.ResourceKind.Holds(key): // it may be an identity
		resource := key[len(store.ResourceKind.Keys):]
		f.watchers.wake(resource)
		return f.toldOfIdentity(ctx, resource)
	case store.HostKind.Holds(key):
		resource, _, _ := strings.Cut(key[len(store.HostKind.Keys):], "\x00")
		f.watchers.wake(resource)
	case store.PrincipalKind.Holds(key):
		return f.toldOfPrincipal(ctx, change)
	}
	return nil
}

// toldOfIdentity wakes those who use an identity, if the key is one's.
func (f *Fleet) toldOfIdentity(ctx context.Context, key string) error {
	if !strings.Contains(key, identityPath) {
		return nil
	}
	return f.Store.View(ctx, func(tx store.Tx) error {
		prefix := store.AssociationIndex.Keys + key + "\x00"
		for kept, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if err != nil {
				return fmt.Errorf("find who uses %s: %w", key, err)
			}
			f.watchers.wake(kept.Key[len(prefix):])
		}
		return nil
	})
}

// principals reads what of a service principal's record matters here.
var principals = store.Table[struct {
	ResourceID string `json:"resourceId"`
}]{Kind: store.PrincipalKind}

// identityPath is in the key of every user-assigned identity.
var identityPath = "/providers/" + identity.Type.Key() + "/"

// toldOfPrincipal wakes those who may be a managed identity that was changed, by the resource that its
// principal names. Deleting a principal also changes its identity's record or that of its resource's identity.
func (f *Fleet) toldOfPrincipal(ctx context.Context, change store.Change) error {
	if change.Deleted {
		return nil
	}
	principal, err := principals.Decode(store.Record{Key: change.Key, Value: change.Value})
	if err != nil { // whom it is about cannot be read: who reads more of it gets the error
		f.watchers.wakeAll()
		return nil
	}
	if principal.ResourceID == "" {
		return nil
	}
	id, err := arm.ParseID(principal.ResourceID)
	if err != nil {
		return fmt.Errorf("the resource of a principal: %w", err)
	}
	f.watchers.wake(id.Key())
	return f.toldOfIdentity(ctx, id.Key())
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
