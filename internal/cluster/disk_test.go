//go:build cluster

package cluster_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"midas/internal/cluster"
)

// TestAFullDiskIsFoundBeforeTheJoin: etcd would end with a fault after the cluster has added the machine.
func TestAFullDiskIsFoundBeforeTheJoin(t *testing.T) {
	wantError(t, cluster.Enough("/data", 20<<20), "/data", "20 MiB free", "needs 160 MiB")
	if err := cluster.Enough("/data", 200<<20); err != nil {
		t.Error(err)
	}
	if free, known := cluster.FreeSpace(t.TempDir()); !known || free == 0 {
		t.Errorf("%d bytes are free (%v)", free, known)
	}
}

// TestADatabaseThatAFullDiskHasCutShortIsMadeAgain begins a member whose database has three of its first four pages.
func TestADatabaseThatAFullDiskHasCutShortIsMadeAgain(t *testing.T) {
	one := begin(t)
	two := newMachine(t)
	if err := two.join(t, one, one.token(t, time.Hour)); err != nil {
		t.Fatal(err)
	}
	snap := filepath.Join(two.config.Data, "cluster", "etcd", "member", "snap")
	if err := os.MkdirAll(snap, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(snap, "db"), make([]byte, 3*os.Getpagesize()), 0o600); err != nil {
		t.Fatal(err)
	}
	two.open(t)
	t.Cleanup(func() { _ = two.member.Close() })
	one.put(t, "kept")
	two.wantValue(t, "kept")
}
