//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pageBlock returns the first block of a language in a page of the docs.
func pageBlock(t *testing.T, page, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```"+language+"\n")
	code, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("%s has no block of %s", page, language)
	}
	return code + "\n"
}

// TestStandardLibrariesVerifyTokens runs the programs of docs/verify.md with good tokens and with bad ones.
func TestStandardLibrariesVerifyTokens(t *testing.T) {
	need(t, "node", "npm", "/usr/bin/python3")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	w := world(t)
	client := acceptsVersion2(t, w)
	good, foreign := w.midas(t, "token", "--resource", client), w.midas(t, "token", "--resource", "https://management.azure.com/")
	programs := map[string][]string{"Node": nodeVerifier(ctx, t), "Python": pythonVerifier(t)}
	for name, program := range programs {
		for what, tt := range map[string]struct {
			token, audience string
			accepted        bool
		}{
			"a good token":       {good, client, true},
			"another audience":   {good, "api://other", false},
			"version 1.0":        {foreign, "https://management.azure.com/", false},
			"a broken signature": {good[:len(good)-6] + "AAAAAA", client, false},
			"no signature":       {good[:strings.LastIndexByte(good, '.')+1], client, false},
		} {
			cmd := exec.CommandContext(ctx, program[0], append(program[1:], tt.token)...)
			ca := filepath.Join(w.data, "ca.pem")
			cmd.Env = append(os.Environ(), "MIDAS_ENDPOINT="+w.Endpoint, "MIDAS_TENANT_ID="+w.TenantID, "AUDIENCE="+tt.audience,
				"NODE_EXTRA_CA_CERTS="+ca, "SSL_CERT_FILE="+ca)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if (err == nil) != tt.accepted || tt.accepted && len(strings.TrimSpace(string(out))) != 36 {
				t.Errorf("%s, %s: %v, %q\n%s", name, what, err, out, &errs)
			}
		}
	}
}

// acceptsVersion2 registers an application whose tokens are of version 2.0, and returns its client id.
func acceptsVersion2(t *testing.T, w *azureCLI) string {
	t.Helper()
	var app struct{ ID, AppID string }
	if err := json.Unmarshal([]byte(w.midas(t, "app", "create", "orders")), &app); err != nil {
		t.Fatal(err)
	}
	cmd := w.command(t.Context(), "curl", "-sSf", "-X", "PATCH", "-H", "Authorization: Bearer "+w.midas(t, "token", "--resource", "https://graph.microsoft.com/"),
		"-H", "Content-Type: application/json", "-d", `{"api":{"requestedAccessTokenVersion":2}}`,
		"https://graph.microsoft.com/v1.0/applications(appId='"+app.AppID+"')")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return app.AppID
}

func nodeVerifier(ctx context.Context, t *testing.T) []string {
	t.Helper()
	program := t.TempDir()
	writeText(t, filepath.Join(program, "package.json"), `{"private":true,"type":"module","dependencies":{"jose":"6.2.18"}}`)
	writeText(t, filepath.Join(program, "verify.js"), pageBlock(t, "verify.md", "js"))
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
	install.Dir = program
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	return []string{"node", filepath.Join(program, "verify.js")}
}

// pythonVerifier uses Debian's Python, which has PyJWT as a part of Azure CLI.
func pythonVerifier(t *testing.T) []string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "verify.py")
	writeText(t, program, pageBlock(t, "verify.md", "python"))
	return []string{"/usr/bin/python3", program}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
