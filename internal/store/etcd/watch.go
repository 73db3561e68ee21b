//go:build cluster

package etcd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/store"
)

// Watch implements store.Engine. It uses etcd's watches without the resumption of etcd's client, because a watch
// cannot be trusted alone: it may stop without an error, and after a database was restored from a backup the
// client would resume at a revision of the lost history. So every commit is checked against the one before, and
// the head is read from time to time.
func (e *Engine) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(e.ctx, cancel)()
		f := &feed{engine: e, prefix: prefix, yield: yield}
		err := f.run(ctx, after)
		switch {
		case errors.Is(err, errStopped):
		case e.ctx.Err() != nil:
			yield(store.Change{}, store.ErrClosed)
		case ctx.Err() != nil:
		default:
			yield(store.Change{}, err)
		}
	}
}

// errStopped means that the consumer has stopped.
var errStopped = errors.New("etcd: the consumer of the feed has stopped")

// feed is one running Watch.
type feed struct {
	engine *Engine
	prefix string // of the keys that the consumer wants
	yield  func(store.Change, error) bool

	last    mark           // the commit that was yielded last
	pending []store.Change // the writes of the next commit, until its head comes
	begun   int64          // the mod revision of pending; 0 if there are none

	behind int64 // the version that an earlier look at the head has found the feed at, and behind; 0 if it was not
}

// Pauses between two attempts to watch.
const (
	shortestPause = 20 * time.Millisecond
	longestPause  = time.Second
)

