//go:build cluster

package etcd_test

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/store"
	"midas/internal/store/backuptest"
	"midas/internal/store/storetest"
)

// TestBackupSurvivesCompaction removes all old revisions after each part of the file, as an etcd does whose operator
// keeps no history.
func TestBackupSurvivesCompaction(t *testing.T) {
	servers := &stores{endpoint: embedded(t)}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{servers.endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	st := storetest.CloseAtEnd(t, store.New(store.Cached(store.Follow(open(t, servers.location()), store.FollowOptions{}), 1<<20), store.Options{}))
	backuptest.UnderWrites(t, st, func() {
		newest, err := client.Get(t.Context(), "x")
		if err == nil {
			_, err = client.Compact(t.Context(), newest.Header.Revision)
		}
		if err != nil {
			t.Logf("compact: %v", err) // another compaction at the same revision
		}
	})
}
