package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/keypair/keypairtest"
)

// TestOnlyTheOwnAuthorityIsInstalled: the root of the operator's certificate is not limited to the server's names.
func TestOnlyTheOwnAuthorityIsInstalled(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	p.end(t, os.Interrupt)
	file := filepath.Join(data, "ca.pem")
	own, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(own, keypairtest.New(t, "Company root").PEM()...), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := openAuthority(data)
	if err != nil || string(a.own) != string(own) || !strings.Contains(a.subject, "Midas local CA") || strings.Count(string(a.pem), "BEGIN") != 2 {
		t.Errorf("%v: %q\n%s", err, a.subject, a.own)
	}
}
