//go:build cluster

package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Parameters of the URL that Midas reads itself. All others are those of libpq and of pgx.
const (
	schemaParameter = "midas_schema"       // the schema of the tables; "midas" if it is missing
	unsafeParameter = "midas_allow_unsafe" // "true" allows a server that a power loss can damage
)

const (
	defaultSchema      = "midas"
	defaultConnections = 10
	fewestConnections  = 3               // one for a snapshot that holds it, one for the other reads, one for everything else
	mostOwn            = 3               // connections for commits, the feed and the question for the newest revision
	connectTimeout     = 2 * time.Second // for each host
	cancelDelay        = 300 * time.Millisecond
)

// address is a parsed store URL.
type address struct {
	schema      string
	allowUnsafe bool
	pool        *pgxpool.Config
	unprepared  atomic.Bool // new sessions prepare no statements, because a pooler does not keep them
}

// Check returns an error for a URL that no Engine can have. It connects to nothing.
func Check(url string) error {
	_, err := parse(url)
	return err
}

// schemaName leaves space for the prefix of the channel's name in PostgreSQL's 63 bytes.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,55}$`)

var (
	errURL     = errors.New("the store's URL is not of the form postgres://user:password@host1,host2/database?sslmode=verify-full")
	errEscapes = errors.New("in the user and the password, write the characters / ? # @ : % as %2F %3F %23 %40 %3A %25")
)

// parse reads a URL. Its errors do not repeat the URL, which has a password.
func parse(text string) (*address, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme != "postgres" && scheme != "postgresql" {
		return nil, errURL
	}
	rest, query, _ := strings.Cut(rest, "?")
	if hasBareCharacters(rest, query) {
		return nil, errEscapes
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("%w: its query is malformed", errURL)
	}
	a := &address{schema: defaultSchema}
	if params.Has(schemaParameter) {
		a.schema = params.Get(schemaParameter)
	}
	if !schemaName.MatchString(a.schema) || strings.HasPrefix(a.schema, "pg_") {
		return nil, fmt.Errorf("%s=%q: a name has up to 56 small letters, digits and underscores, and does not begin with pg_", schemaParameter, a.schema)
	}
	if a.allowUnsafe, err = flag(params, unsafeParameter); err != nil {
		return nil, err
	}
	params.Del(schemaParameter)
	params.Del(unsafeParameter)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if strings.HasPrefix(name, "midas_") {
			return nil, fmt.Errorf("%q is not a parameter: those of Midas are %s and %s", name, schemaParameter, unsafeParameter)
		}
	}
	if err := checkSession(params); err != nil {
		return nil, err
	}
	if !params.Has("passfile") && os.Getenv("PGPASSFILE") == "" {
		params.Set("passfile", os.DevNull) // the file in the home folder of whoever starts the server is no configuration
	}
	a.pool, err = pgxpool.ParseConfig(scheme + "://" + rest + "?" + params.Encode())
	if err != nil {
		return nil, withoutURL(err)
	}
	if a.database() == "" {
		return nil, fmt.Errorf("%w: the path does not name the database", errURL)
	}
	a.configure(params)
	return a, nil
}

// hasBareCharacters reports whether the user or the password has characters that divide URLs. A part of the password
// would become the name of a host, which logs and errors show.
func hasBareCharacters(rest, query string) bool {
	authority, path, hasPath := strings.Cut(rest, "/")
	return strings.Count(authority, "@") > 1 || strings.Contains(path, "@") || strings.Contains(rest, "#") || !hasPath && strings.Contains(query, "@")
}

// withoutURL returns the reason of a parse error without the URL.
func withoutURL(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		return errURL // the error's text may have parts of the password
	}
	if cause := errors.Unwrap(err); cause != nil {
		var path *os.PathError
		if errors.As(cause, &path) {
			return fmt.Errorf("%w: %w", errURL, path)
		}
	}
	_, reason, found := strings.Cut(err.Error(), "`: ")
	if !found {
		return errURL
	}
	return fmt.Errorf("%w: %s", errURL, reason)
}

func flag(params url.Values, name string) (bool, error) {
	if !params.Has(name) {
		return false, nil
	}
	value, err := strconv.ParseBool(params.Get(name))
	if err != nil {
		return false, fmt.Errorf("%s=%q is neither true nor false", name, params.Get(name))
	}
	return value, nil
}

// checkSession makes all sessions those of the primary, which alone takes writes.
func checkSession(params url.Values) error {
	switch session := params.Get("target_session_attrs"); session {
	case "", "any":
		params.Set("target_session_attrs", "read-write")
	case "read-write", "primary":
	default:
		return fmt.Errorf("target_session_attrs=%q: a replica needs read-write", session)
	}
	return nil
}

func (a *address) configure(params url.Values) {
	c := a.pool.ConnConfig
	if !params.Has("pool_max_conns") {
		a.pool.MaxConns = defaultConnections
	}
	a.pool.MaxConns = max(a.pool.MaxConns, fewestConnections)
	if !params.Has("connect_timeout") && os.Getenv("PGCONNECT_TIMEOUT") == "" {
		c.ConnectTimeout = connectTimeout
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "midas"
	}
	c.OnNotice = onNotice
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		// A request to cancel that is given up early, because the statement has ended meanwhile, crashes pgbouncer 1.18.
		// Most statements end within the delay and need none.
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, CancelRequestDelay: cancelDelay, DeadlineDelay: time.Second}
	}
	a.pool.AfterConnect = plan
	a.pool.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if a.unprepared.Load() {
			c.DefaultQueryExecMode = pgx.QueryExecModeExec
		}
		return nil
	}
}

// pools returns the configurations of two pools, which together have as many connections as the URL says: one for
// commits, the feed and the question for the newest revision, and one for the reads of snapshots.
func (a *address) pools() (own, readers *pgxpool.Config) {
	own, readers = a.pool.Copy(), a.pool.Copy()
	own.MaxConns = min(mostOwn, a.pool.MaxConns-fewestConnections+1)
	readers.MaxConns = a.pool.MaxConns - own.MaxConns
	own.MinConns, own.MinIdleConns = min(own.MinConns, own.MaxConns), min(own.MinIdleConns, own.MaxConns)
	readers.MinConns, readers.MinIdleConns = min(readers.MinConns, readers.MaxConns), min(readers.MinIdleConns, readers.MaxConns)
	return own, readers
}

// plan sets how PostgreSQL plans the statements of a session. Each has one good plan, through the indexes, but a table
// that grows fast has statistics from when it was empty. A session without the settings, behind a pooler, is only slower.
func plan(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
		set_config('enable_sort', 'off', false), set_config('jit', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false)`)
	return err
}

func (a *address) database() string { return a.pool.ConnConfig.Database }

func (a *address) user() string { return a.pool.ConnConfig.User }

// String returns the address without the password.
func (a *address) String() string {
	c := a.pool.ConnConfig
	hosts := []string{hostPort(c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		if h := hostPort(f.Host, f.Port); h != hosts[len(hosts)-1] { // a host has one entry with and one without TLS
			hosts = append(hosts, h)
		}
	}
	return fmt.Sprintf("%s/%s, schema %s", strings.Join(hosts, ","), c.Database, a.schema)
}

func hostPort(host string, port uint16) string { return fmt.Sprintf("%s:%d", host, port) }
