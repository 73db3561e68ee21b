package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestJWKSExportWithAndWithoutAServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	rotated, _, _ := command(t, "keys", "rotate", "--data", data) // published, and not yet used
	export := func() string {
		t.Helper()
		out, errs, ok := command(t, "jwks", "export", "--data", data)
		if !ok {
			t.Fatal(errs)
		}
		var set struct{ Keys []map[string]any }
		if err := json.Unmarshal([]byte(out), &set); err != nil {
			t.Fatal(err)
		}
		var kids []string
		for _, key := range set.Keys {
			for name := range key {
				if !slices.Contains([]string{"kty", "use", "alg", "kid", "x5t", "n", "e", "x5c"}, name) {
					t.Errorf("a key has %s", name)
				}
			}
			if key["alg"] != "RS256" || key["use"] != "sig" {
				t.Errorf("%v", key)
			}
			kids = append(kids, key["kid"].(string))
		}
		if len(kids) != 2 || !slices.Contains(kids, strings.TrimSpace(rotated)) {
			t.Errorf("keys %v, and not %s", kids, rotated)
		}
		return out
	}
	online := export()

	file := filepath.Join(t.TempDir(), "keys.pem")
	if out, errs, ok := command(t, "jwks", "export", "--data", data, "--format", "pem", "--output", file); !ok || out != "" {
		t.Fatal(out, errs)
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for block, rest := pem.Decode(written); block != nil; block, rest = pem.Decode(rest) {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if _, isRSA := key.(*rsa.PublicKey); err != nil || !isRSA || block.Type != "PUBLIC KEY" {
			t.Errorf("%s: %T, %v", block.Type, key, err)
		}
		seen++
	}
	if seen != 2 {
		t.Errorf("%d keys in %s", seen, written)
	}

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if _, errs, ok := command(t, "jwks", "export", "--data", data, "--output", link); !ok {
		t.Error(errs)
	}
	if linked, err := os.Readlink(link); err != nil || linked != file {
		t.Errorf("the link is now %q, %v", linked, err)
	}
	if replaced, err := os.ReadFile(file); err != nil || string(replaced) != online {
		t.Errorf("%s, %v", replaced, err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if out, err := exec.CommandContext(t.Context(), "mkfifo", pipe).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for _, other := range []string{filepath.Dir(file), pipe} {
		if _, errs, ok := command(t, "jwks", "export", "--data", data, "--output", other); ok || !strings.Contains(errs, "not a file") {
			t.Errorf("%s: %v %s", other, ok, errs)
		}
	}
	if out, errs, ok := command(t, "jwks", "export", "--data", data, "--output", "-"); !ok || out != online {
		t.Errorf("to standard output: %s %s", out, errs)
	}

	p.end(t, os.Interrupt)
	if offline := export(); offline != online {
		t.Error("the keys of the store are others than those of the server")
	}
	if out, errs, ok := command(t, "jwks", "export", "--data", filepath.Join(data, "none")); ok || out != "" || errs == "" {
		t.Errorf("a folder that does not exist: %q %q", out, errs)
	}
}

func TestAppCreateMakesPagesAndAudiencesOfEitherVersion(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	startServer(t, data)
	for _, args := range [][]string{
		{"page", "--page", "--redirect", "https://app.corp.example/"}, {"kubernetes", "--token-version", "2"},
	} {
		if out, errs, ok := command(t, append([]string{"app", "create", "--data", data}, args...)...); !ok {
			t.Fatal(out, errs)
		}
	}
	dump, _, _ := command(t, "dump", "--data", data)
	for _, stored := range []string{`"spa":["https://app.corp.example/"]`, `"tokenVersion":2`} {
		if !strings.Contains(dump, stored) {
			t.Errorf("%s is not stored", stored)
		}
	}
	if _, errs, ok := command(t, "app", "create", "--data", data, "x", "--token-version", "3"); ok || !strings.Contains(errs, "requestedAccessTokenVersion") {
		t.Errorf("a version that does not exist: %s", errs)
	}
}
