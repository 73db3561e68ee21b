//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"midas/internal/directory"
)

// TestChromiumKeepsTheSessionFromOtherPorts signs in with a real browser, which sends its cookies to every
// port of the host.
func TestChromiumKeepsTheSessionFromOtherPorts(t *testing.T) {
	need(t, "node", "npm", "chromium")
	program := t.TempDir()
	for _, name := range []string{"package.json", "session.js"} {
		text, err := os.ReadFile(filepath.Join("testdata/chromium", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(program, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
	install.Dir = program
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	w := world(t)
	cmd := exec.CommandContext(ctx, "node", filepath.Join(program, "session.js"),
		w.Endpoint, w.TenantID, directory.AzureCLIAppID, w.UserName, w.UserPassword, binary)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var seen struct {
		SignedIn, Named, Continued, Stolen, Replayed bool
		Violations                                   []string
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatal(err)
	}
	if !seen.SignedIn || !seen.Named || !seen.Continued || !seen.Stolen {
		t.Errorf("the browser saw %s", out)
	}
	if seen.Replayed || len(seen.Violations) > 0 {
		t.Errorf("the cookies alone let a program in, or a policy forbade what pages do: %s", out)
	}
}
