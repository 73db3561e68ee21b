//go:build unix

package datadir_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/datadir"
)

// folder makes a data folder with these files.
func folder(t *testing.T, files map[string]fs.FileMode) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	for name, mode := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAccessOfOthersToFilesIsRemoved(t *testing.T) {
	for name, c := range map[string]struct{ was, is fs.FileMode }{
		"master.key":          {0o644, 0o600},
		"admin.json":          {0o640, 0o600},
		"ca-key.pem":          {0o666, 0o600},
		"server.pem":          {0o604, 0o600},
		"hosts-ca/ca-key.pem": {0o660, 0o600},
		"azure-ca/ca-key.pem": {0o444, 0o400},
		"azure-ca/server.pem": {0o602, 0o600},
		"ca.pem":              {0o664, 0o644},
		"what/ever":           {0o777, 0o700},
		"store/000001.sst":    {0o644, 0o644}, // its folder denies other users access
		"lock":                {0o600, 0o600},
		"hosts-ca/ca.pem":     {0o644, 0o644},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]fs.FileMode{name: c.was})
			d := open(t, dir)
			defer d.Close()
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != c.is {
				t.Errorf("mode %04o, want %04o (%v)", info.Mode().Perm(), c.is, err)
			}
			removed := strings.Join(d.RemovedAccess(), "\n")
			if (removed != "") != (c.was != c.is) || removed != "" && !strings.Contains(removed, filepath.Join(dir, name)) {
				t.Errorf("RemovedAccess: %q", removed)
			}
		})
	}
}

func TestAccessOfOthersToFoldersIsRemoved(t *testing.T) {
	for name, c := range map[string]struct{ was, is fs.FileMode }{
		"store": {0o755, 0o700}, "hosts-ca": {0o750, 0o700}, "azure-ca": {0o777, 0o700},
		"": {0o777, 0o755}, // ca.pem is public
	} {
		dir := folder(t, map[string]fs.FileMode{"store/x": 0o600, "hosts-ca/x": 0o600, "azure-ca/x": 0o600})
		if err := os.Chmod(filepath.Join(dir, name), c.was); err != nil {
			t.Fatal(err)
		}
		d := open(t, dir)
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != c.is || len(d.RemovedAccess()) != 1 {
			t.Errorf("%q: mode %04o, want %04o; RemovedAccess: %q (%v)", name, info.Mode().Perm(), c.is, d.RemovedAccess(), err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestModesOfLinkTargetsAreNotChanged(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string]fs.FileMode{"lock": 0o600})
	if err := os.Symlink(outside, filepath.Join(dir, "master.key")); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil { // a link to a private file is accepted
		t.Fatal(err)
	}
	if err := os.Chmod(outside, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := datadir.Open(dir)
	if err == nil || !strings.Contains(err.Error(), "chmod") || !strings.Contains(err.Error(), "master.key") {
		t.Errorf("a link to a file that other users can read: %v", err)
	}
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the target of the link was changed: %v %v", info.Mode(), err)
	}
}

func TestFilesOfAnotherUserAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := folder(t, map[string]fs.FileMode{"master.key": 0o600})
	if err := os.Chown(filepath.Join(dir, "master.key"), 12345, -1); err != nil {
		t.Fatal(err)
	}
	_, err := datadir.Open(dir)
	if err == nil || !strings.Contains(err.Error(), "12345") || !strings.Contains(err.Error(), "chown") {
		t.Errorf("%v", err)
	}
	if err := os.Chown(dir, 12345, -1); err != nil { // root opens the folder of a service's user
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Error(err)
	}
}
