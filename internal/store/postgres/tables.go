//go:build cluster

package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// hasTables reports whether the tables exist. The first commit creates them, so that a start that is refused, or a
// command that only reads, leaves a wrong database as it is.
func (e *Engine) hasTables(ctx context.Context) (bool, error) {
	if e.made.Load() {
		return true, nil
	}
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release(conn)
	found, err := checkTables(ctx, conn, e.address)
	if found {
		e.made.Store(true)
	}
	return found, err
}

// makeTables creates the tables if they are missing.
func (e *Engine) makeTables(ctx context.Context, conn *pgxpool.Conn) error {
	if e.made.Load() {
		return nil
	}
	if err := createTables(ctx, conn.Conn(), e.address); err != nil {
		return err
	}
	e.made.Store(true)
	return nil
}

// touch writes something that changes nothing, and so shows that the database takes commits.
func (e *Engine) touch(ctx context.Context) error {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer release(conn)
	if err := e.makeTables(ctx, conn); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, e.sql.touch)
	return err
}

// adapt makes new sessions prepare no statements, if err shows that a pooler does not keep them, and reports whether
// it does. The server has then refused the statement, so nothing has happened.
func (e *Engine) adapt(err error) bool {
	if c := code(err); c != "26000" && c != "42P05" {
		return false
	}
	if !e.address.unprepared.Swap(true) {
		e.log.Info("PostgreSQL: a pooler does not keep prepared statements, so Midas no longer prepares any", "store", e.address.String())
	}
	return true
}
