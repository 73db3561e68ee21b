//go:build cluster

package etcd

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/store"
)

// pending is a commit that waits for its Txn.
type pending struct {
	ctx      context.Context
	commit   store.Commit
	compares []clientv3.Cmp
	puts     []clientv3.Op // without the head
	others   []clientv3.Op // what is read if a comparison fails
	bytes    int           // of its keys and values
	done     chan outcome  // has space for the one outcome
}

// outcome is the result of a commit.
type outcome struct {
	revision store.Revision
	err      error
}

func (e *Engine) newPending(ctx context.Context, c store.Commit) *pending {
	p := &pending{ctx: ctx, commit: c, done: make(chan outcome, 1)}
	p.compares, p.puts = e.operations(c)
	if c.Newest {
		p.compares = append(p.compares, clientv3.Compare(clientv3.ModRevision(e.head), "=", int64(c.At)))
		p.others = []clientv3.Op{clientv3.OpGet(e.head, clientv3.WithKeysOnly())}
	}
	for _, g := range c.Guards {
		p.bytes += operationBytes + len(e.prefix) + len(g.Key)
	}
	for _, w := range c.Writes {
		p.bytes += operationBytes + len(e.prefix) + len(w.Key) + len(w.Value)
	}
	return p
}

// operationBytes is more than what etcd's encoding adds to the key and the value of one operation.
const operationBytes = 32

// operations is the number of operations that etcd counts for the commit inside of a group.
func (p *pending) operations() int { return max(len(p.compares), len(p.puts)) }

// refused is the error of a commit whose comparisons have failed, by what was read then.
func (p *pending) refused(read []*pb.ResponseOp) error {
	if !p.commit.Newest || len(read) == 0 {
		return store.ErrConflict
	}
	found := store.Revision(0)
	if kvs := read[0].GetResponseRange().GetKvs(); len(kvs) > 0 {
		found = store.Revision(kvs[0].ModRevision)
	}
	if found != p.commit.At {
		return store.ErrOvertaken
	}
	return store.ErrConflict
}

func (p *pending) finish(rev store.Revision, err error) { p.done <- outcome{rev, err} }
