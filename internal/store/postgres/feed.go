//go:build cluster

package postgres

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"midas/internal/store"
)

const (
	// pollInterval is the time between two queries of a watch that no notification wakes, because of a pooler for
	// example. A query for the newest revision, as a store.Follower makes several in that time, takes their place.
	pollInterval = 300 * time.Millisecond
	lastIndex    = math.MaxInt32 // greater than the index of each change
	firstFeed    = 64            // changes of the first query
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
	whole  bool   // "at" is the end of its revision
	size   int    // changes of the next query
	full   bool   // the last query had as many changes as it may have
	wakes  uint64 // of news, before the last query
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
	w.size, w.full, w.whole = firstFeed, true, true
	for first := true; ; first = false {
		entries, err := w.next(ctx)
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
	}
}

// next waits for the next changes. Those of this process need no query.
func (w *watch) next(ctx context.Context) ([]entry, error) {
	for !w.full {
		known := w.engine.news.now()
		if w.whole {
			if entries := w.engine.own.after(w.at.revision); len(entries) > 0 {
				return entries, nil
			}
		}
		if w.isDue(known) || !w.wait(ctx, known) {
			break
		}
	}
	w.wakes = w.engine.news.now().wakes
	entries, err := w.read(ctx, w.size)
	if w.full = len(entries) == w.size; w.full {
		w.size = nextFeed(entries)
	}
	return entries, err
}

// isDue reports whether a query may find changes, because of what became known after the last query.
func (w *watch) isDue(known state) bool {
	return known.wakes != w.wakes && (known.newest != w.at.revision || known.checked.IsZero() || differ(known.mark, w.at.mark))
}

// wait waits until more is known. It returns false if a query must find out, because nobody has asked the database for
// a while, or because a context has ended.
func (w *watch) wait(ctx context.Context, known state) bool {
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	select {
	case <-known.more:
		return true
	case <-timer.C:
		now := w.engine.news.now()
		return now.newest == w.at.revision && !differ(now.mark, w.at.mark) && time.Since(now.checked) < pollInterval
	case <-ctx.Done():
	case <-w.engine.ctx.Done():
	}
	return false
}

func (w *watch) yield(entries []entry, yield func(store.Change, error) bool) bool {
	for _, e := range entries {
		w.at, w.whole = e.position, e.last
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
		w.engine.own.forget()
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
	e.news.wake() // commits before LISTEN have sent no notification here
	for {
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
	note, err := conn.WaitForNotification(ctx)
	if err == nil {
		e.announce(note.Payload)
		return nil
	}
	if e.ctx.Err() != nil || conn.IsClosed() {
		return err
	}
	check, cancel := context.WithTimeout(e.ctx, deadline)
	defer cancel()
	return conn.Ping(check)
}

// announce wakes the watches because of a notification. Its payload is the newest revision; earlier releases of Midas,
// on the same database, send none.
func (e *Engine) announce(payload string) {
	rev, err := strconv.ParseUint(payload, 10, 63)
	if err != nil {
		e.news.wake()
		return
	}
	e.news.observe(store.Revision(rev))
}
