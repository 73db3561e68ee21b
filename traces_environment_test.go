package midas_test

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"midas"
)

// variables returns an environment for TracesConfig.Environment.
func variables(all map[string]string) func(string) string {
	return func(name string) string { return all[name] }
}

// TestSettingsOfTheFileCountMoreThanVariables starts a server whose collector is in OpenTelemetry's variables, with wrong
// other settings, and in whose configuration the right ones are.
func TestSettingsOfTheFileCountMoreThanVariables(t *testing.T) {
	got := make(chan http.Header, 100)
	collector := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Header
	}))
	defer collector.Close()
	cfg, folder, ratio := quiet(t), t.TempDir(), 1.0
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg.Traces = midas.TracesConfig{
		CA:      write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: collector.Certificate().Raw}))),
		Headers: write("headers", "Authorization: Bearer of-the-file\n"), Ratio: &ratio,
		Environment: variables(map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL, "OTEL_EXPORTER_OTLP_CERTIFICATE": filepath.Join(folder, "missing"),
			"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20of-the-variable,x-scope=variable", "OTEL_TRACES_SAMPLER": "always_off",
		}),
	}
	s := start(t, cfg)
	admin := administrator(t, cfg.Data)
	resp, err := admin.HTTP.Get(admin.Endpoint + "/common/discovery/v2.0/keys")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	shutdown(t, s)
	if len(got) == 0 {
		t.Fatal("no spans")
	}
	if h := <-got; h.Get("Authorization") != "Bearer of-the-file" || h.Get("X-Scope") != "variable" {
		t.Errorf("%v", h)
	}
}

// TestVariablesTurnTracesOff also if the configuration has settings that only matter with an endpoint.
func TestVariablesTurnTracesOff(t *testing.T) {
	collector := "http://127.0.0.1:1"
	for name, off := range map[string]map[string]string{
		"OTEL_SDK_DISABLED":    {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": collector},
		"OTEL_TRACES_EXPORTER": {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": collector},
		"without an endpoint":  {"OTEL_SDK_DISABLED": "TRUE"},
	} {
		cfg, ratio := quiet(t), 0.5
		cfg.Traces = midas.TracesConfig{Headers: "missing", CA: "missing", Ratio: &ratio, Environment: variables(off)}
		s, err := midas.Start(t.Context(), cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		shutdown(t, s)
	}
}
