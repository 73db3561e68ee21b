//go:build e2e && cluster

package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"midas/internal/store"
	"midas/internal/store/postgres"
	"midas/internal/store/servertest"
	"midas/internal/store/storetest"
)

// refused opens a store and returns the error, which must contain want and no password.
func refused(t *testing.T, url, want string) {
	t.Helper()
	e, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err == nil {
		_ = e.Close()
		t.Errorf("%s is accepted; want %q", url, want)
		return
	}
	if strings.ContainsAny(err.Error(), "\n\t`") {
		t.Errorf("more than one sentence: %v", err)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v; want %q", url, err, want)
	}
	if strings.Contains(err.Error(), "correct-horse-battery") || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("the error shows a password: %v", err)
	}
}

func TestDatabasesThatAreRefused(t *testing.T) {
	server := servertest.Postgres(t)
	url := server.URL()
	refused(t, strings.Replace(url, "correct-horse-battery", "wrong-password", 1), "refuses the user or its password")
	refused(t, strings.Replace(url, "midas?", "nothing?", 1), "the database does not exist")
	refused(t, strings.Replace(url, "127.0.0.1", "127.0.0.2", 1), "connection refused")
	refused(t, strings.Replace(url, "sslmode=disable", "sslmode=require", 1), "TLS")

	server.SQL("CREATE ROLE poor LOGIN PASSWORD 'correct-horse-battery'")
	refused(t, strings.Replace(url, "//midas:", "//poor:", 1), "GRANT CONNECT, CREATE ON DATABASE")

	server.SQLIn("midas", "CREATE SCHEMA other; CREATE TABLE other.things (a integer); GRANT ALL ON SCHEMA other TO midas")
	refused(t, url+"&midas_schema=other", "not those of Midas")
	server.SQLIn("midas", "CREATE TABLE other.head (a integer); CREATE TABLE other.kv (a integer); CREATE TABLE other.changes (a integer); GRANT ALL ON ALL TABLES IN SCHEMA other TO midas")
	refused(t, url+"&midas_schema=other", "not those of Midas")

	server.SQL("ALTER ROLE midas SET default_transaction_read_only = on")
	refused(t, url, "takes writes")
	server.SQL("ALTER ROLE midas RESET default_transaction_read_only")
	if got := server.SQLIn("midas", "SELECT count(*) FROM pg_namespace WHERE nspname = 'midas'"); got != "0" {
		t.Errorf("a refused open has created the schema")
	}
	standby := server.Standby(false)
	refused(t, standby.URL(), "takes writes")
	refused(t, server.URL()+"&midas_schema=fresh&enable_nothing=on", "does not know a parameter of the URL")
	refused(t, server.Pgbouncer("statement", 4), "pool_mode=session or transaction")
	refused(t, servertest.OldPostgres(t), "the server is PostgreSQL 12, and Midas needs 13 or later")
	st := storeAt(t, url)
	if err := st.View(t.Context(), func(tx store.Tx) error { _, err := tx.Get("a"); return err }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an empty database: %v", err)
	}
	if got := server.SQLIn("midas", "SELECT count(*) FROM pg_namespace WHERE nspname = 'midas'"); got != "0" {
		t.Errorf("a store that was only read has created the schema")
	}
	put(t, st, "a")
	server.SQLIn("midas", "UPDATE midas.head SET layout = layout + 1")
	refused(t, url, "of a newer Midas")
}

