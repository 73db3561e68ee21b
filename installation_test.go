package midas_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"midas"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

// sharedEngine is an engine that other processes use too: it says nothing about being alone, and it stays open.
type sharedEngine struct{ store.Engine }

func (sharedEngine) Close() error { return nil }

// replica is the configuration of a replica with the origin and the master key of all.
func replica(t *testing.T, master string) midas.Config {
	t.Helper()
	cfg := quiet(t)
	cfg.Store, cfg.Origin = "test:", "https://midas.test"
	cfg.MasterKey = midas.MasterKeyConfig{File: master}
	return cfg
}

// masterFile writes a master key and returns its path.
func masterFile(t *testing.T, digit string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(name, []byte(strings.Repeat(digit, 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func sharedStore(t *testing.T) func() (store.Engine, error) {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return func() (store.Engine, error) { return sharedEngine{engine}, nil }
}

// TestReplicasThatMakeTheFirstStartTogetherAgree starts replicas on one empty store at the same moment.
func TestReplicasThatMakeTheFirstStartTogetherAgree(t *testing.T) {
	open, master := sharedStore(t), masterFile(t, "a")
	servers := make([]*midas.Server, 3)
	configs := make([]midas.Config, len(servers))
	var wg sync.WaitGroup
	for n := range servers {
		configs[n] = replica(t, master)
		wg.Go(func() {
			var err error
			if servers[n], err = midas.StartOn(t.Context(), configs[n], open); err != nil {
				t.Errorf("replica %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for n, s := range servers {
		if s.Admin() != servers[0].Admin() {
			t.Errorf("replica %d has another administrator", n)
		}
		for _, name := range []string{"ca.pem", "azure-ca/ca.pem", "admin.json"} {
			if first, own := fileText(t, configs[0].Data, name), fileText(t, configs[n].Data, name); first != own {
				t.Errorf("replica %d has another %s", n, name)
			}
		}
		if _, err := os.Stat(filepath.Join(configs[n].Data, "ca-key.pem")); err == nil {
			t.Errorf("replica %d has the key of the authority in a file", n)
		}
	}
	for _, s := range servers {
		shutdown(t, s)
	}
}

func fileText(t *testing.T, elem ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// TestReplicaIsRefusedBeforeItWrites starts replicas that do not belong to the installation of a store.
func TestReplicaIsRefusedBeforeItWrites(t *testing.T) {
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	open, master := func() (store.Engine, error) { return sharedEngine{engine}, nil }, masterFile(t, "a")
	first, err := midas.StartOn(t.Context(), replica(t, master), open)
	if err != nil {
		t.Fatal(err)
	}
	shutdown(t, first)
	before := engine.Head()
	for name, c := range map[string]struct {
		change func(*midas.Config)
		says   []string
	}{
		"another master key": {func(c *midas.Config) { c.MasterKey.File = masterFile(t, "b") }, []string{"is not the one", "--master-key", "midas keys reset"}},
		"no master key":      {func(c *midas.Config) { c.MasterKey = midas.MasterKeyConfig{} }, []string{"there is no master key", "copy the master key of a replica"}},
		"missing file":       {func(c *midas.Config) { c.MasterKey.File = "/nowhere/master.key" }, []string{"/nowhere/master.key"}},
		"damaged file":       {func(c *midas.Config) { c.MasterKey.File = os.DevNull }, []string{"64 hexadecimal digits", "openssl rand"}},
		"no variable":        {func(c *midas.Config) { c.MasterKey = midas.MasterKeyConfig{Env: "MIDAS_TEST_NONE"} }, []string{"MIDAS_TEST_NONE"}},
		"failing command":    {func(c *midas.Config) { c.MasterKey = midas.MasterKeyConfig{Command: []string{"false"}} }, []string{"masterKey.command", "exit status 1"}},
		"endless command":    {func(c *midas.Config) { c.MasterKey = midas.MasterKeyConfig{Command: []string{"yes"}} }, []string{"more than 4096 bytes"}},
		"talkative command":  {func(c *midas.Config) { c.MasterKey = midas.MasterKeyConfig{Command: []string{"seq", "100000"}} }, []string{"more than 4096 bytes"}},
		"two sources":        {func(c *midas.Config) { c.MasterKey.Env = "X" }, []string{"only one of file, env and command"}},
		"another origin":     {func(c *midas.Config) { c.Origin = "https://other.test" }, []string{"https://midas.test", "https://other.test"}},
	} {
		cfg := replica(t, master)
		c.change(&cfg)
		_, err := midas.StartOn(t.Context(), cfg, open)
		for _, want := range c.says {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if engine.Head() != before {
			t.Errorf("%s: the store was changed", name)
		}
		if _, err := os.Stat(filepath.Join(cfg.Data, "ca.pem")); err == nil {
			t.Errorf("%s: the data folder was filled", name)
		}
	}
	cfg := replica(t, master)
	s, err := midas.StartOn(t.Context(), cfg, open)
	if err != nil {
		t.Fatal(err)
	}
	shutdown(t, s)
	if _, err := midas.StartOn(t.Context(), cfg, sharedStore(t)); err == nil || !strings.Contains(err.Error(), "the store is empty; is its address or its prefix wrong?") {
		t.Errorf("an empty store: %v", err)
	}
	t.Setenv("MIDAS_TEST_KEY", strings.Repeat("a", 64))
	for _, source := range []midas.MasterKeyConfig{{Env: "MIDAS_TEST_KEY"}, {Command: []string{"cat", master}}} {
		cfg := replica(t, master)
		cfg.MasterKey = source
		s, err := midas.StartOn(t.Context(), cfg, open)
		if err != nil {
			t.Fatal(err)
		}
		if s.Admin() != first.Admin() {
			t.Error("another administrator")
		}
		shutdown(t, s)
	}
}

// unpack makes the data folder that the release before installations has written.
func unpack(t *testing.T) string {
	t.Helper()
	f, err := os.Open("testdata/folder-without-installation.tgz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for archive := tar.NewReader(zipped); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(folder, "golden")
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(folder, filepath.Clean("/"+entry.Name))
		if entry.FileInfo().IsDir() {
			err = os.MkdirAll(name, 0o700)
		} else {
			var data []byte
			if data, err = io.ReadAll(archive); err == nil {
				err = os.WriteFile(name, data, entry.FileInfo().Mode().Perm())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// killedEngine is an engine that fails all commits after some, as if the process had been killed: the last one fails
// before or after it has reached the disk.
type killedEngine struct {
	*pebble.Engine
	left  int
	after bool
}

var errKilled = errors.New("killed")

func (k *killedEngine) Commit(ctx context.Context, tx store.Commit) (store.Revision, error) {
	k.left--
	if k.left >= 0 {
		return k.Engine.Commit(ctx, tx)
	}
	if k.left == -1 && k.after {
		if _, err := k.Engine.Commit(ctx, tx); err != nil {
			return 0, err
		}
	}
	return 0, errKilled
}

// TestFolderOfTheReleaseBeforeIsMigratedWhereverTheStartIsKilled ends the first start on an old folder at each commit,
// before and after it, and starts again.
func TestFolderOfTheReleaseBeforeIsMigratedWhereverTheStartIsKilled(t *testing.T) {
	for _, after := range []bool{false, true} {
		kills := 0
		for n := 0; ; n++ {
			cfg := quiet(t)
			cfg.Data = unpack(t)
			public, azure, admin := fileText(t, cfg.Data, "ca.pem"), fileText(t, cfg.Data, "azure-ca/ca.pem"), fileText(t, cfg.Data, "admin.json")
			first := cfg
			first.Store = "test:"
			s, err := midas.StartOn(t.Context(), first, func() (store.Engine, error) {
				engine, err := pebble.Open(filepath.Join(cfg.Data, "store"), pebble.Options{})
				return &killedEngine{Engine: engine, left: n, after: after}, err
			})
			if err == nil {
				shutdown(t, s)
			} else if !errors.Is(err, errKilled) {
				t.Fatal(err)
			} else {
				kills++
			}
			cfg.Store = ""
			second := start(t, cfg)
			c := administrator(t, cfg.Data)
			if token, err := c.Token(t.Context(), "https://management.azure.com"); err != nil || subscriptions(t, c, token) != http.StatusOK {
				t.Errorf("killed at commit %d: %v", n, err)
			}
			shutdown(t, second)
			if fileText(t, cfg.Data, "ca.pem") != public || fileText(t, cfg.Data, "azure-ca/ca.pem") != azure {
				t.Errorf("killed at commit %d: clients must trust another authority", n)
			}
			if withoutEndpoint(fileText(t, cfg.Data, "admin.json")) != withoutEndpoint(admin) {
				t.Errorf("killed at commit %d: admin.json has changed", n)
			}
			for _, name := range []string{"ca-key.pem", "azure-ca/ca-key.pem", "hosts-ca/ca-key.pem"} {
				if _, err := os.Stat(filepath.Join(cfg.Data, name)); err == nil {
					t.Errorf("killed at commit %d: %s is still there", n, name)
				}
			}
			if err == nil || t.Failed() {
				break
			}
		}
		if kills < 4 {
			t.Errorf("the migration has only %d commits", kills)
		}
	}
}

func withoutEndpoint(admin string) string {
	before, after, _ := strings.Cut(admin, `"endpoint"`)
	_, after, _ = strings.Cut(after, "\n")
	return before + after
}

// TestAVaultThatIsDownForAMoment is a command that fails at first. It is started again.
func TestAVaultThatIsDownForAMoment(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "vault")
	text := "#!/bin/sh\necho >>" + dir + "/tries\ntest $(wc -l <" + dir + "/tries) -ge 2 || { echo sealed >&2; exit 2; }\ncat " + masterFile(t, "b") + "\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := replica(t, "")
	cfg.MasterKey = midas.MasterKeyConfig{Command: []string{script}}
	s, err := midas.StartOn(t.Context(), cfg, sharedStore(t))
	if err != nil {
		t.Fatal(err)
	}
	shutdown(t, s)
}
