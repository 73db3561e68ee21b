//go:build cluster

package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// OpenKeeping is Open with limits of the feed.
func OpenKeeping(ctx context.Context, url string, rows, bytes int64, every time.Duration) (*Engine, error) {
	return open(ctx, url, Options{}, kept{rows: rows, bytes: bytes, age: time.Hour, every: every})
}

// HoldLock begins a transaction of commits and stops before its end, as a process does that is paused. The returned
// function gives the connection back.
func (e *Engine) HoldLock(t testing.TB) func() {
	t.Helper()
	conn, err := e.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := &pgx.Batch{}
	e.begin(b)
	if err := conn.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
	return func() { discard(conn) }
}