// run yields changes until ctx ends, the consumer stops or changes are lost.
func (f *feed) run(ctx context.Context, after store.Revision) error {
	pause := shortestPause
	begun, compacted := false, false
	for ctx.Err() == nil {
		var start int64
		err := error(nil)
		if !begun {
			err = f.begin(ctx, after)
			begun = err == nil
		}
		if err == nil {
			start, err = f.resume(ctx, compacted)
		}
		if err == nil {
			before := f.last.version
			compacted, err = f.stream(ctx, start)
			if f.last.version != before || compacted {
				pause = shortestPause
			}
			f.engine.figures.streams.Add(1)
		}
		if errors.Is(err, store.ErrCompacted) || errors.Is(err, errStopped) {
			return err
		}
		sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
	return ctx.Err()
}

// begin sets the position of the feed.
func (f *feed) begin(ctx context.Context, after store.Revision) error {
	newest, err := f.engine.mark(ctx, 0)
	switch {
	case err != nil:
		return err
	case after > newest.revision: // a revision of another store, or of a lost history
		return fmt.Errorf("watch after revision %d, the newest is %d: %w", after, newest.revision, store.ErrCompacted)
	case after == 0:
		return nil
	case after == newest.revision:
		f.last = newest
		return nil
	}
	f.last, err = f.engine.mark(ctx, int64(after))
	if errors.Is(err, store.ErrStale) || err == nil && f.last.version == 0 {
		return fmt.Errorf("watch after revision %d: %w", after, store.ErrCompacted)
	}
	return err
}

// resume returns the revision of etcd at which a watch continues the feed. The error is ErrCompacted if commits
// after the position are lost, or if the position is not in the history of the database. compacted says that
// etcd has refused the last watch because it has compacted the first revision.
func (f *feed) resume(ctx context.Context, compacted bool) (int64, error) {
	newest, err := f.engine.mark(ctx, 0)
	if err != nil {
		return 0, err
	}
	switch {
	case newest.version == f.last.version && newest.commit == f.last.commit:
		return newest.at + 1, nil // nothing has happened, so it does not matter what etcd has compacted
	case newest.version <= f.last.version || compacted:
		return 0, f.lost("etcd's history is not the one that the feed has shown")
	case f.last.version == 0:
		return newest.created, nil
	}
	then, err := f.engine.mark(ctx, int64(f.last.revision))
	if errors.Is(err, store.ErrStale) || err == nil && then.commit != f.last.commit {
		return 0, f.lost("etcd has no longer the revision that the feed has shown")
	}
	return int64(f.last.revision) + 1, err
}

func (f *feed) lost(why string) error {
	f.engine.figures.gaps.Add(1)
	return fmt.Errorf("%s, after revision %d: %w", why, f.last.revision, store.ErrCompacted)
}

// stream watches until the stream ends, or is behind the head for too long. compacted reports whether etcd has
// compacted the first revision.
func (f *feed) stream(ctx context.Context, start int64) (compacted bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.pending, f.begun, f.behind = nil, 0, 0
	answers, err := f.engine.open(ctx, start)
	if err != nil {
		return false, err
	}
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	looks, looking := make(chan sight, 1), false
	for {
		select {
		case a, open := <-answers:
			if !open || a.CompactRevision != 0 || a.Canceled {
				return open && a.CompactRevision != 0, nil
			}
			if err := f.take(a.Events); err != nil {
				return false, err
			}
		case <-look.C:
			if looking {
				continue
			}
			looking = true
			before := f.last
			go func() {
				now, err := f.engine.mark(ctx, 0)
				looks <- sight{before: before, now: now, err: err}
			}()
		case s := <-looks:
			looking = false
			if again, err := f.compare(s); again || err != nil {
				return false, err
			}
		}
	}
}

// lookInterval is the time between two looks at the head. A watch that two looks have found behind, at the same
// commit, has stopped.
const lookInterval = 700 * time.Millisecond

// sight is a look at the head.
type sight struct {
	before mark // the position of the feed before the look
	now    mark
	err    error
}

// compare checks the feed against the head. again means that the watch has stopped.
func (f *feed) compare(s sight) (again bool, err error) {
	switch {
	case s.err != nil:
		return false, nil // the watch itself notices that etcd is not reachable, or a later look does
	case s.now.version < s.before.version || s.now.version == s.before.version && s.now.commit != s.before.commit:
		return false, f.lost("etcd was restored from a backup")
	case s.now.version <= f.last.version:
		f.behind = 0
		return false, nil
	case f.behind == f.last.version+1:
		return true, nil
	}
	f.behind = f.last.version + 1
	return false, nil
}

// take adds events, in etcd's order. The head is the last write of each commit.
func (f *feed) take(events []*mvccpb.Event) error {
	for _, ev := range events {
		rev := ev.Kv.ModRevision
		key, ours := f.engine.storeKey(ev.Kv.Key)
		isHead := string(ev.Kv.Key) == f.engine.head
		if !ours && !isHead || rev <= int64(f.last.revision) {
			continue
		}
		if f.begun != 0 && f.begun != rev {
			return f.lost("another program has written a key of the store")
		}
		f.begun = rev
		if !isHead {
			f.pending = append(f.pending, change(key, ev))
			continue
		}
		if deleted(ev) || ev.Kv.Version != f.last.version+1 {
			return f.lost("the watch has left out a commit")
		}
		f.last = mark{revision: store.Revision(rev), version: ev.Kv.Version, commit: string(ev.Kv.Value)}
		if key := f.last.commit[min(len(f.last.commit), idBytes):]; len(f.pending) == 0 && key != "" {
			f.pending = []store.Change{{Revision: f.last.revision, Key: key, Deleted: true}}
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
	return nil
}

func change(key string, ev *mvccpb.Event) store.Change {
	if deleted(ev) {
		return store.Change{Revision: store.Revision(ev.Kv.ModRevision), Key: key, Deleted: true}
	}
	rec := record(key, ev.Kv)
	return store.Change{Revision: rec.Revision, Key: key, Value: rec.Value}
}

func deleted(ev *mvccpb.Event) bool { return ev.Type == mvccpb.Event_DELETE }

// flush yields the writes of a complete commit.
func (f *feed) flush() error {
	changes := f.pending
	f.pending, f.begun = nil, 0
	if len(changes) == 0 { // all guards of a group did not hold
		changes = []store.Change{{Revision: f.last.revision, Deleted: true}}
	}
	for i, c := range changes {
		c.Last = f.prefix == "" && i == len(changes)-1
		if strings.HasPrefix(c.Key, f.prefix) && !f.yield(c, nil) {
			return errStopped
		}
	}
	return nil
}

// open begins a watch of the head and of all keys from a revision of etcd on. The channel is closed when the
// stream ends. WithRequireLeader ends it if the member loses the leader.
func (e *Engine) open(ctx context.Context, start int64) (<-chan *pb.WatchResponse, error) {
	stream, err := pb.NewWatchClient(e.client.ActiveConnection()).Watch(clientv3.WithRequireLeader(ctx))
	if err != nil {
		return nil, err
	}
	err = stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		Key: []byte(e.head), RangeEnd: []byte(clientv3.GetPrefixRangeEnd(e.prefix)), StartRevision: start, Fragment: true,
	}}})
	if err != nil {
		return nil, err
	}
	answers := make(chan *pb.WatchResponse)
	go func() {
		defer close(answers)
		for {
			a, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case answers <- a:
			case <-ctx.Done():
				return
			}
		}
	}()
	return answers, nil
}
