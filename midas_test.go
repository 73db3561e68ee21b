package midas_test

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"midas"
	"midas/internal/client"
)

// quiet is a server's configuration for tests: a folder of its own, a free port, state in memory.
func quiet(t *testing.T) midas.Config {
	t.Helper()
	return midas.Config{
		Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Store: "memory:",
		Logger: slog.New(slog.DiscardHandler),
	}
}

// start runs a server until the test ends, if the test does not end it before.
func start(t *testing.T, cfg midas.Config) *midas.Server {
	t.Helper()
	s, err := midas.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// administrator is the administrator of a data folder.
func administrator(t *testing.T, data string) *client.Client {
	t.Helper()
	c, err := client.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.HTTP.CloseIdleConnections)
	return c
}

// get asks for a path of a server, or of its ops listener.
func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func shutdown(t *testing.T, s *midas.Server) {
	t.Helper()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestDataFolderHasTheDocumentedFilesAndModes(t *testing.T) {
	for store, want := range map[string]map[string]fs.FileMode{
		"": {
			"": fs.ModeDir | 0o700, "ca.pem": 0o644, "server.pem": 0o600, "admin.json": 0o600,
			"master.key": 0o600, "lock": 0o600, "control.sock": fs.ModeSocket | 0o600, "store": fs.ModeDir | 0o700, "azure-ca": fs.ModeDir | 0o700,
		},
		"memory:": {
			"": fs.ModeDir | 0o700, "ca.pem": 0o644, "ca-key.pem": 0o600, "server.pem": 0o600, "admin.json": 0o600,
			"lock": 0o600, "control.sock": fs.ModeSocket | 0o600, "azure-ca": fs.ModeDir | 0o700, "hosts-ca": fs.ModeDir | 0o700,
		},
	} {
		cfg := quiet(t)
		cfg.Store = store
		s := start(t, cfg)
		for name, mode := range want {
			info, err := os.Stat(filepath.Join(cfg.Data, name))
			if err != nil || info.Mode() != mode {
				t.Errorf("store %q: %q has mode %v, want %v (%v)", store, name, info.Mode(), mode, err)
			}
		}
		entries, err := os.ReadDir(cfg.Data)
		if err != nil || len(entries) != len(want)-1 {
			t.Errorf("store %q: the folder holds %v", store, entries)
		}
		shutdown(t, s)
	}
}

func TestLaterStartsReuseEverything(t *testing.T) {
	for _, store := range []string{"", "memory:"} {
		cfg := quiet(t)
		cfg.Store = store
		first := start(t, cfg)
		admin, serial := first.Admin(), certificate(t, administrator(t, cfg.Data))
		shutdown(t, first)
		second := start(t, cfg)
		again := second.Admin()
		if again.Endpoint = admin.Endpoint; again != admin { // another free port
			t.Errorf("store %q: the administrator was %v and is %v", store, admin, again)
		}
		if got := certificate(t, administrator(t, cfg.Data)); got != serial {
			t.Errorf("store %q: the certificate is another", store)
		}
		shutdown(t, second)
	}
}

// certificate is the serial number of what the server shows.
func certificate(t *testing.T, c *client.Client) string {
	t.Helper()
	resp, err := c.HTTP.Get(c.Endpoint + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	c.HTTP.CloseIdleConnections() // HTTP/2 gives idle clients a second to go by themselves
	return resp.TLS.PeerCertificates[0].SerialNumber.String()
}

func TestServerIsReachedUnderItsNames(t *testing.T) {
	cfg := quiet(t)
	cfg.Listen = "localhost:0"
	cfg.Names = []string{"midas.test"}
	cfg.Origin = "https://public.test"
	s := start(t, cfg)
	if got := s.Admin().Endpoint; got != cfg.Origin {
		t.Errorf("endpoint %s", got)
	}
	_ = administrator(t, cfg.Data) // the file must be good for trusting
}

func TestLocalhostIsBothAddresses(t *testing.T) {
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	_ = probe.Close()
	cfg := quiet(t)
	cfg.Listen = "localhost:0"
	start(t, cfg)
	c := administrator(t, cfg.Data)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(c.Endpoint, "https://"))
	if err != nil || !strings.HasPrefix(c.Endpoint, "https://localhost:") {
		t.Fatalf("endpoint %s: %v", c.Endpoint, err)
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "localhost"} {
		if status, body := get(t, c.HTTP, "https://"+host+":"+port+"/readyz"); status != 200 {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
}

func TestMetricsAreServedByTheOpsListenerOnly(t *testing.T) {
	cfg := quiet(t)
	cfg.Ops = "127.0.0.1:0"
	s := start(t, cfg)
	c := administrator(t, cfg.Data)
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/heap"} {
		if status, _ := get(t, plain, s.OpsURL()+path); status != 200 {
			t.Errorf("ops %s: %d", path, status)
		}
		status, _ := get(t, c.HTTP, c.Endpoint+path)
		if health := strings.HasSuffix(path, "z"); (status == 200) != health {
			t.Errorf("main %s: %d", path, status)
		}
	}
	_, metrics := get(t, plain, s.OpsURL()+"/metrics")
	for _, want := range []string{
		`midas_http_requests_total{api="ops",operation="readyz",status="200"} 2`,
		"midas_store_cache_hits_total", "midas_store_cache_misses_total", "midas_store_cache_bytes",
		"midas_store_revision", "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestNoOpsListenerByDefault(t *testing.T) {
	if url := start(t, quiet(t)).OpsURL(); url != "" {
		t.Error(url)
	}
}

func TestStartThatFailsLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	cfg := quiet(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct {
		change func(*midas.Config)
		want   string
	}{
		"port taken":         {func(c *midas.Config) { c.Listen = taken.Addr().String() }, "the port is taken by another program"},
		"ops port taken":     {func(c *midas.Config) { c.Ops = taken.Addr().String() }, "--ops"},
		"address not ours":   {func(c *midas.Config) { c.Listen = "192.0.2.1:0" }, "cannot listen on 192.0.2.1:0"},
		"name not possible":  {func(c *midas.Config) { c.Names = []string{"a b"} }, `"a b"`},
		"store not a folder": {func(c *midas.Config) { c.Store = "pebble:/dev/null" }, "/dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			c.change(&cfg)
			s, err := midas.Start(t.Context(), cfg)
			if err == nil {
				shutdown(t, s)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	s, err := midas.Start(t.Context(), cfg) // the folder is free again
	if err != nil {
		t.Fatal(err)
	}
	shutdown(t, s)
}

func TestLabHasTheWellKnownCredentials(t *testing.T) {
	cfg := quiet(t)
	cfg.Lab = true
	admin := start(t, cfg).Admin()
	want := midas.Admin{
		Endpoint: admin.Endpoint, TenantID: midas.LabTenantID, SubscriptionID: midas.LabSubscriptionID,
		ClientID: midas.LabClientID, ClientSecret: midas.LabClientSecret,
		UserName: midas.LabUserName, UserPassword: midas.LabUserPassword,
	}
	if admin != want {
		t.Errorf("administrator %v", admin)
	}
}

func TestLongDataPathDisablesOnlyTheControlSocket(t *testing.T) {
	cfg := quiet(t)
	cfg.Data = filepath.Join(cfg.Data, strings.Repeat("long", 25))
	s := start(t, cfg)
	if !strings.Contains(s.Warning(), "too long for a socket") {
		t.Errorf("warning %q", s.Warning())
	}
	err := midas.Dump(t.Context(), cfg, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "too long") || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("dump while it runs: %v", err)
	}
	shutdown(t, s)
	cfg.Store = ""
	shutdown(t, start(t, cfg))
	if err := midas.Dump(t.Context(), cfg, io.Discard); err != nil {
		t.Errorf("dump without a server: %v", err)
	}
}

func TestTokenOfTheAdministratorWorksAcrossRestarts(t *testing.T) {
	for _, store := range []string{"", "memory:"} {
		cfg := quiet(t)
		cfg.Store = store
		for range 2 {
			s := start(t, cfg)
			c := administrator(t, cfg.Data)
			raw, err := c.Token(t.Context(), "https://management.azure.com/")
			if err != nil {
				t.Fatalf("store %q: %v", store, err)
			}
			req, err := http.NewRequestWithContext(t.Context(), "GET", c.Endpoint+"/subscriptions/"+c.SubscriptionID+"?api-version=2022-12-01", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+raw)
			resp, err := c.HTTP.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("store %q: %s", store, resp.Status)
			}
			c.HTTP.CloseIdleConnections()
			shutdown(t, s)
		}
	}
}

func TestTokenErrorHasTheServersReason(t *testing.T) {
	cfg := quiet(t)
	start(t, cfg)
	c := administrator(t, cfg.Data)
	c.ClientSecret = "wrong"
	if _, err := c.Token(t.Context(), "https://management.azure.com/"); err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Error(err)
	}
}

func TestTooLongRequestsAreRefusedInTheFormatOfEachAPI(t *testing.T) {
	cfg := quiet(t)
	start(t, cfg)
	c := administrator(t, cfg.Data)
	long := strings.Repeat("a", 9000)
	for path, want := range map[string]string{
		"/" + c.TenantID + "/oauth2/v2.0/token?x=": "AADSTS",
		"/subscriptions/?x=":                       `"code"`,
	} {
		status, body := get(t, c.HTTP, c.Endpoint+path+long)
		if status != http.StatusRequestURITooLong || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	resp, err := c.HTTP.Post(c.Endpoint+"/"+c.TenantID+"/oauth2/v2.0/token", "application/x-www-form-urlencoded", strings.NewReader("x="+strings.Repeat("a", 2<<20)))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 2 MiB: %s", resp.Status)
	}
}
