//go:build cluster

package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"midas/internal/store"
)

// kept limits the feed. A consumer that is further behind gets store.ErrCompacted and reads the whole store again.
type kept struct {
	rows, bytes int64
	age         time.Duration
	every       time.Duration // the time between two checks of the limits
}

func keptByDefault() kept {
	return kept{rows: 50_000, bytes: 64 << 20, age: time.Hour, every: 10 * time.Second}
}

// trimAll keeps the feed within its limits, and finds out when a database that has refused commits takes them
// again, until the engine is closed.
func (e *Engine) trimAll() {
	tick := time.NewTicker(e.keep.every)
	defer tick.Stop()
	for trimmed := store.Revision(0); ; {
		select {
		case <-e.ctx.Done():
			return
		case <-tick.C:
		}
		if e.Failure() != nil {
			e.recheck()
			continue
		}
		head := e.news.seen()
		if head == trimmed {
			continue
		}
		if err := e.trim(); err != nil {
			if e.ctx.Err() == nil {
				e.log.Warn("PostgreSQL: cannot remove old changes", "error", explain(e.address, err))
			}
			continue
		}
		trimmed = head
	}
}

// trim removes the changes that the limits exclude. One replica does so at a time. The new lower end is committed
// first, because a reader must never miss a change below the end that it has seen.
func (e *Engine) trim() error {
	ctx, cancel := context.WithTimeout(e.ctx, time.Minute)
	defer cancel()
	err := pgx.BeginTxFunc(ctx, e.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		var mine bool
		if err := tx.QueryRow(ctx, e.sql.claimTrim, e.sql.channel).Scan(&mine); err != nil || !mine {
			return err
		}
		var surplus int64
		if err := tx.QueryRow(ctx, e.sql.surplus, e.keep.rows, e.keep.bytes, e.keep.age.Seconds()).Scan(&surplus); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, e.sql.trim, surplus)
		return err
	})
	if err != nil {
		return fmt.Errorf("set the oldest change: %w", err)
	}
	if _, err := e.pool.Exec(ctx, e.sql.removeChanges); err != nil {
		return fmt.Errorf("delete the changes before it: %w", err)
	}
	return nil
}

// recheck forgets the failure of the last commit if the database takes writes again.
func (e *Engine) recheck() {
	ctx, cancel := context.WithTimeout(e.ctx, deadline)
	defer cancel()
	before := e.failed.Load()
	if err := e.touch(ctx); err == nil && e.failed.CompareAndSwap(before, nil) {
		e.log.Info("PostgreSQL takes commits again")
	}
}
