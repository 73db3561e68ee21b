//go:build !windows

package midas_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"midas"
)

// A link to the file of a backup stays a link; /dev/stdout is one.
func TestBackupFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	cfg := durable(t)
	start(t, cfg)
	if _, err := midas.Backup(t.Context(), cfg, link, nil); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != "target" {
		t.Errorf("the link names %q, %v", to, err)
	}
	if got, _ := os.ReadFile(target); !strings.HasPrefix(string(got), `{"midas":"backup"`) {
		t.Errorf("the target has %.20q", got)
	}
	if err := os.Remove(target); err != nil {
		t.Fatal(err)
	}
	if _, err := midas.Backup(t.Context(), cfg, link, nil); err == nil {
		t.Error("a link to nothing was accepted")
	}
}

// Opening a FIFO would wait for a writer, and no signal ends that.
func TestRestoreRefusesAFIFO(t *testing.T) {
	dir := t.TempDir()
	fifo, data := filepath.Join(dir, "fifo"), filepath.Join(dir, "data")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir, os.DevNull} {
		_, err := midas.Restore(t.Context(), midas.Config{Data: data}, path, midas.RestoreOptions{})
		if err == nil || !strings.Contains(err.Error(), "is not a file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a data folder was made")
	}
}
