//go:build e2e

package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The Azure libraries for Python that Debian's Azure CLI comes with, used by a program of their own.
func TestPythonLibrariesWorkUnchanged(t *testing.T) {
	const python = "/usr/bin/python3" // the system's, whose libraries they are
	need(t, python)
	w := world(t)
	program, err := filepath.Abs("testdata/python/identities.py")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := w.command(ctx, python, program)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	const want = `{"same": true, "names": ["python-app"], "gone": "ResourceNotFound", "wrong": true}`
	if got := strings.TrimSpace(string(out)); got != want {
		t.Errorf("the program saw %s, want %s", got, want)
	}
}
