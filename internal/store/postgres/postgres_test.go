//go:build e2e && cluster

package postgres_test

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"midas/internal/store"
	"midas/internal/store/postgres"
	"midas/internal/store/servertest"
	"midas/internal/store/storetest"
)

func openAt(t testing.TB, url string) *postgres.Engine {
	t.Helper()
	e, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func storeAt(t testing.TB, url string) store.Store {
	t.Helper()
	return storetest.CloseAtEnd(t, store.New(openAt(t, url), store.Options{}))
}

// schemas returns a function that returns a URL with a new schema at each call. The names begin with the words.
func schemas(url string, words ...string) func() string {
	var count atomic.Int64
	return func() string { return fmt.Sprintf("%s&midas_schema=s%s%d", url, strings.Join(words, ""), count.Add(1)) }
}

// followed is the store of a replica: a cache that follows the engine's feed.
func followed(t testing.TB, url string) store.Store {
	t.Helper()
	return storetest.CloseAtEnd(t, store.New(store.Cached(store.Follow(openAt(t, url), store.FollowOptions{}), 1<<20), store.Options{}))
}

func TestConformance(t *testing.T) {
	next := schemas(servertest.Postgres(t).URL())
	for _, kind := range []struct {
		name, parameters string
		open             func(t testing.TB, url string) store.Store
	}{
		{"followed", "", followed},
		{"bare", "", storeAt},
		{"as behind a pooler, with three connections", "&default_query_exec_mode=exec&pool_max_conns=3", storeAt},
	} {
		t.Run(kind.name, func(t *testing.T) {
			if testing.Short() && kind.name != "followed" {
				t.Skip("the short form tests the store of a replica only")
			}
			storetest.Run(t, func(t testing.TB) store.Store { return kind.open(t, next()+kind.parameters) })
		})
	}
}

func TestReplicasShareADatabase(t *testing.T) {
	next := schemas(servertest.Postgres(t).URL())
	storetest.RunShared(t, func(t testing.TB) (a, b store.Store) {
		url := next()
		return followed(t, url), followed(t, url)
	})
}

func TestDataSurvivesReopening(t *testing.T) {
	url := schemas(servertest.Postgres(t).URL())()
	storetest.Reopen(t, func(t testing.TB, _ string) store.Store {
		return store.New(openAt(t, url), store.Options{})
	})
}

const urlVariable = "MIDAS_TEST_POSTGRES"

func TestAcknowledgedWritesSurviveKillOfTheReplica(t *testing.T) {
	if os.Getenv(urlVariable) == "" {
		t.Setenv(urlVariable, servertest.Postgres(t).URL()) // the child of the test uses the same server
	}
	storetest.Kill(t, func(t testing.TB, _ string) store.Store {
		return store.New(openAt(t, os.Getenv(urlVariable)), store.Options{})
	})
}
