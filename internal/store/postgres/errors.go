//go:build cluster

package postgres

import (
	"errors"
	"fmt"
	"slices"
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

// explained is an error with a sentence for the administrator of the database. Its text is one line.
type explained struct {
	advice string // may be empty
	err    error
}

func (e explained) Error() string {
	if e.advice == "" {
		return cause(e.err)
	}
	return e.advice + ": " + cause(e.err)
}

func (e explained) Unwrap() error { return e.err }

// cause returns the text of an error without what pgx adds to it for connections: the user, line ends, and the same
// reason once for each address and each kind of encryption.
func cause(err error) string {
	text := err.Error()
	if before, after, found := strings.Cut(text, "failed to connect to `"); found {
		if _, reasons, found := strings.Cut(after, "`:"); found {
			text = before + reasons
		}
	}
	var reasons []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(reasons, line) {
			reasons = append(reasons, line)
		}
	}
	return strings.Join(reasons, "; ")
}

// explain adds a sentence that says what the administrator of the database can do.
func explain(a *address, err error) error {
	if code(err) == "53100" {
		return fmt.Errorf("the database has no space left on its disk: %w: %w", syscall.ENOSPC, err)
	}
	return explained{advice: advice(a, err), err: err}
}

// advice follows from the SQLSTATEs in appendix A of PostgreSQL's documentation.
func advice(a *address, err error) string {
	if strings.Contains(err.Error(), "statement pooling mode") {
		return "the pooler in front of the database must have pool_mode=session or transaction"
	}
	switch code(err) {
	case "28P01", "28000":
		return "the database refuses the user or its password; check them in the store's URL, and pg_hba.conf"
	case "3D000":
		return fmt.Sprintf("the database does not exist; the last part of the URL's path names it: CREATE DATABASE %s", quote(a.database()))
	case "3F000", "42501":
		return rights(a)
	case "42704":
		return "the server does not know a parameter of the URL"
	case "53300":
		return "the database has too many connections; raise its max_connections or lower pool_max_conns in the store's URL"
	case "25006":
		return "the database is read-only; a replica needs the primary"
	case "57P03":
		return "the database starts, stops or recovers"
	case "55P03":
		return "another replica's commit takes too long"
	case "57014":
		return "the database did not finish in time; if it waits for a standby, check synchronous_standby_names"
	case "26000", "42P05":
		return "a connection pooler does not keep prepared statements; add default_query_exec_mode=exec to the store's URL"
	case "42P01", "42703":
		return fmt.Sprintf("the schema %s has not the tables of Midas", quote(a.schema))
	case "":
		return connection(err.Error())
	}
	return ""
}

// rights says which rights the user needs.
func rights(a *address) string {
	return fmt.Sprintf("the user lacks rights: GRANT CONNECT, CREATE ON DATABASE %s TO %s, and the tables in the schema %s must belong to it",
		quote(a.database()), quote(a.user()), quote(a.schema))
}

// connection explains why there is no connection, from the text of the error.
func connection(text string) string {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
	}
	switch {
	case has("server refused TLS"):
		return "the server has no TLS, which sslmode in the store's URL demands"
	case has("x509: ", "tls: ", "tls error"):
		return "no secure connection to the database; check sslmode, sslrootcert, sslcert and sslkey in the store's URL"
	case has("no such host"):
		return "a host of the store's URL does not exist"
	case has("connection refused", "timeout", "deadline exceeded", "unreachable", "no route to host", "connection reset", "EOF"):
		return "the database does not answer"
	}
	return ""
}
