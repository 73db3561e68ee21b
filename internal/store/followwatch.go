package store

import (
	"context"
	"iter"
	"strings"
)

// Watch implements Engine. It yields a change when Head shows it: whoever hears of a change reads next, and a Recent
// that did not show it would be the last read before the next change. The changes come from the feed of the Follower
// itself. Only those that it no longer has, or that may have been lost since the feed has begun anew, come from a feed
// of the engine. It yields ErrCompacted if the feed has begun anew because the database may have lost commits.
func (f *Follower) Watch(ctx context.Context, prefix string, after Revision) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		f.start()
		c := &consumer{follower: f, prefix: prefix, at: after, yield: yield}
		for c.loads = f.recent.begun(); c.fromLog(ctx) && c.fromEngine(ctx); {
		}
	}
}

// consumer is one use of Follower.Watch.
type consumer struct {
	follower *Follower
	prefix   string
	at       Revision // all its changes, and those before, were yielded
	loads    uint64   // how often the feed had begun when "at" was read
	yield    func(Change, error) bool
}

// fromLog yields changes as long as the Follower's own feed has them. It returns false if the consumer needs no more.
func (c *consumer) fromLog(ctx context.Context) bool {
	log := &c.follower.recent
	for {
		commits, more, known := log.since(c.loads, c.at)
		if !known {
			return ctx.Err() == nil
		}
		for _, commit := range commits {
			if !c.pass(ctx, commit) {
				return false
			}
		}
		if len(commits) > 0 {
			continue
		}
		select {
		case <-more:
		case <-ctx.Done():
			return false
		case <-c.follower.ctx.Done():
			c.yield(Change{}, ErrClosed)
			return false
		}
	}
}

// pass yields the changes of a commit that the consumer wants.
func (c *consumer) pass(ctx context.Context, commit keptCommit) bool {
	for i, w := range commit.writes {
		if !strings.HasPrefix(w.Key, c.prefix) {
			continue
		}
		change := Change{Revision: commit.revision, Key: w.Key, Value: w.Value, Deleted: w.Delete}
		change.Last = c.prefix == "" && i == len(commit.writes)-1
		if ctx.Err() != nil || !c.yield(change, nil) {
			return false
		}
	}
	c.at = commit.revision
	return true
}

// fromEngine yields changes of a feed of the engine, until the Follower's own feed has the next ones. It reads all keys,
// because each commit, whatever it changes, shows how far it is. It returns false if the consumer needs no more.
func (c *consumer) fromEngine(ctx context.Context) bool {
	f, same := c.follower, false
	if c.loads, same = f.recent.follows(c.loads); !same { // a feed that begins after c.at would not notice it
		c.yield(Change{}, ErrCompacted)
		return false
	}
	for change, err := range f.engine.Watch(ctx, "", c.at) {
		if err == nil {
			err = f.reach(ctx, change.Revision, nil)
		}
		if ctx.Err() != nil {
			return false
		}
		if err != nil {
			c.yield(Change{}, err)
			return false
		}
		last := change.Last
		change.Last = last && c.prefix == ""
		if strings.HasPrefix(change.Key, c.prefix) && !c.yield(change, nil) {
			return false
		}
		if last {
			c.at = change.Revision
			if f.recent.has(c.loads, c.at) || f.recent.begun() != c.loads {
				return true
			}
		}
	}
	return false
}
