//go:build cluster

package postgres

import (
	"context"
	"time"
)

// OpenKeeping is Open with limits of the feed.
func OpenKeeping(ctx context.Context, url string, rows, bytes int64, every time.Duration) (*Engine, error) {
	return open(ctx, url, Options{}, kept{rows: rows, bytes: bytes, age: time.Hour, every: every})
}
