package midas_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas"
)

// read reads a configuration file of that content.
func read(t *testing.T, content string) (midas.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "midas.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return midas.ReadConfig(path)
}

func TestConfigFileSetsEveryField(t *testing.T) {
	got, err := read(t, `
data: /var/lib/midas
listen: :443
origin: https://midas.example
names: [midas, 192.0.2.1]
trustedProxies: [192.0.2.1, 2001:db8::/32]
store: "memory:"
cache: 64MiB
lab: true
labWriteConflicts: true
namespaces: [Microsoft.Web]
ops: 127.0.0.1:9090
tokenLifetime: 90m
signIn: {sessionLifetime: 4h, sessionIdle: 1h, refreshOverlap: 10s}
issuers:
- {issuer: "https://kubernetes.example", ca: ca.pem, private: true}
- {issuer: "https://ci.example/", jwks: keys.json, enterprise: [a, b]}
keys: {rotateEvery: 720h, publishBefore: 1h}
activity: {maxAge: 24h, maxSize: 1 GiB}
log: {level: warn, format: json}
shutdownTimeout: 5s
`)
	want := midas.Config{
		Data: "/var/lib/midas", Listen: ":443", Origin: "https://midas.example", Names: []string{"midas", "192.0.2.1"},
		TrustedProxies: []string{"192.0.2.1", "2001:db8::/32"},
		Store:          "memory:", Cache: 64 << 20, Lab: true, LabWriteConflicts: true, Namespaces: []string{"Microsoft.Web"}, Ops: "127.0.0.1:9090", TokenLifetime: 90 * time.Minute,
		SignIn: midas.SignInConfig{SessionLifetime: 4 * time.Hour, SessionIdle: time.Hour, RefreshOverlap: 10 * time.Second},
		Issuers: []midas.IssuerConfig{
			{Issuer: "https://kubernetes.example", CA: "ca.pem", Private: true},
			{Issuer: "https://ci.example/", JWKS: "keys.json", Enterprise: []string{"a", "b"}},
		},
		Keys:            midas.KeysConfig{RotateEvery: 720 * time.Hour, PublishBefore: time.Hour},
		Activity:        midas.ActivityConfig{MaxAge: 24 * time.Hour, MaxSize: 1 << 30},
		Log:             midas.LogConfig{Level: slog.LevelWarn, Format: "json"},
		ShutdownTimeout: 5 * time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestEmptyConfigFileIsTheZeroConfig(t *testing.T) {
	for _, content := range []string{"", "# nothing\n", "{}"} {
		got, err := read(t, content)
		if diff := cmp.Diff(midas.Config{}, got); diff != "" || err != nil {
			t.Errorf("%q: %v %s", content, err, diff)
		}
	}
}

func TestConfigFileErrorsNameThePlace(t *testing.T) {
	for content, want := range map[string]string{
		"listne: x\n":             "line 1: field listne not found",
		"log:\n  colour: red\n":   "line 2: field colour not found",
		"lab: maybe\n":            "line 1: cannot unmarshal",
		"cache: lots\n":           `"lots" is not a size such as 64MiB`,
		"cache: -1\n":             `"-1" is not a size`,
		"cache: 9999999TiB\n":     `"9999999TiB" is not a size`,
		"tokenLifetime: 1 day\n":  "line 1: cannot unmarshal",
		"log: {level: loud}\n":    "loud",
		"data: a\n---\ndata: b\n": "one document",
		"data: [\n":               "line",
	} {
		if _, err := read(t, content); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "midas.yaml") {
			t.Errorf("%q: %v, want %q", content, err, want)
		}
	}
	if _, err := midas.ReadConfig(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("missing file: %v", err)
	}
}
