//go:build unix

package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"midas/internal/state"
)

func TestReadFilesRefusesPipesInFolders(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(folder, "a.yaml"), 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := state.ReadFiles(folder, os.Stdin); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder with a pipe: %v", err)
	}
}
