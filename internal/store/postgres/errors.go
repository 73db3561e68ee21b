//go:build cluster

package postgres

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// code returns the SQLSTATE of an error, or "" if the error is not from the server.
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// serialization reports whether the server has asked for another attempt of the transaction.
func serialization(err error) bool {
	return code(err) == "40001" || code(err) == "40P01"
}

// broken reports whether err means that another connection may work: the connection broke, or the server ends or
// is no longer the primary.
func broken(err error) bool {
	switch c := code(err); c {
	case "":
		return true
	case "25006", "57P01", "57P02", "57P03", "57P05":
		return true
	default:
		return strings.HasPrefix(c, "08")
	}
}

// explain adds a sentence that says what the administrator of the database can do. The sentences follow from the
// SQLSTATEs in appendix A of PostgreSQL's documentation.
func explain(a *address, err error) error {
	var advice string
	switch c := code(err); c {
	case "28P01", "28000":
		advice = "the database refuses the user or its password; check them in the store's URL, and pg_hba.conf"
	case "3D000":
		advice = fmt.Sprintf("the database does not exist; the last part of the URL's path names it: CREATE DATABASE %s", quote(a.database()))
	case "3F000", "42501":
		advice = fmt.Sprintf("the user lacks rights: GRANT CONNECT, CREATE ON DATABASE %s TO %s, and the tables in the schema %s must belong to it",
			quote(a.database()), quote(a.user()), quote(a.schema))
	case "53100":
		return fmt.Errorf("the database has no space left on its disk: %w: %w", syscall.ENOSPC, err)
	case "53300":
		advice = "the database has too many connections; raise its max_connections or lower pool_max_conns in the store's URL"
	case "25006":
		advice = "the database is read-only; a replica needs the primary"
	case "57P03":
		advice = "the database starts, stops or recovers"
	case "55P03":
		advice = "another replica's commit takes too long"
	case "57014":
		advice = "the database did not finish in time; if it waits for a standby, check synchronous_standby_names"
	case "26000", "42P05":
		advice = "a connection pooler does not keep prepared statements; add default_query_exec_mode=exec to the store's URL"
	case "42P01", "42703":
		advice = fmt.Sprintf("the schema %s has not the tables of Midas", quote(a.schema))
	default:
		return err
	}
	return fmt.Errorf("%s: %w", advice, err)
}
