//go:build e2e && cluster

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"midas/internal/store"
	"midas/internal/store/servertest"
)

// More reads wait for the database than there are connections. Meanwhile commits go on, the feed and the question for
// the newest revision do not wait in line behind the reads, so that what the cache knows stays recent.
func TestReadsThatWaitHoldUpNeitherTheFeedNorCommits(t *testing.T) {
	server := servertest.Postgres(t)
	for _, parameters := range []string{"", "&pool_max_conns=3"} {
		t.Run("with"+parameters, func(t *testing.T) {
			st := followed(t, server.URL()+parameters)
			put := func(key string) error {
				_, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put(key, []byte("x")); return nil })
				return err
			}
			if err := put("known"); err != nil {
				t.Fatal(err)
			}
			known := func() error {
				return st.Recent(t.Context(), func(tx store.Tx) error { _, err := tx.Get("known"); return err })
			}
			if err := known(); err != nil {
				t.Fatal(err)
			}
			unlock := lockValues(t, server)
			reading, end := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() {
					for reading.Err() == nil {
						_ = st.View(reading, func(tx store.Tx) error { _, err := tx.Get(fmt.Sprintf("new/%d", i)); return err })
					}
				})
			}
			for end := time.Now().Add(2 * store.RecentAge); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				if err := known(); err != nil {
					t.Errorf("a recent read: %v", err)
					break
				}
			}
			unlock()
			if err := put("after"); err != nil {
				t.Errorf("a commit: %v", err)
			}
			end()
			all.Wait()
			if err := known(); err != nil && !errors.Is(err, store.ErrOutdated) {
				t.Error(err)
			}
		})
	}
}

// lockValues locks the table of values, so that each read of one waits. Newest revisions and the feed are elsewhere.
func lockValues(t testing.TB, server *servertest.PostgresServer) (unlock func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://postgres@127.0.0.1:%d/midas?sslmode=disable", server.Port))
	if err == nil {
		_, err = conn.Exec(t.Context(), "BEGIN; LOCK TABLE midas.kv IN ACCESS EXCLUSIVE MODE")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = conn.Close(context.WithoutCancel(t.Context())) }
}
