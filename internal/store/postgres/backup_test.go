//go:build e2e && cluster

package postgres_test

import (
	"testing"
	"time"

	"midas/internal/store"
	"midas/internal/store/backuptest"
	"midas/internal/store/postgres"
	"midas/internal/store/servertest"
	"midas/internal/store/storetest"
)

// TestBackupSurvivesTrimming keeps a few of the changes only, so that the first ones are removed during the backup.
func TestBackupSurvivesTrimming(t *testing.T) {
	e, err := postgres.OpenKeeping(t.Context(), servertest.Postgres(t).URL(), 200, 1<<30, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	st := storetest.CloseAtEnd(t, store.New(store.Cached(store.Follow(e, store.FollowOptions{}), 1<<20), store.Options{}))
	backuptest.UnderWrites(t, st, func() {})
}
