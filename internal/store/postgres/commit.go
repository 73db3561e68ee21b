//go:build cluster

package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"midas/internal/store"
)

// Limits of the transaction of commits, for PostgreSQL's settings.
const (
	milliseconds = "4000" // of one statement and of the wait for another replica's commit
	commitIdle   = "2000" // milliseconds between two statements
	retryPause   = 100 * time.Millisecond
)

// commitAll makes transactions of the waiting commits until the engine is closed. One transaction runs at a time:
// a second one would only wait for the lock of the first, and the commits that wait meanwhile share the next.
func (e *Engine) commitAll() {
	for {
		select {
		case <-e.queue.filled:
		case <-e.ctx.Done():
			return
		}
		if commits := e.queue.take(); len(commits) > 0 {
			e.commitGroup(&group{commits: commits, seen: e.news.seen()})
		}
	}
}

// group is some commits that become one transaction of the database.
type group struct {
	commits  []*pending
	unsure   bool           // an attempt broke off, so some commits may have happened
	sent     bool           // an attempt broke off, now or before
	seen     store.Revision // a revision that is older than all commits of the group
	revision []store.Revision
}

// errOvertaken is the error of a transaction that the fence has stopped. Nothing of it has happened.
var errOvertaken = errors.New("the commit was overtaken")

// fenceBroken is the SQLSTATE of a division by zero, with which commitSQL ends a transaction.
const fenceBroken = "22012"

func (g *group) marks() []int64 {
	marks := make([]int64, len(g.commits))
	for i, p := range g.commits {
		marks[i] = p.mark
	}
	return marks
}

// errUnsure is the error of a transaction that may have happened.
var errUnsure = errors.New("the connection broke before the database confirmed the commit")

// commitGroup commits and tells each caller the outcome. It tries again, until the deadline, if the database has not
// applied the commits because a connection broke or the primary changes.
func (e *Engine) commitGroup(g *group) {
	ctx, cancel := context.WithTimeout(e.ctx, deadline)
	defer cancel()
	for {
		err := e.attempt(ctx, g)
		switch {
		case err == nil:
			e.failed.Store(nil)
			return
		case (again(err) || e.adapt(err)) && e.pauseCommit(ctx):
			e.reset()
			continue
		case len(g.commits) > 1 && !g.unsure && code(err) != "" && !unavailable(err):
			for _, p := range g.commits { // so that one commit's error does not become the error of the others
				e.commitGroup(&group{commits: []*pending{p}, seen: g.seen, sent: g.sent})
			}
			return
		}
		e.fail(g, err)
		return
	}
}

// pauseCommit waits before another attempt, and reports whether there is time for one.
func (e *Engine) pauseCommit(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(retryPause):
		return true
	}
}

// again reports whether another attempt may succeed.
func again(err error) bool {
	if errors.Is(err, errNotReplicated) {
		return false
	}
	return errors.Is(err, errUnsure) || broken(err) || serialization(err)
}

// unavailable reports whether the error is the database's and not one of the commit's content.
func unavailable(err error) bool {
	c := code(err)
	return broken(err) || serialization(err) || len(c) == 5 && (c[:2] == "53" || c[:2] == "55" || c[:2] == "57" || c[:2] == "58")
}

// fail ends all commits of a group with the error.
func (e *Engine) fail(g *group, err error) {
	err = fmt.Errorf("%w: commit in PostgreSQL %s: %w", store.ErrUnavailable, e.address, explain(e.address, err))
	e.failures.Add(1)
	if e.failed.Swap(&err) == nil && e.ctx.Err() == nil {
		e.log.Warn("PostgreSQL takes no commits", "error", err)
	}
	for _, p := range g.commits {
		p.finish(0, err)
	}
}

// attempt runs one transaction. Without an error all commits of the group have their outcome.
func (e *Engine) attempt(ctx context.Context, g *group) error {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer release(conn)
	if err := e.makeTables(ctx, conn); err != nil {
		return err
	}
	if g.unsure {
		if err := e.resolve(ctx, conn, g); err != nil {
			return err
		}
	}
	if g.start(); len(g.commits) == 0 {
		return nil
	}
	err = e.transact(ctx, conn, g)
	switch {
	case err == nil:
	case errors.Is(err, errUnsure):
		g.unsure, g.sent = true, true
		return err
	case code(err) == fenceBroken && g.sent: // an earlier attempt has arrived meanwhile
		g.unsure = true
		return errOvertaken
	case code(err) == fenceBroken: // the newest revision that this process knows is too old
		if g.seen, err = e.readHead(); err != nil {
			return err
		}
		return errOvertaken
	default:
		return err
	}
	e.finish(g)
	return nil
}

// finish tells the outcomes of a transaction that has happened, and wakes the watches once for all of them.
func (e *Engine) finish(g *group) {
	var made []ownCommit
	for i, p := range g.commits {
		if g.revision[i] > 0 {
			made = append(made, ownCommit{p, g.revision[i]})
		}
	}
	if len(made) > 0 {
		slices.SortFunc(made, func(a, b ownCommit) int { return cmp.Compare(a.revision, b.revision) })
		e.own.add(made)
		e.news.observe(made[len(made)-1].revision)
	}
	for i, p := range g.commits {
		if g.revision[i] == 0 {
			p.finish(0, store.ErrConflict)
			continue
		}
		p.finish(g.revision[i], nil)
	}
}

// start ends the commits whose callers no longer wait, before the first attempt.
func (g *group) start() {
	if g.unsure {
		return
	}
	kept := g.commits[:0]
	for _, p := range g.commits {
		if err := p.ctx.Err(); err != nil {
			p.finish(0, err)
			continue
		}
		kept = append(kept, p)
	}
	g.commits = kept
	g.revision = make([]store.Revision, len(kept))
}

// release returns a connection. A connection inside of a transaction is closed, which undoes the transaction.
func release(conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		conn.Release()
		return
	}
	discard(conn)
}

// resolve finds out which commits of earlier attempts have happened, and ends them. It takes the lock first: the
// session of an earlier attempt that still runs holds it. Its COMMIT waits until everything before it is
// durable, on standbys too if the database is configured so.
func (e *Engine) resolve(ctx context.Context, conn *pgxpool.Conn, g *group) error {
	var oldest int64
	found := make(map[int64]store.Revision)
	b := &pgx.Batch{}
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
	b.Queue(e.sql.settings, milliseconds, commitIdle)
	b.Queue(e.sql.lock).QueryRow(func(row pgx.Row) error { return row.Scan(&oldest) })
	b.Queue(e.sql.resolve, g.marks()).Query(func(rows pgx.Rows) error {
		var mark, rev int64
		_, err := pgx.ForEachRow(rows, []any{&mark, &rev}, func() error {
			found[mark] = store.Revision(rev)
			return nil
		})
		return err
	})
	b.Queue("COMMIT")
	doubts := watchNotices(conn)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if doubts.Load() {
		return errNotReplicated
	}
	if store.Revision(oldest) > g.seen && len(found) < len(g.commits) {
		return errForgotten
	}
	g.settle(found)
	return nil
}

var errForgotten = errors.New("the database no longer has the changes that would tell whether the commit has happened")

// settle ends the commits that were found. The others have not happened.
func (g *group) settle(found map[int64]store.Revision) {
	g.unsure = false
	kept := g.commits[:0]
	for _, p := range g.commits {
		if rev, ok := found[p.mark]; ok {
			p.finish(rev, nil)
			continue
		}
		kept = append(kept, p)
	}
	g.commits = kept
}
