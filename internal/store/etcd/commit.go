//go:build cluster

package etcd

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/store"
)

// ComparesHead implements store.HeadComparer.
func (e *Engine) ComparesHead() {}

// Commit implements store.Engine. While some Txns are under way, commits wait, and those that wait become one Txn, with
// one revision, and each with an outcome of its own. A write whose answer is lost is not sent again, because it may have
// happened: the error is then store.ErrUnavailable.
func (e *Engine) Commit(parent context.Context, c store.Commit) (store.Revision, error) {
	if err := parent.Err(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(parent, callTimeout)
	defer cancel()
	p := e.newPending(ctx, c)
	now, err := e.queue.enter(p)
	if err != nil {
		return 0, err
	}
	if now {
		defer e.follow()
		return e.send(parent, ctx, p)
	}
	select {
	case o := <-p.done:
		return o.revision, o.err
	case <-ctx.Done():
		e.queue.remove(p) // else it was sent, and may have happened
		e.figures.failures.Add(1)
		return 0, fmt.Errorf("write: %w", e.meaning(parent, ctx.Err()))
	}
}

// send sends one commit as a Txn of its own.
func (e *Engine) send(parent, ctx context.Context, p *pending) (store.Revision, error) {
	// The head is the last put, so that it ends the commit in a watch.
	puts := append(p.puts[:len(p.puts):len(p.puts)], clientv3.OpPut(e.head, commitID(p.commit.Writes)))
	answer, err := e.client.Txn(ctx).If(p.compares...).Then(puts...).Else(p.others...).Commit()
	if err != nil {
		e.figures.failures.Add(1)
		return 0, fmt.Errorf("write: %w", e.meaning(parent, err))
	}
	e.pressure.noSpace(false)
	if !answer.Succeeded {
		return 0, p.refused(answer.Responses)
	}
	rev := store.Revision(answer.Header.Revision)
	e.queue.refuse([]*pending{p}, rev)
	return rev, nil
}

// follow ends a Txn and sends the commits that have waited meanwhile.
func (e *Engine) follow() {
	waited := e.queue.next(1)
	if waited == nil {
		return
	}
	go func() {
		for waited != nil {
			e.sendGroup(waited)
			waited = e.queue.next(len(waited))
			e.queue.groups.Done()
		}
	}()
}

// sendGroup sends commits as one Txn, which holds a Txn for each of them.
func (e *Engine) sendGroup(commits []*pending) {
	if len(commits) == 1 {
		e.sendEach(commits)
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, callTimeout)
	defer cancel()
	inner := make([]clientv3.Op, 0, len(commits)+1)
	for _, p := range commits {
		inner = append(inner, clientv3.OpTxn(p.compares, p.puts, p.others))
	}
	answer, err := e.client.Txn(ctx).Then(append(inner, clientv3.OpPut(e.head, rand.Text()))...).Commit()
	if isRefusal(err) {
		e.queue.shrink(commits, err)
		e.sendEach(commits)
		return
	}
	if err != nil {
		e.figures.failures.Add(uint64(len(commits)))
		err = fmt.Errorf("write: %w", e.meaning(context.Background(), err))
		for _, p := range commits {
			p.finish(0, err)
		}
		return
	}
	e.pressure.noSpace(false)
	rev, written := store.Revision(answer.Header.Revision), commits[:0:0]
	for i, p := range commits {
		if own := answer.Responses[i].GetResponseTxn(); !own.GetSucceeded() {
			p.finish(0, p.refused(own.GetResponses()))
			continue
		}
		p.finish(rev, nil)
		written = append(written, p)
	}
	e.queue.refuse(written, rev)
}

// sendEach sends commits one after another.
func (e *Engine) sendEach(commits []*pending) {
	for _, p := range commits {
		ctx, cancel := context.WithCancel(p.ctx)
		stop := context.AfterFunc(e.ctx, cancel)
		rev, err := e.send(p.ctx, ctx, p)
		stop()
		cancel()
		p.finish(rev, err)
	}
}

// operations turns guards into compares, and writes into the operations of a Txn.
func (e *Engine) operations(c store.Commit) ([]clientv3.Cmp, []clientv3.Op) {
	compares := make([]clientv3.Cmp, len(c.Guards))
	for i, g := range c.Guards {
		compares[i] = clientv3.Compare(clientv3.ModRevision(e.prefix+g.Key), "=", int64(g.Revision))
	}
	puts := make([]clientv3.Op, 0, len(c.Writes)+1)
	for _, w := range c.Writes {
		if w.Delete {
			puts = append(puts, clientv3.OpDelete(e.prefix+w.Key))
			continue
		}
		puts = append(puts, clientv3.OpPut(e.prefix+w.Key, string(w.Value)))
	}
	return compares, puts
}

// idBytes is the length of rand.Text.
const idBytes = 26

// commitID returns the value of the head: a random id. etcd shows no watch that a key was deleted which did not
// exist. So for a commit that only deletes, the first key follows the id, and a feed has something to show.
func commitID(writes []store.Write) string {
	if slices.ContainsFunc(writes, func(w store.Write) bool { return !w.Delete }) {
		return rand.Text()
	}
	return rand.Text() + writes[0].Key
}
