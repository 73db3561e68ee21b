//go:build cluster

package midas_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas"
)

// clusterMachine is the configuration of a server that begins or joins a cluster.
func clusterMachine(t *testing.T) midas.Config {
	t.Helper()
	cfg := quiet(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Cluster.Advertise, cfg.Store = l.Addr().String(), ""
	_ = l.Close()
	return cfg
}

// TestAMasterKeyThatIsNotInTheDataFolderDoesNotTravel joins a cluster whose master key comes from a file elsewhere. What
// is refused is refused before the cluster or the machine has changed, with the same token.
func TestAMasterKeyThatIsNotInTheDataFolderDoesNotTravel(t *testing.T) {
	first := clusterMachine(t)
	first.Cluster.Init, first.Origin, first.MasterKey.File = true, "https://midas.test", masterFile(t, "b")
	start(t, first)
	token, err := midas.NewClusterToken(t.Context(), first, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	members := func() int {
		status, err := midas.Cluster(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		return len(status.Members)
	}
	second := clusterMachine(t)
	second.Cluster.Join, second.Cluster.Token = "https://"+address(t, first), token
	t.Setenv("MIDAS_TEST_MASTER", strings.Repeat("b", 64))
	for name, c := range map[string]struct {
		change func(*midas.Config)
		words  []string
	}{
		"no key":          {func(*midas.Config) {}, []string{"outside of their data folders", "--master-key"}},
		"another key":     {func(c *midas.Config) { c.MasterKey.File = masterFile(t, "c") }, []string{"its master key is", "name that of the cluster"}},
		"a failing vault": {func(c *midas.Config) { c.MasterKey.Command = []string{"true"} }, []string{"masterKey.command", "is no master key"}},
		"another origin":  {func(c *midas.Config) { c.Origin, c.MasterKey.File = "https://other.test", masterFile(t, "b") }, []string{"https://midas.test", "https://other.test"}},
	} {
		cfg := second
		c.change(&cfg)
		_, err := midas.Start(t.Context(), cfg)
		for _, w := range c.words {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", name, err, w)
			}
		}
		if n := members(); n != 1 {
			t.Errorf("%s: %d members", name, n)
		}
		for _, file := range []string{"master.key", "cluster", "ca.pem", "admin.json"} {
			if _, err := os.Stat(filepath.Join(cfg.Data, file)); err == nil {
				t.Errorf("%s: it has written %s", name, file)
			}
		}
	}
	second.MasterKey = midas.MasterKeyConfig{Env: "MIDAS_TEST_MASTER"}
	start(t, second)
	if _, err := os.Stat(filepath.Join(second.Data, "master.key")); err == nil {
		t.Error("the master key was written")
	}
	if n := members(); n != 2 {
		t.Errorf("%d members", n)
	}
}

// TestAJoinGoesOnWithTheMasterKeyOfAnInterruptedOne begins a join in a data folder with the master key of the cluster, as
// one that ended early leaves it, and in one with another master key.
func TestAJoinGoesOnWithTheMasterKeyOfAnInterruptedOne(t *testing.T) {
	first := clusterMachine(t)
	first.Cluster.Init = true
	start(t, first)
	key, err := os.ReadFile(filepath.Join(first.Data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := midas.NewClusterToken(t.Context(), first, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cfg := clusterMachine(t)
	cfg.Cluster.Join, cfg.Cluster.Token = "https://"+address(t, first), token
	file := filepath.Join(cfg.Data, "master.key")
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, words string }{{strings.Repeat("c", 64), "its master key is"}, {"c", "is damaged"}, {string(key), ""}} {
		if err := os.WriteFile(file, []byte(c.key), 0o600); err != nil {
			t.Fatal(err)
		}
		if c.words == "" {
			start(t, cfg)
			return
		}
		if _, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v does not say %q", err, c.words)
		}
	}
}

// address is the address of a server's main listener.
func address(t *testing.T, cfg midas.Config) string {
	t.Helper()
	at, err := administrator(t, cfg.Data).Server(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return at
}
