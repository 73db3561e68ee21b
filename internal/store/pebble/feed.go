package pebble

import (
	"context"
	"hash/maphash"
	"iter"
	"strings"
	"sync"
	"sync/atomic"

	"midas/internal/store"
)

// Limits of the feed. A consumer that is further behind gets ErrCompacted and must read the whole store again.
const (
	feedWrites = 16 << 10
	feedBytes  = 4 << 20
)

// feed holds the newest commits. It serves watches, waits for durability, and compares guards without a read
// of the database. Writers never wait for its readers.
type feed struct {
	durable atomic.Uint64 // all commits up to this revision survive a crash

	mu      sync.Mutex
	commits []commit // without gaps, oldest first
	first   store.Revision
	writes  int
	bytes   int
	last    map[uint64]store.Revision // the last commit of each key in commits, by the hash of the key
	seed    maphash.Seed
	waiting map[chan struct{}]store.Revision
	ended   error
}

type commit struct {
	writes []store.Write
	hashes []uint64 // of the keys
	bytes  int
}

func newFeed(head store.Revision) *feed {
	f := &feed{
		first:   head + 1,
		last:    make(map[uint64]store.Revision),
		seed:    maphash.MakeSeed(),
		waiting: make(map[chan struct{}]store.Revision),
	}
	f.durable.Store(uint64(head))
	return f
}

// append adds the commit that follows the newest one, and forgets old ones.
func (f *feed) append(rev store.Revision, writes []store.Write) {
	c := commit{writes: writes, hashes: make([]uint64, len(writes))}
	for i, w := range writes {
		c.bytes += len(w.Key) + len(w.Value)
		c.hashes[i] = maphash.String(f.seed, w.Key)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commits = append(f.commits, c)
	f.writes += len(writes)
	f.bytes += c.bytes
	for _, hash := range c.hashes {
		f.last[hash] = rev
	}
	for (f.writes > feedWrites || f.bytes > feedBytes) && uint64(f.first) <= f.durable.Load() {
		f.forgetOldest()
	}
}

func (f *feed) forgetOldest() {
	c := f.commits[0]
	for _, hash := range c.hashes {
		if f.last[hash] == f.first {
			delete(f.last, hash)
		}
	}
	f.commits[0] = commit{} // releases the memory of the commit; append drops the slot when the slice grows
	f.commits = f.commits[1:]
	f.first++
	f.writes -= len(c.writes)
	f.bytes -= c.bytes
}

// reaches reports whether lastWrite has all keys that were written after rev.
func (f *feed) reaches(rev store.Revision) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return rev+1 >= f.first
}

// lastWrite returns the newest commit that has written key, or another key with the same hash. A hash
// collision makes a transaction run once more than necessary.
func (f *feed) lastWrite(key string) store.Revision {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last[maphash.String(f.seed, key)]
}

// advance records that rev, and all revisions before it, are durable.
func (f *feed) advance(rev store.Revision) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if uint64(rev) <= f.durable.Load() {
		return
	}
	f.durable.Store(uint64(rev))
	for ch, want := range f.waiting {
		if want <= rev {
			delete(f.waiting, ch)
			close(ch)
		}
	}
}

// end makes every present and later wait return err, unless its revision is already durable.
func (f *feed) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = err
	for ch := range f.waiting {
		delete(f.waiting, ch)
		close(ch)
	}
}

// wait returns when rev is durable. The error is store.ErrStale if the caller has read rev in the generation
// g, and g failed before rev was on the disk. g may be nil.
func (f *feed) wait(ctx context.Context, rev store.Revision, g *generation) error {
	for {
		if g != nil && g.lost(rev) {
			return store.ErrStale
		}
		if uint64(rev) <= f.durable.Load() {
			return nil
		}
		f.mu.Lock()
		if g != nil && g.lost(rev) {
			f.mu.Unlock()
			return store.ErrStale
		}
		if f.ended != nil {
			f.mu.Unlock()
			return f.ended
		}
		if uint64(rev) <= f.durable.Load() {
			f.mu.Unlock()
			return nil
		}
		ch := make(chan struct{})
		f.waiting[ch] = rev
		f.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
			f.mu.Lock()
			delete(f.waiting, ch)
			f.mu.Unlock()
			return ctx.Err()
		}
	}
}

// keep removes the writes after rev, because they are not on the disk, and returns their keys. The revisions
// stay, as commits that change nothing. All remaining commits are durable.
func (f *feed) keep(rev store.Revision) (lost []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range f.commits {
		if f.first+store.Revision(i) <= rev {
			continue
		}
		for _, w := range c.writes {
			lost = append(lost, w.Key)
		}
		f.writes -= len(c.writes)
		f.bytes -= c.bytes
		f.commits[i] = commit{}
	}
	f.durable.Store(max(f.durable.Load(), min(uint64(rev), uint64(f.first)+uint64(len(f.commits))-1)))
	for ch := range f.waiting { // some wait for revisions that are durable now, others for revisions that are lost
		delete(f.waiting, ch)
		close(ch)
	}
	return lost
}

func (f *feed) watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		if uint64(after) > f.durable.Load() { // a revision of another store, or a lost revision
			yield(store.Change{}, store.ErrCompacted)
			return
		}
		for next := after + 1; ; {
			err := f.wait(ctx, next, nil)
			if ctx.Err() != nil {
				return
			}
			var commits []commit
			if err == nil {
				commits, err = f.from(next)
			}
			if err != nil {
				yield(store.Change{}, err)
				return
			}
			for _, c := range commits {
				if !c.yield(next, prefix, yield) {
					return
				}
				next++
			}
		}
	}
}

func (c commit) yield(rev store.Revision, prefix string, yield func(store.Change, error) bool) bool {
	for i, w := range c.writes {
		if !strings.HasPrefix(w.Key, prefix) {
			continue
		}
		if !yield(store.Change{Revision: rev, Key: w.Key, Value: w.Value, Deleted: w.Delete, Last: prefix == "" && i == len(c.writes)-1}, nil) {
			return false
		}
	}
	return true
}

// from returns a copy of the first durable commits from next on, at most 64.
func (f *feed) from(next store.Revision) ([]commit, error) {
	const most = 64
	f.mu.Lock()
	defer f.mu.Unlock()
	if next < f.first {
		return nil, store.ErrCompacted
	}
	durable := int(store.Revision(f.durable.Load()) + 1 - f.first)
	begin := int(next - f.first)
	end := min(durable, len(f.commits), begin+most)
	return append([]commit(nil), f.commits[begin:end]...), nil
}
