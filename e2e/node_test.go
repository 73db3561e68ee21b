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
)

// Azure's libraries for Node have Azure's names built in; under midas exec they need no option.
func TestNodeLibrariesWorkUnchanged(t *testing.T) {
	need(t, "node", "npm", "curl")
	program := t.TempDir()
	for _, name := range []string{"package.json", "identities.js"} {
		text, err := os.ReadFile(filepath.Join("testdata/node", name))
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
	w := world(t)
	group := w.command(ctx, "sh", "-c", `"$0" token > token && curl -sSf -o /dev/null -X PUT -H "Authorization: Bearer $(cat token)" -H 'Content-Type: application/json' -d '{"location":"eastus"}' "https://management.azure.com/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1?api-version=2021-04-01"`, midasBinary(t))
	if out, err := group.CombinedOutput(); err != nil {
		t.Fatalf("make the group: %v\n%s", err, out)
	}
	cmd := w.command(ctx, "node", filepath.Join(program, "identities.js"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var seen struct {
		Parts                  int
		Names                  []string
		Principal, Gone, Wrong string
		Same                   bool
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatal(err)
	}
	if seen.Parts != 3 || len(seen.Names) != 1 || seen.Names[0] != "node-app" || len(seen.Principal) != 36 || !seen.Same ||
		seen.Gone != "404 ResourceNotFound" || seen.Wrong != "AADSTS7000215" {
		t.Errorf("the program saw %s", out)
	}
}
