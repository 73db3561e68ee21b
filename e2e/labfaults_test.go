//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// laboratory is world with --lab.
func laboratory(t *testing.T) *azureCLI {
	t.Helper()
	dir := t.TempDir()
	begin(t, dir, "--lab", "--store", "memory:")
	w := &azureCLI{data: filepath.Join(dir, "midas-data")}
	text, err := os.ReadFile(filepath.Join(w.data, "admin.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &w.admin); err != nil {
		t.Fatal(err)
	}
	w.run = []string{midasBinary(t), "exec", "--data", w.data, "--"}
	w.env = append(os.Environ(), "AZURE_CORE_COLLECT_TELEMETRY=0", "MIDAS_DATA="+w.data)
	return w
}

// lab runs midas lab.
func (w *azureCLI) lab(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := w.command(ctx, append([]string{midasBinary(t), "lab"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("midas lab %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// Azure's libraries for Python come through 429 with Retry-After, 500 and 503 by their own retries.
func TestPythonLibrariesComeThroughFaults(t *testing.T) {
	const python = "/usr/bin/python3"
	need(t, python)
	w := laboratory(t)
	program, err := filepath.Abs("testdata/python/faults.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, preset := range []string{"throttled", "arm-500", "arm-503", "login-unavailable"} {
		w.lab(t, "fault", "add", "--preset", preset, "--name", preset, "--count", "1")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := w.command(ctx, python, program)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != `["rg1", "rg1", "rg1"]` {
		t.Errorf("%v: the program saw %s\n%s", err, out, &errs)
	}
	if list := w.lab(t, "fault", "list"); strings.Count(list, `"hits": 1`) != 4 {
		t.Errorf("not every fault has changed a request:\n%s", list)
	}
}

// Azure CLI keeps its token until its machine's clock says that it has expired. The server refuses it before, if only its
// own clock is moved; when the machine's clock is moved as well, Azure CLI gets a new token.
func TestAzureCLIUnderAMovedClock(t *testing.T) {
	w := laboratory(t)
	shift := t.TempDir()
	const moved = `import datetime, os, time
by = float(os.environ.get("CLOCK_AHEAD", "0"))
if by:
    real = time.time
    time.time = lambda: real() + by
`
	if err := os.WriteFile(filepath.Join(shift, "sitecustomize.py"), []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "AZURE_CONFIG_DIR="+t.TempDir(), "PYTHONPATH="+shift)
	if _, errs, err := w.try(t, "login", "--service-principal", "-u", w.ClientID, "-p", w.ClientSecret, "--tenant", w.TenantID); err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	list := []string{"group", "list", "-o", "json"}
	if _, errs, err := w.try(t, list...); err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	w.lab(t, "clock", "--advance", "25h")
	if _, errs, err := w.try(t, list...); err == nil || !strings.Contains(errs, "ExpiredAuthenticationToken") {
		t.Errorf("the token of yesterday: %v: %s", err, errs)
	}
	w.env = append(w.env, "CLOCK_AHEAD=90000")
	if out, errs, err := w.try(t, list...); err != nil || strings.TrimSpace(out) != "[]" {
		t.Errorf("Azure CLI has no new token: %v: %s %s", err, out, errs)
	}
}
