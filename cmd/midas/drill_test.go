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
	block := regexp.MustCompile("(?s)### Backup drill\n.*?```sh\n(.*?)```").FindStringSubmatch(read(t, "../../docs/operations.md"))
	if block == nil {
		t.Fatal("the manual has no drill")
	}
	folder := t.TempDir()
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
	if err != nil || !strings.Contains(string(out), `"kid"`) {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(folder, "drill")); err == nil {
		t.Error("the drill was not removed")
	}
}
