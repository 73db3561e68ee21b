//go:build e2e && cluster

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/store/servertest"
)

// TestARoundOfEngines moves an installation from Pebble to etcd, to PostgreSQL and back to Pebble, with backup and
// restore. Tokens of before, identities and their ids stay, and nothing is inconsistent on any engine.
func TestARoundOfEngines(t *testing.T) {
	master := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(master, []byte(strings.Repeat("cd", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	postgres := servertest.Postgres(t).URL()
	first := newReplica(t, midasBinary(t), "pebble:"+filepath.Join(t.TempDir(), "store"), "", master)
	first.start(t)
	origin := first.admin(t).Endpoint
	token := strings.TrimSpace(first.command(t, "token"))
	group := "/subscriptions/" + first.admin(t).SubscriptionID + "/resourceGroups/round"
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/kept?api-version=2023-01-31"
	first.want(t, "PUT", group+"?api-version=2021-04-01", token, `{"location":"eastus"}`)
	want := first.want(t, "PUT", identity, token, `{"location":"eastus","tags":{"a":"b"}}`)

	at := first
	for _, store := range []string{
		"etcd://" + servertest.Etcd(t, 1).Endpoints[0] + "/midas", postgres, "pebble:" + filepath.Join(t.TempDir(), "store"),
	} {
		file := filepath.Join(t.TempDir(), "round.backup")
		at.command(t, "backup", file)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file: %v, %v", info, err)
		}
		at.end()
		next := newReplica(t, midasBinary(t), store, origin, master)
		restore := exec.CommandContext(t.Context(), next.binary, "restore", file, "--data", next.data, "--store", store, "--master-key", master)
		if out, err := restore.CombinedOutput(); err != nil {
			t.Fatalf("restore into %s: %v %s", store, err, out)
		}
		again := exec.CommandContext(t.Context(), next.binary, restore.Args[1:]...)
		if out, err := again.CombinedOutput(); err == nil || !strings.Contains(string(out), "not empty") {
			t.Errorf("a second restore into %s: %v %s", store, err, out)
		}
		next.start(t)
		if got := next.want(t, "GET", identity, token, ""); got != want {
			t.Errorf("on %s: %s, want %s", store, got, want)
		}
		if found := next.command(t, "check"); found != "" {
			t.Errorf("findings on %s: %s", store, found)
		}
		next.command(t, "token") // signs anew
		at = next
	}
}
