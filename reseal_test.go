package midas_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"midas"
	"midas/internal/client"
	"midas/internal/control"
	"midas/internal/datadir"
)

// reach is the administrator of a server whose origin is a name that only its certificate knows.
func reach(t *testing.T, data string) *client.Client {
	t.Helper()
	running, err := control.Dial(t.Context(), datadir.Socket(data))
	if err != nil {
		t.Fatal(err)
	}
	address, err := running.Address(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	c := administrator(t, data)
	c.HTTP.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	return c
}

// TestResealOfAFolderOfTheReleaseBefore changes the master key of an old folder, with a server that runs and without.
func TestResealOfAFolderOfTheReleaseBefore(t *testing.T) {
	for _, running := range []bool{true, false} {
		cfg := quiet(t)
		cfg.Store, cfg.Data, cfg.Origin = "", unpack(t), "https://midas.test"
		s := start(t, cfg)
		c := reach(t, cfg.Data)
		token, err := c.Token(t.Context(), "https://management.azure.com")
		if err != nil {
			t.Fatal(err)
		}
		old := fileText(t, cfg.Data, "master.key")
		if !running {
			shutdown(t, s)
		}
		done, err := midas.ResealKeys(t.Context(), cfg, midas.Reseal{})
		if err != nil || !done.StoreKey || done.File != filepath.Join(cfg.Data, "master.key") {
			t.Fatalf("running %v: %+v, %v", running, done, err)
		}
		if running {
			if status := subscriptions(t, c, token); status != http.StatusOK {
				t.Errorf("a token during the change: %d", status)
			}
			if _, err := midas.RotateKeys(t.Context(), cfg); err != nil {
				t.Errorf("rotate after the change: %v", err)
			}
			shutdown(t, s)
		}
		fresh := fileText(t, cfg.Data, "master.key")
		if fresh == old {
			t.Error("the master key is the old one")
		}
		if _, err := os.Stat(filepath.Join(cfg.Data, "master.key.next")); err == nil {
			t.Error("the file of the next key is still there")
		}
		if err := os.WriteFile(filepath.Join(cfg.Data, "master.key"), []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "is not the one") {
			t.Errorf("with the old master key: %v", err)
		}
		if err := os.WriteFile(filepath.Join(cfg.Data, "master.key"), []byte(fresh), 0o600); err != nil {
			t.Fatal(err)
		}
		s = start(t, cfg)
		c = reach(t, cfg.Data)
		if status := subscriptions(t, c, token); status != http.StatusOK {
			t.Errorf("a token after the change: %d", status)
		}
		shutdown(t, s)
		again, err := midas.ResealKeys(t.Context(), cfg, midas.Reseal{})
		if err != nil || again.StoreKey {
			t.Errorf("the second change: %+v, %v", again, err)
		}
	}
}

// TestResealWhileAnotherReplicaRuns changes the keys at one replica. The other one goes on, and starts with the new key.
func TestResealWhileAnotherReplicaRuns(t *testing.T) {
	open, master := sharedStore(t), masterFile(t, "a")
	one, two := replica(t, master), replica(t, masterFile(t, "a"))
	first, err := midas.StartOn(t.Context(), one, open)
	if err != nil {
		t.Fatal(err)
	}
	second, err := midas.StartOn(t.Context(), two, open)
	if err != nil {
		t.Fatal(err)
	}
	c := reach(t, two.Data)
	plain := one
	plain.Store = "" // the command asks the server, so it does not open the store
	if done, err := midas.ResealKeys(t.Context(), plain, midas.Reseal{StoreKey: true}); err != nil || !done.StoreKey || done.File != master {
		t.Fatalf("%+v, %v", done, err)
	}
	plain.Data = two.Data
	if _, err := midas.RotateKeys(t.Context(), plain); err != nil {
		t.Errorf("the other replica cannot change what is sealed: %v", err)
	}
	if token, err := c.Token(t.Context(), "https://management.azure.com"); err != nil || subscriptions(t, c, token) != http.StatusOK {
		t.Errorf("the other replica: %v", err)
	}
	if _, err := midas.Backup(t.Context(), plain, filepath.Join(t.TempDir(), "x"), nil); err == nil {
		t.Error("a replica with the old master key has written a backup that names it")
	}
	shutdown(t, second)
	if _, err := midas.StartOn(t.Context(), two, open); err == nil || !strings.Contains(err.Error(), "is not the one") {
		t.Errorf("with the old key: %v", err)
	}
	two.MasterKey.File = master
	if second, err = midas.StartOn(t.Context(), two, open); err != nil {
		t.Fatal(err)
	}
	shutdown(t, second)
	shutdown(t, first)
}

// TestMasterKeyOfTheEnvironmentIsChangedToAFile, which the operator then names.
func TestMasterKeyOfTheEnvironmentIsChangedToAFile(t *testing.T) {
	cfg := quiet(t)
	cfg.Store = ""
	t.Setenv("MIDAS_TEST_KEY", strings.Repeat("c", 64))
	cfg.MasterKey.Env = "MIDAS_TEST_KEY"
	shutdown(t, start(t, cfg))
	if _, err := os.Stat(filepath.Join(cfg.Data, "master.key")); err == nil {
		t.Error("there is a master key in the folder")
	}
	if _, err := midas.ResealKeys(t.Context(), cfg, midas.Reseal{}); err == nil || !strings.Contains(err.Error(), "--to") {
		t.Errorf("without a file: %v", err)
	}
	to := filepath.Join(t.TempDir(), "new.key")
	done, err := midas.ResealKeys(t.Context(), cfg, midas.Reseal{To: to})
	if err != nil || done.File != to {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "the environment variable MIDAS_TEST_KEY is not the one") {
		t.Errorf("with the old key: %v", err)
	}
	cfg.MasterKey = midas.MasterKeyConfig{File: to}
	shutdown(t, start(t, cfg))
}

// TestResetWithALostMasterKeyMakesNewAuthorities, and with a known one it keeps them.
func TestResetWithALostMasterKeyMakesNewAuthorities(t *testing.T) {
	for _, lost := range []bool{true, false} {
		cfg := quiet(t)
		cfg.Store = ""
		shutdown(t, start(t, cfg))
		before := fileText(t, cfg.Data, "ca.pem")
		if lost {
			if err := os.Remove(filepath.Join(cfg.Data, "master.key")); err != nil {
				t.Fatal(err)
			}
		}
		out, err := midas.ResetKeys(t.Context(), cfg, false)
		if err != nil || out.Authorities != lost {
			t.Fatalf("lost %v: %+v, %v", lost, out, err)
		}
		shutdown(t, start(t, cfg))
		if (fileText(t, cfg.Data, "ca.pem") != before) != lost {
			t.Errorf("lost %v: the authority was replaced: %v", lost, !lost)
		}
	}
}

// TestStoreInMemoryHasAnAuthorityOfItsOwnAfterADurableStore: the folder then has ca.pem without its key.
func TestStoreInMemoryHasAnAuthorityOfItsOwnAfterADurableStore(t *testing.T) {
	cfg := quiet(t)
	for _, name := range []string{"", "memory:", "memory:", ""} {
		cfg.Store = name
		s := start(t, cfg)
		c := administrator(t, cfg.Data)
		if token, err := c.Token(t.Context(), "https://management.azure.com"); err != nil || subscriptions(t, c, token) != http.StatusOK {
			t.Errorf("store %q: %v", name, err)
		}
		shutdown(t, s)
	}
}

// TestDumpHasNoSecretInPlainText compares a dump with everything secret of the folder.
func TestDumpHasNoSecretInPlainText(t *testing.T) {
	cfg := quiet(t)
	cfg.Store = ""
	s := start(t, cfg)
	defer shutdown(t, s)
	all, admin := dumped(t, cfg), s.Admin()
	for _, secret := range []string{string(admin.ClientSecret), string(admin.UserPassword), "PRIVATE KEY", "LS0tLS1CRUdJTiBQ", strings.TrimSpace(fileText(t, cfg.Data, "master.key"))} {
		if strings.Contains(all, secret) {
			t.Error("a secret is in the dump")
		}
	}
}

// TestBackupsDuringAChangeOfTheMasterKeyCanBeOpened changes the master key again and again while backups are made. Each
// backup that succeeds names a key with which a server starts on it.
func TestBackupsDuringAChangeOfTheMasterKeyCanBeOpened(t *testing.T) {
	from := durable(t)
	server := start(t, from)
	masters := []string{fileText(t, from.Data, "master.key")}
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		for range 3 {
			if _, err := midas.ResealKeys(t.Context(), from, midas.Reseal{StoreKey: true}); err != nil {
				t.Error(err)
			}
			masters = append(masters, fileText(t, from.Data, "master.key"))
		}
	}()
	var files []string
	folder := t.TempDir()
	for busy := true; busy && len(files) < 20; {
		select {
		case <-changed:
			busy = false
		default:
		}
		file := filepath.Join(folder, strconv.Itoa(len(files)))
		if _, err := midas.Backup(t.Context(), from, file, nil); err == nil {
			files = append(files, file)
		}
	}
	<-changed
	shutdown(t, server)
	for i := 0; i < len(files); i += max(1, len(files)/4) {
		opened := false
		for _, master := range masters {
			to := successor(t, server)
			if err := os.MkdirAll(to.Data, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(to.Data, "master.key"), []byte(master), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := midas.Restore(t.Context(), to, files[i], midas.RestoreOptions{}); err != nil {
				continue // the file names another key
			}
			opened = true
			shutdown(t, start(t, to))
		}
		if !opened {
			t.Errorf("backup %d of %d names no key that there was", i, len(files))
		}
	}
	if len(files) == 0 {
		t.Error("there is no backup")
	}
}
