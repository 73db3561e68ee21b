//go:build e2e && cluster

package midas_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"midas/internal/store"
	"midas/internal/store/postgres"
	"midas/internal/store/servertest"
)

// TestReplicasOnPostgres runs the tests of replicas on the engine itself.
func TestReplicasOnPostgres(t *testing.T) {
	server, count := servertest.Postgres(t, "max_connections=200"), atomic.Int64{}
	onEngine(t, func(t *testing.T) func() (store.Engine, error) {
		url := fmt.Sprintf("%s&midas_schema=s%d", server.URL(), count.Add(1))
		return func() (store.Engine, error) { return postgres.Open(t.Context(), url, postgres.Options{}) }
	})
}
