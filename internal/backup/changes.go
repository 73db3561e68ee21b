package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"midas/internal/store"
)

// mostChanged bounds the bytes of the changes that were not written yet.
const mostChanged = 64 << 20

// changes are the newest changes of all keys that were committed during a copy and were not taken yet.
type changes struct {
	running sync.WaitGroup
	stop    context.CancelFunc
	more    chan struct{} // has an element after news

	mu      sync.Mutex
	pending map[string]store.Change // by key; of whole commits only
	bytes   int
	whole   store.Revision // of the newest commit in pending or taken
	err     error          // why the feed has ended
}

// followChanges reads the changes after a revision until ctx ends. The reader is a goroutine, so that a slow sink does
// not make the feed slow.
func followChanges(ctx context.Context, s store.Store, after store.Revision) *changes {
	ctx, stop := context.WithCancel(ctx)
	c := &changes{stop: stop, more: make(chan struct{}, 1), pending: map[string]store.Change{}, whole: after}
	c.running.Go(func() {
		err := c.follow(ctx, s, after)
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		c.tell()
	})
	return c
}

// end ends the feed.
func (c *changes) end() {
	c.stop()
	c.running.Wait()
}

// startLimit is how long started waits for a commit. Without one, nothing that the feed needs can be removed.
const startLimit = time.Second

// started waits until the feed has shown a commit, has failed, or startLimit is over.
func (c *changes) started(ctx context.Context) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-c.more:
	case <-limit.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *changes) follow(ctx context.Context, s store.Store, after store.Revision) error {
	var commit []store.Change
	for change, err := range s.Watch(ctx, "", after) {
		if err != nil {
			return fmt.Errorf("follow the changes after revision %d, begin again: %w", after, err)
		}
		if commit = append(commit, change); !change.Last {
			continue
		}
		if err := c.add(commit); err != nil {
			return err
		}
		after, commit = change.Revision, nil
	}
	return context.Cause(ctx)
}

// add adds a whole commit.
func (c *changes) add(commit []store.Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, change := range commit {
		c.whole = change.Revision
		if change.Key == "" { // the commit has changed nothing
			continue
		}
		before, had := c.pending[change.Key]
		if had {
			c.bytes -= len(before.Key) + len(before.Value)
		}
		c.bytes += len(change.Key) + len(change.Value)
		c.pending[change.Key] = change
	}
	if c.bytes > mostChanged {
		return fmt.Errorf("more than %d MiB were changed while the file was waited for; begin again when the store is less busy, or write to a faster place", mostChanged>>20)
	}
	c.tell()
	return nil
}

// tell wakes reach.
func (c *changes) tell() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// take returns what was changed up to a key, in the order of keys. It drops the other changes: the page that has their
// keys is read later, and shows them.
func (c *changes) take(upTo string) ([]store.Change, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.drain(func(key string) bool { return key <= upTo })
}

// drain returns the changes of some keys and drops the others. The caller holds c.mu.
func (c *changes) drain(wanted func(key string) bool) (taken []store.Change, err error) {
	for _, key := range slices.Sorted(maps.Keys(c.pending)) {
		if wanted(key) {
			taken = append(taken, c.pending[key])
		}
	}
	clear(c.pending)
	c.bytes = 0
	return taken, c.err
}

// reach waits until the feed has shown the commit of a revision, and returns all changes that were not taken, up to the
// end of a commit.
func (c *changes) reach(ctx context.Context, at store.Revision) ([]store.Change, error) {
	for {
		c.mu.Lock()
		if c.err != nil || c.whole >= at {
			defer c.mu.Unlock()
			return c.drain(func(string) bool { return true })
		}
		c.mu.Unlock()
		select {
		case <-c.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
