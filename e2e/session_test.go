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

// chromium installs what the scripts in testdata/chromium need, and returns a command that runs one of them
// with arguments and the path of the browser.
func chromium(ctx context.Context, t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	need(t, "node", "npm", "chromium")
	program := t.TempDir()
	if err := os.CopyFS(program, os.DirFS("testdata/chromium")); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
	install.Dir = program
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "node", append(append([]string{filepath.Join(program, script)}, args...), binary)...)
	cmd.Stderr = os.Stderr
	return cmd
}

// TestChromiumKeepsTheSessionFromOtherPorts signs in with a real browser, which sends its cookies to every
// port of the host.
func TestChromiumKeepsTheSessionFromOtherPorts(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	w := world(t)
	cmd := chromium(ctx, t, "session.js", w.Endpoint, w.TenantID, directory.AzureCLIAppID, w.UserName, w.UserPassword)
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

// TestChromiumUsesThePages signs in and out as users do: with applications that redirect elsewhere, several
// accounts, devices, no scripts and no cookies. Each page is checked with axe. With -artifacts, the test
// keeps a picture of each page.
func TestChromiumUsesThePages(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	w := world(t)
	cmd := chromium(ctx, t, "pages.js", t.ArtifactDir(), w.Endpoint, w.TenantID, w.ClientID, w.ClientSecret, w.UserName, w.UserPassword)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var seen struct {
		Results map[string]string
		Looked  []string
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(seen.Results) < 10 || len(seen.Looked) < 15 {
		t.Errorf("the browser saw %s", out)
	}
	for check, fault := range seen.Results {
		if fault != "" {
			t.Errorf("%s: %s", check, fault)
		}
	}
}
