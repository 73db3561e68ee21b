//go:build cluster

package midas_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
)

func TestClusterNeedsItsOwnDataFolder(t *testing.T) {
	cfg := quiet(t)
	cfg.Store = ""
	shutdown(t, start(t, cfg)) // a store for one machine
	cfg.Cluster.Init = true
	wantRefusal(t, cfg, "midas backup", "docs/cluster.md")
	cfg.Cluster = midas.ClusterConfig{Join: "https://127.0.0.1:1", Token: "x"}
	wantRefusal(t, cfg, "midas backup")

	fresh := quiet(t)
	fresh.Store = ""
	fresh.Cluster = midas.ClusterConfig{Join: "https://127.0.0.1:1", Token: "x"}
	wantRefusal(t, fresh, "K10HASH::ID:SECRET")
	fresh.Cluster.Token = ""
	wantRefusal(t, fresh, "midas cluster token")
	fresh.Cluster = midas.ClusterConfig{Init: true, Advertise: "0.0.0.0"}
	wantRefusal(t, fresh, "0.0.0.0")
	fresh.Cluster.Advertise, fresh.Listen = "", ":0"
	wantRefusal(t, fresh, "--advertise")
	fresh.Cluster = midas.ClusterConfig{}
	fresh.Store = "cluster:" + fresh.Data
	wantRefusal(t, fresh, "--cluster-init")
}

func wantRefusal(t *testing.T, cfg midas.Config, words ...string) {
	t.Helper()
	_, err := midas.Start(t.Context(), cfg)
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("%v does not say %q", err, w)
		}
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, "cluster")); err == nil {
		t.Error("it has written the folder of a member")
	}
}
