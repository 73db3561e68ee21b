package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midas"
)

// TestBackupDrillOfTheManual runs the commands of the backup drill in docs/operations.md beside a running server.
func TestBackupDrillOfTheManual(t *testing.T) {
	folder, out := runBlock(t, "../../docs/operations.md", "### Backup drill\n.*?")
	if !strings.Contains(out, `"kid"`) {
		t.Error(out)
	}
	if _, err := os.Stat(filepath.Join(folder, "drill")); err == nil {
		t.Error("the drill was not removed")
	}
}

// TestCommandsOfThePageOnBackups runs the first commands of docs/backup.md beside a running server, and starts a server
// on what was restored.
func TestCommandsOfThePageOnBackups(t *testing.T) {
	folder, _ := runBlock(t, "../../docs/backup.md", "# Backup, restore, check, upgrade\n.*?")
	s, err := midas.Start(t.Context(), midas.Config{Data: filepath.Join(folder, "restored"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// runBlock runs the first block of commands after a part of a page, beside a running server whose folder is midas-data.
// It returns the folder in which they ran.
func runBlock(t *testing.T, page, after string) (folder, said string) {
	t.Helper()
	block := regexp.MustCompile("(?s)" + after + "```sh\n(.*?)```").FindStringSubmatch(read(t, page))
	if block == nil {
		t.Fatalf("%s has no such commands", page)
	}
	folder = t.TempDir()
	s, err := midas.Start(t.Context(), midas.Config{Data: filepath.Join(folder, "midas-data"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "midas")); err != nil {
		t.Fatal(err)
	}
	drill := exec.CommandContext(t.Context(), "sh", "-exc", block[1])
	drill.Dir, drill.Env = folder, append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := drill.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return folder, string(out)
}
