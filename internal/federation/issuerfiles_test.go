package federation_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"midas/internal/federation"
)

func TestIssuersReadAKeysFileAgainWhenItChanges(t *testing.T) {
	const issuer = "https://kubernetes.default.svc.cluster.local"
	path, clock := filepath.Join(t.TempDir(), "keys.json"), &testClock{}
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Minute)
	}
	set := func(kid string, n int) string { return fmt.Sprintf(`{"keys":[%s]}`, marshal(jwk(kid, n))) }
	write(set("k1", 0))
	var log bytes.Buffer
	issuers := newIssuersWith(t, federation.IssuersConfig{
		Settings: []federation.IssuerSettings{{Issuer: issuer, JWKS: path}}, Now: clock.Now, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	check := func(when, kid string, n int, want federation.Reason) {
		t.Helper()
		if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer, kid, n))); got != want {
			t.Errorf("%s: %s, and not %s", when, got, want)
		}
	}
	check("at first", "k1", 0, "verified")
	check("an unknown key", "k2", 1, federation.UnknownKey)
	write(set("k2", 1))
	check("a new key", "k2", 1, "verified")
	check("the old key", "k1", 0, federation.UnknownKey)
	for _, broken := range []string{"", "{", "<html>", "{}", `{"keys":[]}`, `{"keys":[{"kty":"RSA"}]}`, strings.Repeat(" ", 2<<20)} {
		write(broken)
		log.Reset()
		for range 5 {
			clock.Advance(time.Minute)
			check("broken", "k2", 1, "verified")
		}
		if n := strings.Count(log.String(), "not acceptable"); n != 1 {
			t.Errorf("%.20q: %d lines: %s", broken, n, log.String())
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	check("missing", "k2", 1, "verified")
	write(set("k3", 2))
	check("mended", "k3", 2, "verified")
	check("the key of before", "k2", 1, federation.UnknownKey)
	if seen := issuers.Inspect(t.Context(), issuer); !seen.Listed || seen.File != path || len(seen.Kids) != 1 || seen.Kids[0] != "k3" {
		t.Errorf("%+v", seen)
	}
}

// A certificate authority can be replaced while the server runs.
func TestIssuersReadACAFileAgain(t *testing.T) {
	issuer, other, clock := newTestIssuer(t), newTestIssuer(t), &testClock{}
	right, err := os.ReadFile(issuer.CA)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(issuer.CA, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := federation.NewIssuers(federation.IssuersConfig{Settings: []federation.IssuerSettings{issuer.Settings()}, Now: clock.Now}); err == nil {
		t.Error("a file without a certificate was accepted")
	}
	if err := os.WriteFile(issuer.CA, unrelatedCA(t), 0o600); err != nil {
		t.Fatal(err)
	}
	issuers := newIssuers(t, clock, issuer.Settings(), other.Settings())
	if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0))); got != federation.Unreachable {
		t.Errorf("with the wrong authority: %s", got)
	}
	if err := os.WriteFile(issuer.CA, right, 0o600); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	if err := issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0)); err != nil {
		t.Error(err)
	}
}

// A file is read again after a change that neither its time nor its size shows.
func TestIssuersReadAKeysFileAgainThatLooksTheSame(t *testing.T) {
	const issuer = "https://kubernetes.default.svc.cluster.local"
	path, clock := filepath.Join(t.TempDir(), "keys.json"), &testClock{}
	written := time.Now()
	write := func(n int) {
		t.Helper()
		if err := os.WriteFile(path, fmt.Appendf(nil, `{"keys":[%s]}`, marshal(jwk("k1", n))), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	issuers := newIssuers(t, clock, federation.IssuerSettings{Issuer: issuer, JWKS: path})
	write(1)
	clock.Advance(time.Minute)
	if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer, "k1", 1))); got != "verified" {
		t.Errorf("the new key: %s", got)
	}
	if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer, "k1", 0))); got != federation.Signature {
		t.Errorf("the old key: %s", got)
	}
}

// A file that could not be opened is used as soon as the server may open it.
func TestIssuersReadAKeysFileWhenItsPermissionIsGiven(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may open every file")
	}
	const issuer = "https://kubernetes.default.svc.cluster.local"
	path, clock := filepath.Join(t.TempDir(), "keys.json"), &testClock{}
	write := func(name string, mode os.FileMode, n int) {
		t.Helper()
		if err := os.WriteFile(name, fmt.Appendf(nil, `{"keys":[%s]}`, marshal(jwk("k1", n))), mode); err != nil {
			t.Fatal(err)
		}
		long := time.Now().Add(-time.Hour)
		if err := os.Chtimes(name, long, long); err != nil {
			t.Fatal(err)
		}
	}
	write(path, 0o600, 0)
	var log bytes.Buffer
	issuers := newIssuersWith(t, federation.IssuersConfig{
		Settings: []federation.IssuerSettings{{Issuer: issuer, JWKS: path}}, Now: clock.Now, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	write(path+".new", 0, 1)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		clock.Advance(time.Minute)
		if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer, "k1", 0))); got != "verified" {
			t.Errorf("the key of before: %s", got)
		}
	}
	if n := strings.Count(log.String(), "not acceptable"); n != 1 {
		t.Errorf("%d lines: %s", n, log.String())
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer, "k1", 1))); got != "verified" {
		t.Errorf("the new key: %s", got)
	}
}

// A pipe that replaces a file makes nobody wait.
func TestIssuersDoNotWaitForAPipe(t *testing.T) {
	const issuer = "https://kubernetes.default.svc.cluster.local"
	path, clock := filepath.Join(t.TempDir(), "keys.json"), &testClock{}
	if err := os.WriteFile(path, fmt.Appendf(nil, `{"keys":[%s]}`, marshal(jwk("k1", 0))), 0o600); err != nil {
		t.Fatal(err)
	}
	issuers := newIssuers(t, clock, federation.IssuerSettings{Issuer: issuer, JWKS: path})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	clock.Advance(time.Minute)
	if err := issuers.Verify(t.Context(), assertion(t, issuer, "k1", 0)); err != nil {
		t.Error(err)
	}
}
