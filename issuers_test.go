package midas_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
)

// A mistake in the settings of an issuer ends the start with its place and its kind.
func TestStartRefusesWrongSettingsOfIssuers(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const issuer = "https://issuer.example"
	for want, all := range map[string][]midas.IssuerConfig{
		"https URL with a host":        {{Issuer: "HTTPS://issuer.example"}},
		"not an https URL with a host": {{Issuer: "http://issuer.example"}},
		"user information":             {{Issuer: "https://a:b@issuer.example"}},
		"a query or a fragment":        {{Issuer: issuer + "?x=y"}},
		`issuer ""`:                    {{}},
		"listed twice":                 {{Issuer: issuer}, {Issuer: issuer}},
		"no such file":                 {{Issuer: issuer, CA: filepath.Join(folder, "missing")}},
		"no certificate in PEM":        {{Issuer: issuer, CA: file("ca.pem", "hello")}},
		"is not JSON":                  {{Issuer: issuer, JWKS: file("text", "hello")}},
		"the key set is empty":         {{Issuer: issuer, JWKS: file("empty", `{"keys":[]}`)}},
		"the key set has no keys":      {{Issuer: issuer, JWKS: file("object", `{}`)}},
		"its use is not sig":           {{Issuer: issuer, JWKS: file("enc", `{"keys":[{"kty":"RSA","use":"enc"}]}`)}},
		"is not a regular file":        {{Issuer: issuer, JWKS: folder}},
		"has more than 1048576 bytes":  {{Issuer: issuer, JWKS: file("large", `{"keys":[`+strings.Repeat(" ", 1<<20)+`]}`)}},
	} {
		_, err := midas.Start(t.Context(), midas.Config{Data: filepath.Join(t.TempDir(), "data"), Store: "memory:", Listen: "127.0.0.1:0", Issuers: all})
		if err == nil || !strings.Contains(err.Error(), "issuers: issuer ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestConfigFileRefusesUnknownSettingsOfIssuers(t *testing.T) {
	_, err := read(t, `issuers: [{issuer: "https://a.example", insecure: true}]`)
	if err == nil || !strings.Contains(err.Error(), "insecure") {
		t.Error(err)
	}
}
