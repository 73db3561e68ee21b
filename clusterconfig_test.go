package midas_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
)

func TestClusterSettingsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*midas.Config)
		words  string
	}{
		"both":             {func(c *midas.Config) { c.Cluster = midas.ClusterConfig{Init: true, Join: "https://m1:8443"} }, "choose one"},
		"another store":    {func(c *midas.Config) { c.Cluster.Init, c.Store = true, "memory:" }, "leave the store out"},
		"a laboratory":     {func(c *midas.Config) { c.Cluster.Init, c.Store, c.Lab = true, "", true }, "leave lab out"},
		"a peer's name":    {func(c *midas.Config) { c.Cluster.PeerListen = "m1:2380" }, "IP:PORT"},
		"a peer's no port": {func(c *midas.Config) { c.Cluster.PeerListen = "10.0.0.1" }, "IP:PORT"},
	} {
		cfg := quiet(t)
		c.change(&cfg)
		if _, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
		if entries, err := os.ReadDir(filepath.Join(cfg.Data, "cluster")); err == nil {
			t.Errorf("%s: it has written %v", name, entries)
		}
	}
}
