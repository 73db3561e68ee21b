//go:build cluster

package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"midas/internal/store"
)

const (
	pollInterval = 250 * time.Millisecond // of a watch that no notification wakes, because of a pooler for example
	lastIndex    = math.MaxInt32          // greater than the index of each change
	firstFeed    = 64                     // changes of the first query
	mostFeed     = 512
)

// position is a place in the feed: after the change with this index of this revision.
type position struct {
	revision store.Revision
	index    int32
	mark     *int64 // of the revision's commit; nil if no change of it was read
}

// watch reads the feed for one consumer.
type watch struct {
	engine *Engine
	prefix string
	at     position
}

// entry is one change with its position.
type entry struct {
	position
	last  bool // of the revision
	key   string
	value []byte
}

// run yields changes until ctx or the engine ends, the consumer stops or the feed fails. A connection that breaks does
// not end it.
func (w *watch) run(ctx context.Context, yield func(store.Change, error) bool) {
	size := firstFeed
	for first := true; ; first = false {
		more := w.engine.news.next()
		entries, err := w.read(ctx, size)
		switch {
		case ctx.Err() != nil:
			return
		case w.engine.ctx.Err() != nil:
			yield(store.Change{}, store.ErrClosed)
			return
		case err == store.ErrCompacted, err != nil && first:
			yield(store.Change{}, err)
			return
		}
		if !w.yield(entries, yield) {
			return
		}
		if len(entries) == size {
			size = nextFeed(entries)
			continue
		}
		if !w.wait(ctx, more) {
			continue // the loop ends, because one of the contexts has ended
		}
	}
}

// wait returns false if a context has ended.
func (w *watch) wait(ctx context.Context, more <-chan struct{}) bool {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	select {
	case <-more:
	case <-timer.C:
	case <-ctx.Done():
		return false
	case <-w.engine.ctx.Done():
		return false
	}
	return true
}

func (w *watch) yield(entries []entry, yield func(store.Change, error) bool) bool {
	for _, e := range entries {
		w.at = e.position
		if !strings.HasPrefix(e.key, w.prefix) {
			continue
		}
		change := store.Change{Revision: e.revision, Key: e.key, Value: e.value, Deleted: e.value == nil}
		change.Last = e.last && w.prefix == ""
		if !yield(change, nil) {
			return false
		}
	}
	return true
}

// nextFeed returns the number of changes of the query after this one.
func nextFeed(entries []entry) int {
	bytes := 1
	for _, e := range entries {
		bytes += len(e.key) + len(e.value)
	}
	return min(max(1, pageBytes*len(entries)/bytes), mostFeed)
}

// read returns the next changes. The error is store.ErrCompacted if the feed does not reach back to w.at, or if the
// database does not have the commit that the watch has read last: a standby that took over may lack it.
func (w *watch) read(ctx context.Context, size int) ([]entry, error) {
	var entries []entry
	var oldest, newest int64
	var mark *int64
	made := true
	query := func(ctx context.Context) (err error) {
		if made, err = w.engine.hasTables(ctx); err != nil || !made {
			return err
		}
		entries, oldest, newest, mark = nil, math.MaxInt64, 0, nil
		rows, err := w.engine.pool.Query(ctx, w.engine.sql.feed, int64(w.at.revision), w.at.index, int64(size))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var revision *int64
			var index *int32
			var e entry
			var key []byte
			var last *bool
			if err := rows.Scan(&oldest, &newest, &mark, &revision, &index, &e.mark, &last, &key, &e.value); err != nil {
				return err
			}
			if revision != nil {
				e.revision, e.index, e.last, e.key = store.Revision(*revision), *index, *last, string(key)
				entries = append(entries, e)
			}
		}
		return rows.Err()
	}
	if err := w.engine.retry(ctx, query); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	at := w.at.revision
	switch {
	case !made && at == 0:
		return nil, nil
	case !made, store.Revision(oldest) > at, store.Revision(newest) < at,
		w.at.mark != nil && (mark == nil || *mark != *w.at.mark):
		return nil, store.ErrCompacted
	}
	if w.at.mark == nil {
		w.at.mark = mark
	}
	return entries, nil
}

// listen wakes the watches at each notification, until the engine is closed.
func (e *Engine) listen() {
	for e.ctx.Err() == nil {
		e.listenOnce()
		select {
		case <-e.ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// listenOnce listens on one connection until it breaks. Errors need no report: the watches also poll, and their
// queries find out that the database is not there.
func (e *Engine) listenOnce() {
	ctx, cancel := context.WithTimeout(e.ctx, deadline)
	defer cancel()
	config := e.address.pool.ConnConfig.Copy()
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler { // there is no query to cancel
		return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+quote(e.sql.channel)); err != nil {
		return
	}
	for {
		e.news.wake() // commits before LISTEN have sent no notification here
		if err := e.notified(conn); err != nil {
			return
		}
	}
}

// listenCheck is how long a listening connection may be silent before a query checks that it still works.
const listenCheck = 30 * time.Second

func (e *Engine) notified(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(e.ctx, listenCheck)
	defer cancel()
	_, err := conn.WaitForNotification(ctx)
	if err == nil || e.ctx.Err() != nil || conn.IsClosed() {
		return err
	}
	check, cancel := context.WithTimeout(e.ctx, deadline)
	defer cancel()
	return conn.Ping(check)
}
