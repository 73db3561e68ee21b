//go:build cluster

package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"midas/internal/store"
)

// pinnedAttempt is the first attempt of a transaction that may hold a connection: the two before it usually
// succeed with less work.
const pinnedAttempt = 2

// Limits of one page of a scan.
const (
	firstPage = 64      // records
	mostPage  = 1024    // records
	pageBytes = 2 << 20 // the aim, from the mean size of the records before
)

// querier is a pool or a connection.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// snapshot is a store.Snapshot. It reads each page before it yields the first record of the page, so that it
// holds no connection while the caller works.
type snapshot struct {
	engine   *Engine
	db       querier
	revision store.Revision
	conn     *pgxpool.Conn // with a REPEATABLE READ transaction; nil for most snapshots
}

// pinWait is how long a snapshot waits for a connection to hold. The wait must have an end: the connections may be held
// by transactions around this one, which end only after it.
const pinWait = 50 * time.Millisecond

// pinned returns a snapshot that holds a connection, or nil if no connection is free for that.
func (e *Engine) pinned(ctx context.Context) (store.Snapshot, error) {
	timer := time.NewTimer(pinWait)
	defer timer.Stop()
	select {
	case e.pinning <- struct{}{}:
	case <-timer.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s := &snapshot{engine: e}
	err := e.retry(ctx, func(ctx context.Context) error { return s.pin(ctx) })
	if err != nil {
		<-e.pinning
		return nil, err
	}
	return s, nil
}

// pinnedIdle is how long a snapshot may keep PostgreSQL from removing old rows without reading.
const pinnedIdle = "600000" // milliseconds

func (s *snapshot) pin(ctx context.Context) error {
	conn, err := s.engine.readers.Acquire(ctx)
	if err != nil {
		return err
	}
	var head int64
	b := &pgx.Batch{}
	b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	b.Queue(s.engine.sql.settings, milliseconds, pinnedIdle)
	b.Queue(s.engine.sql.newest).QueryRow(func(row pgx.Row) error { return row.Scan(&head) })
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		discard(conn)
		return err
	}
	s.conn, s.db, s.revision = conn, conn, store.Revision(head)
	return nil
}

// discard closes a connection whose state is unknown and gives its place in the pool back.
func discard(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	_ = conn.Conn().Close(ctx)
	conn.Release()
}

func (s *snapshot) Revision() store.Revision { return s.revision }

// Settle implements store.Snapshot: PostgreSQL shows durable commits only.
func (s *snapshot) Settle(context.Context) error { return nil }

func (s *snapshot) Close() {
	if s.conn == nil {
		return
	}
	conn := s.conn
	s.conn = nil
	s.engine.tasks.Go(func() {
		defer func() { <-s.engine.pinning }()
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
			discard(conn)
			return
		}
		conn.Release()
	})
}

