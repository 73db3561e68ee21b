//go:build cluster

package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// oldestServer is the oldest PostgreSQL whose planner sorts a page of keys from its index (incremental sort).
const oldestServer = 130000

// errForeign is the error of a schema that another program uses.
var errForeign = errors.New("the schema has tables that are not those of Midas; name another one with midas_schema=")

// rower is a connection or a transaction.
type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// prepare checks the server, and reports whether the tables exist. If they do not, it checks that the user may create
// them. It does so in a transaction, because some poolers allow none.
func prepare(ctx context.Context, a *address, log *slog.Logger) (made bool, err error) {
	config := a.pool.ConnConfig.Copy()
	if config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement { // a statement would stay in a pooler's session
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, readOnly(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := checkServer(ctx, tx, a, log); err != nil {
			return err
		}
		if made, err = checkTables(ctx, tx, a); err != nil || made {
			return err
		}
		return checkRights(ctx, tx, a)
	})
	return made, err
}

// checkRights checks that the user may create the schema, or the tables in an empty one.
func checkRights(ctx context.Context, tx pgx.Tx, a *address) error {
	exists, err := hasSchema(ctx, tx, a)
	if err != nil {
		return err
	}
	query := "SELECT has_database_privilege(current_database(), 'CREATE') OR $1 = ''"
	if exists {
		query = "SELECT has_schema_privilege($1, 'CREATE, USAGE')"
	}
	var may bool
	if err := tx.QueryRow(ctx, query, a.schema).Scan(&may); err != nil {
		return fmt.Errorf("read the rights of the user: %w", err)
	}
	if !may {
		return errors.New(rights(a))
	}
	return nil
}

func hasSchema(ctx context.Context, db rower, a *address) (exists bool, err error) {
	if err := db.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)", a.schema).Scan(&exists); err != nil {
		return false, fmt.Errorf("look for the schema: %w", err)
	}
	return exists, nil
}

// readOnly explains why no host of the URL has a session that takes writes.
func readOnly(err error) error {
	if strings.Contains(err.Error(), "read only connection") {
		return fmt.Errorf("no host of the URL takes writes: a host is a standby, or default_transaction_read_only is on for this user: %w", err)
	}
	return err
}

// server has the properties of a server and its session that Midas depends on.
type server struct {
	version          int
	fsync, fullPages string
	commit, standbys string
}

func checkServer(ctx context.Context, tx pgx.Tx, a *address, log *slog.Logger) error {
	var s server
	err := tx.QueryRow(ctx, `SELECT current_setting('server_version_num')::integer, current_setting('fsync'),
		current_setting('full_page_writes'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names')`).
		Scan(&s.version, &s.fsync, &s.fullPages, &s.commit, &s.standbys)
	if err != nil {
		return fmt.Errorf("read the server's settings: %w", err)
	}
	if s.version < oldestServer {
		return fmt.Errorf("the server is PostgreSQL %d, and Midas needs 13 or later", s.version/10000)
	}
	if (s.fsync != "on" || s.fullPages != "on") && !a.allowUnsafe {
		return fmt.Errorf("the server has fsync=%s and full_page_writes=%s, so that a power loss destroys acknowledged writes; "+
			"turn both on, or accept that with %s=true in the URL", s.fsync, s.fullPages, unsafeParameter)
	}
	for _, warning := range s.warnings(tx.Conn(), a) {
		log.Warn("PostgreSQL: "+warning, "store", a.String())
	}
	return nil
}

// warnings describes what an operator may not know.
func (s server) warnings(conn *pgx.Conn, a *address) []string {
	var all []string
	if s.fsync != "on" || s.fullPages != "on" {
		all = append(all, "a power loss can destroy acknowledged writes, because fsync or full_page_writes is off")
	}
	if s.commit == "off" {
		all = append(all, "synchronous_commit is off; commits of Midas wait for the disk nevertheless")
	}
	several := strings.Contains(strings.SplitN(a.String(), "/", 2)[0], ",")
	switch {
	case several && s.standbys == "":
		all = append(all, "synchronous_standby_names is empty, so a standby that takes over can lack acknowledged writes")
	case s.standbys != "" && s.commit == "local":
		all = append(all, "synchronous_commit is local, so a standby that takes over can lack acknowledged writes")
	}
	if _, encrypted := conn.PgConn().Conn().(*tls.Conn); !encrypted && !sameMachine(conn.PgConn().Conn().RemoteAddr()) {
		all = append(all, "the connection is not encrypted; add sslmode=verify-full to the URL")
	}
	return all
}

func sameMachine(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// checkTables reports whether the schema has the tables of Midas. It refuses the tables of another program and those
// of a newer Midas.
func checkTables(ctx context.Context, db rower, a *address) (ready bool, err error) {
	var tables, own int
	err = db.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE c.relname IN ('head', 'kv', 'changes'))
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`, a.schema).Scan(&tables, &own)
	if err != nil {
		return false, fmt.Errorf("look for the schema %s: %w", a.schema, err)
	}
	if tables == 0 {
		return false, nil
	}
	if own < 3 {
		return false, fmt.Errorf("schema %s: %w", a.schema, errForeign)
	}
	var program string
	var found int
	err = db.QueryRow(ctx, "SELECT program, layout FROM "+quote(a.schema)+".head WHERE one").Scan(&program, &found)
	switch c := code(err); {
	case c == "42703", errors.Is(err, pgx.ErrNoRows), err == nil && program != "midas":
		return false, fmt.Errorf("schema %s: %w", a.schema, errForeign)
	case err != nil:
		return false, fmt.Errorf("read the schema %s: %w", a.schema, err)
	case found > layout:
		return false, fmt.Errorf("schema %s has version %d of the tables, of a newer Midas; this one knows versions up to %d", a.schema, found, layout)
	}
	return true, nil
}

// createTables makes the schema and its tables in one transaction. Replicas that start at the same time wait for each
// other.
func createTables(ctx context.Context, conn *pgx.Conn, a *address) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "midas."+a.schema); err != nil {
			return fmt.Errorf("wait for other replicas that start: %w", err)
		}
		if ready, err := checkTables(ctx, conn, a); err != nil || ready {
			return err
		}
		if _, err := tx.Exec(ctx, settingsSQL, milliseconds, commitIdle); err != nil {
			return fmt.Errorf("create the tables: %w", err)
		}
		exists, err := hasSchema(ctx, tx, a)
		if err != nil {
			return err
		}
		create := strings.NewReplacer("{s}", quote(a.schema), "{layout}", fmt.Sprint(layout)).Replace(tablesSQL)
		if !exists {
			create = "CREATE SCHEMA " + quote(a.schema) + ";\n" + create
		}
		for statement := range strings.SplitSeq(create, ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("create the tables: %w", err)
			}
		}
		return nil
	})
}