func TestServersThatCanLoseWritesAreRefused(t *testing.T) {
	server := servertest.Postgres(t, "fsync=off", "synchronous_commit=off")
	refused(t, server.URL(), "midas_allow_unsafe=true")
	var log bytes.Buffer
	e, err := postgres.Open(t.Context(), server.URL()+"&midas_allow_unsafe=true", postgres.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	st := storetest.CloseAtEnd(t, store.New(e, store.Options{}))
	put(t, st, "a")
	for _, want := range []string{"a power loss can destroy", "synchronous_commit is off"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

func put(t *testing.T, st store.Store, key string) {
	t.Helper()
	if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put(key, []byte("x")); return nil }); err != nil {
		t.Fatal(err)
	}
}

// A database may have other defaults, and an owner of the schema that prepared it.
func TestUnusualDefaultsOfTheDatabase(t *testing.T) {
	server := servertest.Postgres(t)
	server.SQL("ALTER ROLE midas SET default_transaction_isolation = 'serializable'")
	server.SQL("ALTER ROLE midas SET search_path = 'nowhere'")
	server.SQL("ALTER ROLE midas SET bytea_output = 'escape'")
	server.SQL("ALTER DATABASE midas OWNER TO postgres")
	server.SQLIn("midas", "CREATE SCHEMA prepared AUTHORIZATION midas")
	url := server.URL() + "&midas_schema=prepared"
	a, b := storeAt(t, url), storeAt(t, url)
	for range 20 {
		put(t, a, "k\x00\xff")
		put(t, b, "k\x00\xff")
	}
	err := a.View(t.Context(), func(tx store.Tx) error {
		rec, err := tx.Get("k\x00\xff")
		if rec.Revision != 40 {
			t.Errorf("revision %d", rec.Revision)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTooManyConnections(t *testing.T) {
	server := servertest.Postgres(t, "max_connections=6", "superuser_reserved_connections=3", "max_wal_senders=0")
	url := server.URL()
	st := storeAt(t, url+"&pool_max_conns=2")
	held := storeAt(t, url+"&pool_max_conns=1&midas_schema=other")
	for range 3 {
		put(t, st, "a")
		put(t, held, "a")
	}
	server.SQL("ALTER ROLE midas CONNECTION LIMIT 1")
	refused(t, url, "too many connections")
}

// The disk of the database fills up: writes end with ErrUnavailable, the failure says why, reads go on, and writes
// succeed again, without a new start, when there is space.
func TestAFullDisk(t *testing.T) {
	server := servertest.Postgres(t)
	resize := server.SmallDisk(16)
	e := openAt(t, server.URL())
	st := storetest.CloseAtEnd(t, store.New(e, store.Options{}))
	put(t, st, "before")
	value := make([]byte, store.MaxValue/4)
	write := func(i int) error {
		for j := range value {
			value[j] = byte(rand.Uint32())
		}
		_, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put(fmt.Sprintf("big/%d", i), value); return nil })
		return err
	}
	var err error
	acknowledged := 0
	for ; acknowledged < 1000 && err == nil; acknowledged++ {
		err = write(acknowledged)
	}
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(e.Failure(), syscall.ENOSPC) || !strings.Contains(e.Failure().Error(), "no space left") {
		t.Errorf("after %d writes: %v; %v", acknowledged, err, e.Failure())
	}
	n := 0
	err = st.View(t.Context(), func(tx store.Tx) error {
		all, err := tx.Records(store.Range{Prefix: "big/"})
		n = len(all)
		return err
	})
	if err != nil || n != acknowledged-1 {
		t.Errorf("%d records of %d acknowledged writes: %v", n, acknowledged-1, err)
	}
	resize(200)
	for end := time.Now().Add(time.Minute); e.Failure() != nil; time.Sleep(50 * time.Millisecond) { // no client writes meanwhile
		if time.Now().After(end) {
			t.Fatal(e.Failure())
		}
	}
	if err := write(acknowledged); err != nil {
		t.Error(err)
	}
}

// Midas works through pgbouncer, with sessions of its own and with sessions that it shares for each transaction.
func TestPoolers(t *testing.T) {
	server := servertest.Postgres(t, "max_connections=120")
	for mode, sessions := range map[string]int{"session": 80, "transaction": 12} {
		t.Run(mode, func(t *testing.T) {
			next := schemas(server.Pgbouncer(mode, sessions), mode)
			storetest.RunShared(t, func(t testing.TB) (a, b store.Store) {
				url := next()
				return followed(t, url), followed(t, url)
			})
		})
	}
}
