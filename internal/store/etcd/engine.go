//go:build cluster

package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/store"
)

// The keys below a prefix.
const (
	folder = "k"    // prefix/k/… are the keys of the store
	head   = "head" // prefix/head is put by every commit
)

const (
	callTimeout = 5 * time.Second         // of one operation, if its context does not end before
	readTimeout = 1500 * time.Millisecond // of one attempt to read, so that another member is asked soon
)

// Options are the parts of an Engine that its caller provides.
type Options struct {
	Log *slog.Logger // nil for none

	// Full says in the log what to do when the quota is used up; empty for the advice to operators of etcd.
	Full string
}

// Engine is a store.Engine on etcd. It implements store.Shared.
type Engine struct {
	client   *clientv3.Client
	prefix   string // of the store's keys: "/midas/k/"
	head     string // "/midas/head"
	log      *slog.Logger
	members  *members
	pressure *pressure
	figures  figures
	queue    *queue

	ctx    context.Context // ends with Close; of the watches and the checks of members
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// Open connects to etcd and checks that the store can be used: a member answers, is new enough, accepts the
// user, and the user may read and write below the prefix. Its errors are sentences that say what is wrong.
// Nothing is written. Open takes at most 10 s.
func Open(ctx context.Context, c Config, o Options) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	e := &Engine{prefix: c.Prefix + "/" + folder + "/", head: c.Prefix + "/" + head, log: o.Log, queue: newQueue(), pressure: &pressure{log: o.Log, advice: cmp.Or(o.Full, operatorAdvice)}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err := e.connect(ctx, c); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.ended.Go(func() { e.members.watch(e.ctx) })
	return e, nil
}

// connect first asks the members, because they tell at once what is wrong, and then makes the client.
func (e *Engine) connect(ctx context.Context, c Config) (err error) {
	if e.members, err = newMembers(c, e.pressure, e.log); err != nil {
		return explain(c, err)
	}
	found := e.members.check(ctx, callTimeout)
	if err := usable(c, found); err != nil {
		return err
	}
	if e.client, err = NewClient(c); err != nil {
		return explain(c, err)
	}
	e.members.attach(e.client)
	e.members.settle(found)
	if e.members.authenticateNobody(ctx, found) {
		e.log.Warn("etcd has no authentication, so it does not check the user and the password of the store: who reaches it can read and change all keys", "user", c.User)
	}
	return e.checkAccess(ctx, c)
}

// Close implements store.Engine.
func (e *Engine) Close() error {
	e.cancel()
	e.queue.close()
	e.ended.Wait()
	if e.members != nil {
		e.members.close()
	}
	if e.client == nil {
		return nil
	}
	if err := e.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close the connections to etcd: %w", err)
	}
	return nil
}

// mark is the state of the head at some revision.
type mark struct {
	revision store.Revision // of the newest commit; 0 if there was none
	version  int64          // the number of commits
	commit   string         // the random id of the newest commit
	created  int64          // the mod revision of the first commit

	at int64 // etcd's own revision that the mark was read at; not less than revision
}

// mark reads the head, at etcd's revision at, or by a linearizable read if at is 0.
func (e *Engine) mark(ctx context.Context, at int64) (m mark, err error) {
	var answer *clientv3.GetResponse
	err = e.read(ctx, func(ctx context.Context) (err error) {
		answer, err = e.client.Get(ctx, e.head, clientv3.WithRev(at))
		return err
	})
	if err != nil {
		return mark{}, err
	}
	m.at = answer.Header.Revision
	if at != 0 {
		m.at = at
	}
	if len(answer.Kvs) == 1 {
		kv := answer.Kvs[0]
		m.revision, m.version, m.commit, m.created = store.Revision(kv.ModRevision), kv.Version, string(kv.Value), kv.CreateRevision
	}
	return m, nil
}

// Newest implements store.Shared: it returns the revision of the newest commit, by one linearizable read.
func (e *Engine) Newest(ctx context.Context) (store.Revision, error) {
	m, err := e.mark(ctx, 0)
	if err != nil {
		return 0, fmt.Errorf("read the newest revision: %w", err)
	}
	return m.revision, nil
}

// read calls fn, which reads, until it succeeds. Each attempt has a limit of its own, so that a member that does
// not answer does not use up the time of the caller.
func (e *Engine) read(parent context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(parent, callTimeout)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(ctx, readTimeout)
		err := fn(attempt)
		done()
		if err == nil {
			return nil
		}
		if e.ctx.Err() != nil || !again(ctx, err) {
			return e.meaning(parent, err)
		}
		sleep(ctx, 20*time.Millisecond)
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Snapshot implements store.Engine, by a linearizable read of the head.
func (e *Engine) Snapshot(ctx context.Context, _ int) (store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := e.mark(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("begin to read: %w", err)
	}
	return &snapshot{engine: e, revision: m.revision, at: m.at}, nil
}

// SnapshotAt returns a snapshot of the revision of a commit, without a call of etcd. Its reads return
// store.ErrStale if etcd has compacted that revision.
func (e *Engine) SnapshotAt(ctx context.Context, rev store.Revision, _ int) (store.Snapshot, error) {
	return &snapshot{engine: e, revision: rev, at: int64(rev)}, ctx.Err()
}

// storeKey returns the key of the store that lies at a key of etcd, if it is one.
func (e *Engine) storeKey(key []byte) (string, bool) {
	return strings.CutPrefix(string(key), e.prefix)
}
