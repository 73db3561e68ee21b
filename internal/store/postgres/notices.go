//go:build cluster

package postgres

import (
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// errNotReplicated is the error of a commit that the primary has, but that no standby has confirmed, although the
// database is configured to wait for one. PostgreSQL reports such a commit as successful, with a warning.
var errNotReplicated = errors.New("no standby has confirmed the commit")

// noticesKey is the key of a connection's flag in its custom data.
const noticesKey = "midas.warned"

// onNotice sets the connection's flag if the server sends a warning.
func onNotice(c *pgconn.PgConn, n *pgconn.Notice) {
	severity := n.SeverityUnlocalized
	if severity == "" {
		severity = n.Severity
	}
	if flag, ok := c.CustomData()[noticesKey].(*atomic.Bool); ok && severity == "WARNING" {
		flag.Store(true)
	}
}

// watchNotices returns a flag that is true as soon as the server has sent a warning on this connection.
func watchNotices(conn *pgxpool.Conn) *atomic.Bool {
	flag := &atomic.Bool{}
	conn.Conn().PgConn().CustomData()[noticesKey] = flag
	return flag
}
