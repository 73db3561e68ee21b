//go:build cluster

package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"midas/internal/store"
)

// begin queues the statements before the commits.
func (e *Engine) begin(b *pgx.Batch) {
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
	b.Queue(e.sql.settings, milliseconds, commitIdle)
	b.Queue(e.sql.lock)
}

// beginStatements is the number of statements that begin queues.
const beginStatements = 3

// transact sends the whole transaction at once, so that the lock is not held while this process works.
func (e *Engine) transact(ctx context.Context, conn *pgxpool.Conn, g *group) error {
	b := &pgx.Batch{}
	e.begin(b)
	all := rounds(g.commits)
	for _, r := range all {
		b.Queue(e.sql.commit, e.arguments(g, r)...)
	}
	b.Queue("COMMIT")
	doubts := watchNotices(conn)
	results := conn.SendBatch(ctx, b)
	err := g.read(results, all)
	if closed := results.Close(); err == nil && closed != nil {
		err = fmt.Errorf("%w: %w", errUnsure, closed)
	}
	if err == nil && doubts.Load() {
		return errNotReplicated
	}
	return err
}

// round has the places of some commits in their group. One statement compares and writes all of them, and sees the
// database as it was before. So none of them gets or writes a key that another one, which came before it, writes.
type round []int

// rounds divides the commits of a group into as few rounds as that takes.
func rounds(commits []*pending) (all []round) {
	after := make(map[string]int) // the first round for a commit that gets or writes a key
	for i, p := range commits {
		n := 0
		for _, g := range p.commit.Guards {
			n = max(n, after[g.Key])
		}
		for _, w := range p.commit.Writes {
			n = max(n, after[w.Key])
		}
		if n == len(all) {
			all = append(all, nil)
		}
		all[n] = append(all[n], i)
		for _, w := range p.commit.Writes {
			after[w.Key] = n + 1
		}
	}
	return all
}

// columnsOf has the guards and writes of a round, in the form of commitSQL's parameters.
type columnsOf struct {
	marks []int64

	guardCommits                 []int32
	guardKeys, guardDigests      [][]byte
	guardRevisions               []int64
	commits, indexes             []int32
	last                         []bool
	keys, digests, rests, values [][]byte
}

// add appends the n-th commit of the round; the first one is 1.
func (c *columnsOf) add(n int32, p *pending) {
	c.marks = append(c.marks, p.mark)
	for _, g := range p.commit.Guards {
		k := columns(g.Key)
		c.guardCommits = append(c.guardCommits, n)
		c.guardKeys, c.guardDigests = append(c.guardKeys, k.key), append(c.guardDigests, k.digest)
		c.guardRevisions = append(c.guardRevisions, int64(g.Revision))
	}
	for i, w := range p.commit.Writes {
		k := columns(w.Key)
		c.commits, c.indexes = append(c.commits, n), append(c.indexes, int32(i+1))
		c.last = append(c.last, i == len(p.commit.Writes)-1)
		c.keys, c.digests = append(c.keys, k.key), append(c.digests, k.digest)
		c.rests, c.values = append(c.rests, k.rest), append(c.values, valueOf(w))
	}
}

// arguments returns the parameters of commitSQL.
func (e *Engine) arguments(g *group, r round) []any {
	var c columnsOf
	for n, i := range r {
		c.add(int32(n+1), g.commits[i])
	}
	return []any{
		int64(g.seen), c.marks, c.guardCommits, c.guardKeys, c.guardDigests, c.guardRevisions,
		c.commits, c.indexes, c.last, c.keys, c.digests, c.rests, c.values, e.sql.channel,
	}
}

// read collects the revisions. An error without a SQLSTATE, and any error of COMMIT, leaves the outcome open: the
// server skips COMMIT only after an error that it has reported.
func (g *group) read(results pgx.BatchResults, all []round) error {
	for range beginStatements {
		if _, err := results.Exec(); err != nil {
			return undecided(err)
		}
	}
	for _, r := range all {
		if err := g.readRound(results, r); err != nil {
			return undecided(err)
		}
	}
	tag, err := results.Exec()
	if err != nil {
		return fmt.Errorf("%w: %w", errUnsure, err)
	}
	if tag.String() != "COMMIT" {
		return fmt.Errorf("%w: the database answered %s", errUnsure, tag.String())
	}
	return nil
}

// readRound collects the revisions of a round. A commit whose guards do not hold has none.
func (g *group) readRound(results pgx.BatchResults, r round) error {
	var revisions []*int64
	var notified *string
	if err := results.QueryRow().Scan(&revisions, &notified); err != nil {
		return err
	}
	if len(revisions) != len(r) {
		return fmt.Errorf("%d revisions of %d commits", len(revisions), len(r))
	}
	for n, i := range r {
		g.revision[i] = 0
		if revisions[n] != nil {
			g.revision[i] = store.Revision(*revisions[n])
		}
	}
	return nil
}

func undecided(err error) error {
	if code(err) == "" {
		return fmt.Errorf("%w: %w", errUnsure, err)
	}
	return err
}
