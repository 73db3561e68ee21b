//go:build cluster

// Package postgres keeps the store in a PostgreSQL database, which any number of replicas share.
//
// A schema has three tables. "kv" has one row for each key. "changes" has one row for each written key of the newest
// commits; it is the feed, and its newest revision is the revision of the store. "head" has one row, which each
// commit locks before it compares and writes, and until PostgreSQL has made the commit durable. So revisions are
// ordered and have no gaps, and a reader that sees a revision sees all revisions before it. A commit locks that
// row and does not update it, because each update would leave a row version behind that a long read keeps alive.
//
// Commits of one replica that wait at the same time become one transaction of the database, each with its own
// guards and its own revision. Each commit also has a random mark. When a connection breaks, the engine looks
// for the marks and so learns which commits have happened.
//
// A snapshot holds no connection. It knows its revision, each read says whether a later commit has changed
// what it reads, and then the snapshot is outdated. Later attempts of a transaction hold a REPEATABLE READ
// transaction, if one of the few connections for that purpose is free.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"midas/internal/store"
)

// deadline limits each operation of the engine, whatever its context allows.
const deadline = 5 * time.Second

// Options configure an Engine. The zero value is right for tests.
type Options struct {
	// Log receives warnings about the database and about lost connections; nil discards them.
	Log *slog.Logger
}

// Engine is a store.Engine that other processes write too. Open makes one.
type Engine struct {
	address *address
	pool    *pgxpool.Pool // of commits, of the feed and of the question for the newest revision
	readers *pgxpool.Pool // of snapshots: many and slow ones must not hold up the others
	sql     statements
	log     *slog.Logger
	keep    kept

	heads   prober
	gets    getter
	queue   queue
	own     ownCommits
	news    news
	pinning chan struct{} // a token for each snapshot that may hold a connection
	listens sync.Once
	made    atomic.Bool // the tables exist

	failed   atomic.Pointer[error] // of the last commit
	failures atomic.Uint64

	ctx   context.Context // ends when Close begins
	stop  context.CancelFunc
	tasks sync.WaitGroup // goroutines that use the pool
}

// Open connects to the database that url names. It refuses a database that cannot keep its promises, a schema that
// another program uses, and a user without the rights to create the tables. It writes nothing: the first commit
// creates the tables. The errors are sentences that say what is wrong, without the password of url. Open takes at
// most 10 s.
func Open(ctx context.Context, url string, o Options) (*Engine, error) {
	return open(ctx, url, o, keptByDefault())
}

func open(ctx context.Context, url string, o Options, keep kept) (*Engine, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a, err := parse(url)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*deadline)
	defer cancel()
	made, err := prepare(ctx, a, o.Log)
	if err != nil {
		return nil, explain(a, err)
	}
	e := &Engine{address: a, sql: statementsOf(a.schema), log: o.Log, keep: keep}
	if err := e.connect(ctx); err != nil {
		return nil, explain(a, err)
	}
	e.made.Store(made)
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.heads.read, e.gets.read = e.readHead, e.readKeys
	e.queue.init()
	e.news.init()
	e.tasks.Go(e.commitAll)
	e.tasks.Go(e.trimAll)
	return e, nil
}

// connect makes the pools, which connect when they are used.
func (e *Engine) connect(ctx context.Context) (err error) {
	own, readers := e.address.pools()
	if e.pool, err = pgxpool.NewWithConfig(ctx, own); err != nil {
		return err
	}
	if e.readers, err = pgxpool.NewWithConfig(ctx, readers); err != nil {
		e.pool.Close()
		return err
	}
	e.pinning = make(chan struct{}, readers.MaxConns/2)
	return nil
}

// reset makes all later operations use new connections.
func (e *Engine) reset() {
	e.pool.Reset()
	e.readers.Reset()
}

// Newest implements store.Shared: it returns the revision of the newest commit. Callers that wait for the same
// answer share one query, which begins after their calls.
func (e *Engine) Newest(ctx context.Context) (store.Revision, error) {
	return e.heads.probe(ctx)
}

// readHead queries the newest revision.
func (e *Engine) readHead() (store.Revision, error) {
	var head int64
	var mark *int64
	before := e.news.seen()
	err := e.retry(e.ctx, func(ctx context.Context) error {
		head, mark = 0, nil
		if made, err := e.hasTables(ctx); err != nil || !made {
			return err
		}
		err := e.pool.QueryRow(ctx, e.sql.latest).Scan(&head, &mark)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if store.Revision(head) < before {
		e.own.forget()
	}
	e.news.answer(store.Revision(head), mark, before)
	return store.Revision(head), nil
}

// Snapshot implements store.Engine.
func (e *Engine) Snapshot(ctx context.Context, attempt int) (store.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if attempt >= pinnedAttempt && e.made.Load() {
		if snap, err := e.pinned(ctx); snap != nil || err != nil {
			return snap, err
		}
	}
	head, err := e.Newest(ctx)
	if err != nil {
		return nil, err
	}
	if head == 0 && !e.made.Load() {
		return empty{}, nil
	}
	return &snapshot{engine: e, db: e.readers, revision: head}, nil
}

// SnapshotAt implements store.Pinner, without a query. No other revision than the newest can be read: a read of what
// has changed since returns store.ErrStale, and the transaction runs again.
func (e *Engine) SnapshotAt(ctx context.Context, at store.Revision, attempt int) (store.Snapshot, error) {
	if attempt >= pinnedAttempt {
		return e.Snapshot(ctx, attempt)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &snapshot{engine: e, db: e.readers, revision: at}, nil
}

var (
	_ store.Shared = (*Engine)(nil)
	_ store.Pinner = (*Engine)(nil)
)

// Commit implements store.Engine. If ctx or the engine's deadline ends before the outcome is known, the error is
// store.ErrUnavailable.
func (e *Engine) Commit(ctx context.Context, c store.Commit) (store.Revision, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	p := newPending(ctx, c)
	if !e.queue.add(p) {
		return 0, store.ErrClosed
	}
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case r := <-p.done:
		return r.revision, r.err
	case <-ctx.Done():
		return 0, e.abandon(p, ctx.Err())
	case <-timer.C:
		return 0, e.abandon(p, context.DeadlineExceeded)
	}
}

// abandon ends the wait for a commit.
func (e *Engine) abandon(p *pending, cause error) error {
	if e.queue.remove(p) {
		return fmt.Errorf("%w: PostgreSQL did not take the commit in time: %w", store.ErrUnavailable, cause)
	}
	return fmt.Errorf("%w: PostgreSQL did not confirm the commit in time: %w", store.ErrUnavailable, cause)
}

// Watch implements store.Engine.
func (e *Engine) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		e.listens.Do(func() { e.tasks.Go(e.listen) })
		w := &watch{engine: e, prefix: prefix, at: position{revision: after, index: lastIndex}}
		w.run(ctx, yield)
	}
}

// Failure returns why the last commit has failed, or nil if it has succeeded. The error is syscall.ENOSPC if the
// database has no space.
func (e *Engine) Failure() error {
	if err := e.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Failures returns how many transactions of commits have failed because the database was unavailable.
func (e *Engine) Failures() uint64 { return e.failures.Load() }

// Close implements store.Engine.
func (e *Engine) Close() error {
	e.queue.close()
	e.stop()
	e.tasks.Wait()
	e.pool.Close()
	e.readers.Close()
	return nil
}