// read runs a query of this snapshot and its function for each row.
func (s *snapshot) read(ctx context.Context, each func(pgx.Rows) error, sql string, args ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	query := func(ctx context.Context) error {
		rows, err := s.db.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := each(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	if s.conn == nil {
		return s.engine.retry(ctx, query)
	}
	limited, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	err := query(limited)
	if err != nil && (s.conn.Conn().IsClosed() || broken(err)) && ctx.Err() == nil && limited.Err() == nil {
		return fmt.Errorf("%w: %w", store.ErrStale, err) // a new snapshot finds out whether the database is there
	}
	return s.engine.readFailed(ctx, err)
}

// see checks the newest revision at the time of a read.
func (s *snapshot) see(newest int64) error {
	head := store.Revision(newest)
	s.engine.news.observe(head)
	if head < s.revision { // the database was replaced by one that lacks commits
		return store.ErrStale
	}
	return nil
}

func (s *snapshot) Get(ctx context.Context, key string) (store.Record, error) {
	if err := ctx.Err(); err != nil {
		return store.Record{}, err
	}
	g, err := s.get(ctx, key)
	if err != nil {
		return store.Record{}, err
	}
	if err := s.see(g.newest); err != nil {
		return store.Record{}, err
	}
	return g.record()
}

// get reads a key on the snapshot's own connection, or else shares a query with others.
func (s *snapshot) get(ctx context.Context, key string) (*get, error) {
	if s.conn == nil {
		return s.engine.gets.get(ctx, key, s.revision)
	}
	g, k := &get{key: key, at: s.revision}, columns(key)
	var place int64
	each := func(rows pgx.Rows) error {
		return rows.Scan(&place, &g.newest, &g.oldest, &g.value, &g.revision, &g.changed)
	}
	err := s.read(ctx, each, s.engine.sql.get, int64(s.revision), [][]byte{[]byte(key)}, [][]byte{k.key}, [][]byte{k.digest})
	return g, err
}

func (s *snapshot) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		left, size := intervalOf(r), firstPage
		for yielded := 0; !left.empty(); {
			if r.Limit > 0 {
				size = min(size, r.Limit-yielded)
			}
			records, err := s.page(ctx, left, r.Reverse, size)
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for _, rec := range records {
				if err := ctx.Err(); err != nil {
					yield(store.Record{}, err)
					return
				}
				if !yield(rec, nil) {
					return
				}
			}
			yielded += len(records)
			if len(records) < size || yielded == r.Limit {
				return
			}
			last := records[len(records)-1].Key
			if r.Reverse {
				left = left.before(last)
			} else {
				left = left.after(last)
			}
			size = nextPage(records)
		}
	}
}

// nextPage returns the number of records of the page after this one.
func nextPage(page []store.Record) int {
	bytes := 1
	for _, rec := range page {
		bytes += len(rec.Key) + len(rec.Value)
	}
	return min(max(1, pageBytes*len(page)/bytes), mostPage)
}

// page reads the first records of an interval.
func (s *snapshot) page(ctx context.Context, i interval, reverse bool, size int) ([]store.Record, error) {
	var records []store.Record
	var newest int64
	stale := false
	each := func(rows pgx.Rows) error {
		var changed bool
		var key, rest, value []byte
		var revision *int64
		if err := rows.Scan(&newest, &changed, &key, &rest, &value, &revision); err != nil {
			return err
		}
		stale = stale || changed
		if revision == nil { // the page is empty
			return nil
		}
		rec := store.Record{Key: string(key) + string(rest), Value: value, Revision: store.Revision(*revision)}
		stale = stale || rec.Revision > s.revision
		records = append(records, rec)
		return nil
	}
	sql := s.engine.sql.scan
	if reverse {
		sql = s.engine.sql.scanReverse
	}
	from, to := columns(i.from), i.upper()
	err := s.read(ctx, each, sql, from.key, from.rest, to.key, to.rest, int64(size), int64(s.revision),
		[]byte(i.from), append(to.key[:len(to.key):len(to.key)], to.rest...))
	if err != nil {
		return nil, err
	}
	if err := s.see(newest); err != nil {
		return nil, err
	}
	if stale {
		return nil, store.ErrStale
	}
	return records, nil
}

var _ store.Snapshot = (*snapshot)(nil)

// readAttempts is how often retry runs a read. Several sessions may end one after the other.
const readAttempts = 5

// retry runs a read under the engine's deadline, and again if a connection was broken before.
func (e *Engine) retry(ctx context.Context, read func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	err := read(limited)
	for attempt := 1; attempt < readAttempts && err != nil && limited.Err() == nil && (broken(err) || e.adapt(err)); attempt++ {
		e.reset()
		err = read(limited)
	}
	return e.readFailed(ctx, err)
}

// readFailed makes the error of a read into one of the store's errors. ctx is the context of the caller.
func (e *Engine) readFailed(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrStale):
		return err
	case e.ctx.Err() != nil && ctx.Err() != nil:
		return store.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case serialization(err):
		return fmt.Errorf("%w: %w", store.ErrStale, err)
	case broken(err), errors.Is(err, context.DeadlineExceeded):
		e.reset()
	}
	return fmt.Errorf("%w: read PostgreSQL %s: %w", store.ErrUnavailable, e.address, explain(e.address, err))
}
