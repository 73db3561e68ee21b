package midas_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
	"midas/internal/trace/tracetest"
)

// createMachine creates the machine of labMachine with an identity, and returns the secrets that were used.
func createMachine(t *testing.T, data string) (secrets []string) {
	t.Helper()
	admin := administrator(t, data)
	bearer, err := admin.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, put := range [][2]string{
		{labMachine[:strings.Index(labMachine, "/providers")] + "?api-version=2021-04-01", `{"location":"eastus"}`},
		{labMachine + "?api-version=2024-07-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "PUT", admin.Endpoint+put[0], strings.NewReader(put[1]))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("Content-Type", "application/json")
		resp, err := admin.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if _ = resp.Body.Close(); resp.StatusCode >= 300 {
			t.Fatalf("%s: %s", resp.Status, body)
		}
	}
	return []string{bearer, midas.LabClientSecret, midas.LabUserPassword}
}

// A token for a workload is one trace, from the agent's endpoint over the request to the server to the signature. No
// secret is in any span.
func TestOneTraceFromTheAgentToTheServer(t *testing.T) {
	collector := tracetest.New(t)
	cfg := quiet(t)
	cfg.Lab = true
	cfg.Metadata = []midas.MetadataConfig{{Resource: labMachine, Listen: "127.0.0.1:0", Unlimited: true}}
	cfg.Traces = midas.TracesConfig{Endpoint: collector.URL, Trust: []string{"hosts"}}
	s := start(t, cfg)
	secrets := createMachine(t, cfg.Data)
	body := until(t, s.MetadataURLs()[0], 200)
	token := body[strings.Index(body, "eyJ"):]
	secrets = append(secrets, token[:strings.Index(token, `"`)])
	shutdown(t, s)

	byID := map[string]tracetest.Span{}
	for _, s := range collector.Spans() {
		byID[s.ID] = s
	}
	var path []string
	for _, s := range byID {
		if s.Name != "token.sign" || byID[s.Parent].Name != "POST hosts/token" {
			continue
		}
		for at := s; at.ID != ""; at = byID[at.Parent] {
			if at.Trace != s.Trace {
				t.Errorf("another trace: %+v", at)
			}
			path = append(path, at.Name+" "+strings.TrimPrefix(at.Kind, "SPAN_KIND_"))
		}
	}
	if got, want := strings.Join(path, " < "), "token.sign INTERNAL < POST hosts/token SERVER < POST /hosts/v1/token CLIENT < GET metadata/"; !strings.HasPrefix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	put := collector.Wait(t, func(s tracetest.Span) bool {
		return s.Name == "PUT management/Microsoft.Compute/virtualMachines/write" && s.Attrs["http.response.status_code"] == int64(201)
	})
	collector.Wait(t, func(s tracetest.Span) bool { return s.Name == "store.update" && s.Parent == put.ID })
	for _, secret := range secrets {
		if secret == "" || strings.Contains(collector.Bodies(), secret) {
			t.Errorf("a span has the secret %.12q", secret)
		}
	}
}

// Whoever is not trusted neither has requests recorded nor chooses the id of a trace, and the server's answers name the
// trace that an operator can find.
func TestStrangersDecideNothingAboutTraces(t *testing.T) {
	collector := tracetest.New(t)
	cfg := quiet(t)
	none := 0.0
	cfg.Traces = midas.TracesConfig{Endpoint: collector.URL, Ratio: &none, Trust: []string{"hosts", "192.0.2.7"}}
	s := start(t, cfg)
	admin := administrator(t, cfg.Data)
	for range 20 {
		req, err := http.NewRequestWithContext(t.Context(), "GET", admin.Endpoint+"/common/discovery/v2.0/keys", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("traceparent", "00-"+strings.Repeat("1", 32)+"-"+strings.Repeat("2", 16)+"-01")
		req.Header.Set("tracestate", "a="+strings.Repeat("x", 200))
		resp, err := admin.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	shutdown(t, s)
	if got := collector.Spans(); len(got) != 0 {
		t.Errorf("%d spans", len(got))
	}
}

func TestStartRefusesWrongTraces(t *testing.T) {
	wrong := 7.0
	for want, c := range map[string]midas.TracesConfig{
		"traces: endpoint: ": {Endpoint: "collector:4317"},
		"traces: ratio: ":    {Endpoint: "http://127.0.0.1:4318", Ratio: &wrong},
		"traces: OTEL_EXPORTER_OTLP_PROTOCOL: ": {Environment: func(name string) string {
			return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}[name]
		}},
		"traces: headers: ": {Endpoint: "http://127.0.0.1:4318", Headers: filepath.Join(t.TempDir(), "missing")},
		`"everybody"`:       {Endpoint: "http://127.0.0.1:4318", Trust: []string{"everybody"}},
	} {
		cfg := quiet(t)
		cfg.Traces = c
		s, err := midas.Start(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if s != nil {
			shutdown(t, s)
		}
		if _, err := os.Stat(cfg.Data); err == nil {
			t.Errorf("%s: the data folder was made", want)
		}
	}
}
