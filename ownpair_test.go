package midas_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
	"midas/internal/agent"
	"midas/internal/installation"
	"midas/internal/keypair/keypairtest"
)

// operated is the configuration of a server at https://localhost with a certificate of its operator.
func operated(t *testing.T, leaf keypairtest.Leaf, authorities string) midas.Config {
	t.Helper()
	cfg := quiet(t)
	cfg.Listen = "localhost:0"
	dir := t.TempDir()
	cfg.TLS = midas.TLSConfig{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	put(t, cfg.TLS, leaf)
	if authorities != "" {
		cfg.TLS.CA = filepath.Join(dir, "ca.crt")
		writeFile(t, cfg.TLS.CA, authorities)
	}
	return cfg
}

func put(t *testing.T, at midas.TLSConfig, leaf keypairtest.Leaf) {
	t.Helper()
	writeFile(t, at.Cert, leaf.Cert)
	writeFile(t, at.Key, leaf.Key)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// visitor is a client that trusts only some roots.
func visitor(t *testing.T, roots *x509.CertPool) *http.Client {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// shows asks for a page and returns the serial number of the server's certificate, and whether the connection is an
// earlier one.
func shows(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		t.Errorf("%s: %v", resp.Status, err)
	}
	return resp.TLS.PeerCertificates[0].SerialNumber.String()
}

// TestOwnCertificateIsServedAndReadAgain: connections that exist go on, new ones get the new certificate, and ca.pem
// has what clients need.
func TestOwnCertificateIsServedAndReadAgain(t *testing.T) {
	company, next := keypairtest.New(t, "Company root"), keypairtest.New(t, "Next company root")
	first, second := company.Below(t, "Company issuer").Issue(t, nil, "localhost"), next.Issue(t, nil, "localhost")
	cfg := operated(t, first, company.PEM()+next.PEM())
	log := &lines{}
	cfg.Logger, cfg.Ops = slog.New(slog.NewTextHandler(log, nil)), "127.0.0.1:0"
	s := start(t, cfg)
	url := s.Admin().Endpoint
	kept, fresh := visitor(t, company.Pool()), visitor(t, next.Pool())
	if got := shows(t, kept, url); got != first.X509.SerialNumber.String() {
		t.Errorf("the certificate %s is shown", got)
	}
	if _, err := fresh.Get(url + "/healthz"); err == nil {
		t.Error("a client that trusts another root trusts the server")
	}
	expiry := func(of keypairtest.Leaf) string {
		return fmt.Sprintf(`midas_certificate_expiry_timestamp_seconds{certificate="server"} %g`, float64(of.X509.NotAfter.Unix()))
	}
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	wantMetrics := func(want ...string) {
		t.Helper()
		_, metrics := get(t, plain, s.OpsURL()+"/metrics")
		for _, w := range want {
			if !strings.Contains(metrics, w) {
				t.Errorf("the metrics lack %s", w)
			}
		}
	}
	wantMetrics(expiry(first), "midas_certificate_reload_failed 0", `midas_certificate_expiry_timestamp_seconds{certificate="local_ca"}`, `midas_certificate_expiry_timestamp_seconds{certificate="hosts_ca"}`)

	writeFile(t, cfg.TLS.Cert, second.Cert) // its key comes later
	if err := s.Reload(); err == nil {
		t.Error("a certificate without its key was accepted")
	}
	wantMetrics(expiry(first), "midas_certificate_reload_failed 1")
	writeFile(t, cfg.TLS.Key, second.Key)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	wantMetrics(expiry(second), "midas_certificate_reload_failed 0")
	if got := shows(t, kept, url); got != first.X509.SerialNumber.String() {
		t.Errorf("the connection from before shows %s: it was dropped", got)
	}
	if got := shows(t, fresh, url); got != second.X509.SerialNumber.String() {
		t.Errorf("a new connection shows %s", got)
	}
	for _, want := range []string{"the files are tried again", "was read again"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// TestClientsTrustTheServerWithTheFileAlone: whichever root the operator's certificate has, ca.pem is enough, and the
// server's own authority is the first in it.
func TestClientsTrustTheServerWithTheFileAlone(t *testing.T) {
	company := keypairtest.New(t, "Company root")
	cfg := operated(t, company.Issue(t, nil, "localhost"), company.PEM())
	s := start(t, cfg)
	file := fileText(t, s.CAFile())
	if strings.Count(file, "BEGIN") != 2 || !strings.HasSuffix(file, company.PEM()) {
		t.Errorf("ca.pem:\n%s", file)
	}
	roots := pool(t, s.CAFile())
	shows(t, visitor(t, roots), s.Admin().Endpoint)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.Admin().Endpoint, "https://"))
	shows(t, visitor(t, roots), "https://127.0.0.1:"+port) // which only the local authority has
	admin := administrator(t, cfg.Data)
	if _, err := admin.Token(t.Context(), "https://management.azure.com"); err != nil {
		t.Errorf("the command line: %v", err)
	}
	if _, err := admin.Server(t.Context()); err != nil {
		t.Errorf("Azure's names: %v", err)
	}
	shutdown(t, s)

	// The next start without the certificate leaves the authority alone in the file, and the same one.
	cfg.TLS = midas.TLSConfig{}
	s = start(t, cfg)
	if got := fileText(t, s.CAFile()); got != strings.TrimSuffix(file, company.PEM()) {
		t.Errorf("without the certificate of the operator, ca.pem:\n%s", got)
	}
}

// TestAgentsOfTheLocalAuthorityGoOn: agents that were enrolled before the operator had a certificate know only the local
// authority, and the server's own agents too.
func TestAgentsOfTheLocalAuthorityGoOn(t *testing.T) {
	cfg := quiet(t)
	cfg.Listen, cfg.Store, cfg.Lab = "localhost:0", "", true
	s := start(t, cfg)
	admin := administrator(t, cfg.Data)
	makeMachine(t, admin)
	before := enroll(t, admin, labMachine, s.Admin().Endpoint, fileText(t, s.CAFile()))
	cfg.Listen = strings.TrimPrefix(s.Admin().Endpoint, "https://")
	shutdown(t, s)

	company := keypairtest.New(t, "Company root")
	with := operated(t, company.Issue(t, nil, "localhost"), company.PEM())
	cfg.TLS, cfg.Metadata = with.TLS, []midas.MetadataConfig{{Resource: labMachine, Listen: "127.0.0.1:0"}}
	s = start(t, cfg)
	admin = administrator(t, cfg.Data)
	until(t, s.MetadataURLs()[0], 200)
	wantToken(t, before)
	wantToken(t, enroll(t, admin, labMachine, s.Admin().Endpoint, fileText(t, s.CAFile()))) // knows both
	wantToken(t, enroll(t, admin, labMachine, s.Admin().Endpoint, company.PEM()))           // knows the operator's only
	token, err := admin.EnrollmentToken(t.Context(), labMachine)
	if err != nil {
		t.Fatal(err)
	}
	other := keypairtest.New(t, "Another root").PEM()
	if _, err := agent.Enroll(t.Context(), agent.Enrollment{Server: s.Admin().Endpoint, Roots: other, Token: token}); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an agent that trusts neither: %v", err)
	}
}

// TestWrongCertificatesAreRefusedBeforeAnythingIsWritten, with the name of the setting.
func TestWrongCertificatesAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	company := keypairtest.New(t, "Company root")
	good, elsewhere := company.Issue(t, nil, "midas.test"), company.Issue(t, nil, "other.test")
	for name, tt := range map[string]struct {
		change func(*midas.Config)
		want   string
	}{
		"no file":             {func(c *midas.Config) { c.TLS.Cert += "x" }, "tls.cert"},
		"only a certificate":  {func(c *midas.Config) { c.TLS.Key = "" }, "tls: cert and key belong together"},
		"only a key":          {func(c *midas.Config) { c.TLS.Cert = "" }, "tls: cert and key belong together"},
		"the key of another":  {func(c *midas.Config) { writeFile(t, c.TLS.Key, elsewhere.Key) }, "does not belong to"},
		"for another host":    {func(c *midas.Config) { put(t, c.TLS, elsewhere) }, "not for midas.test, the host of origin"},
		"agents.listen":       {func(c *midas.Config) { c.Agents.Listen = "localhost" }, "agents.listen"},
		"agents.origin":       {func(c *midas.Config) { c.Agents.Origin = "http://a.test" }, "agents.origin"},
		"a path in an origin": {func(c *midas.Config) { c.Agents.Origin = "https://a.test/x" }, "agents.origin"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := operated(t, good, company.PEM())
			cfg.Origin = "https://midas.test"
			tt.change(&cfg)
			if _, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v does not say %q", err, tt.want)
			}
			if _, err := os.Stat(cfg.Data); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the start has written into the data folder: %v", err)
			}
		})
	}
	t.Run("an origin that comes from listen", func(t *testing.T) {
		cfg := operated(t, good, company.PEM())
		if _, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "not for localhost, the host of origin: set origin") {
			t.Error(err)
		}
	})
	t.Run("a key that all users can read is reported", func(t *testing.T) {
		cfg := operated(t, good, company.PEM())
		cfg.Origin = "https://midas.test"
		if err := os.Chmod(cfg.TLS.Key, 0o644); err != nil {
			t.Fatal(err)
		}
		if w := start(t, cfg).Warning(); !strings.Contains(w, "all users of this machine can read the private key") {
			t.Errorf("warning: %q", w)
		}
	})
}

// TestAgentsHaveAListenerOfTheirOwn with the local authority's certificate, mutual TLS, and nothing for other clients.
func TestAgentsHaveAListenerOfTheirOwn(t *testing.T) {
	company := keypairtest.New(t, "Company root")
	cfg := operated(t, company.Issue(t, nil, "localhost"), "")
	writeFile(t, cfg.TLS.Cert, fileText(t, cfg.TLS.Cert)+company.PEM())
	cfg.Store, cfg.Lab, cfg.Agents.Listen = "memory:", true, "localhost:0"
	s := start(t, cfg)
	admin := administrator(t, cfg.Data)
	makeMachine(t, admin)
	block, _ := pem.Decode([]byte(fileText(t, s.CAFile())))
	local := string(pem.EncodeToMemory(block))
	wantToken(t, enroll(t, admin, labMachine, s.AgentsURL(), local))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(local))
	c := visitor(t, roots)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/hosts/v1/state": 403, "/subscriptions?api-version=2021-04-01": 404, "/common/discovery/v2.0/keys": 404, "/cluster/v1/authority": 404, "/metrics": 404, "/": 404} {
		if status, body := get(t, c, s.AgentsURL()+path); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	wantToken(t, enroll(t, admin, labMachine, s.Admin().Endpoint, local)) // the main listener takes agents too
}

// TestAgentsThatComeThroughAProxyAreToldTheAddressForAgents, before their token is used up.
func TestAgentsThatComeThroughAProxyAreToldTheAddressForAgents(t *testing.T) {
	cfg := quiet(t)
	cfg.Store, cfg.Lab, cfg.Agents.Origin = "memory:", true, "https://agents.test:8444"
	s := start(t, cfg)
	admin := administrator(t, cfg.Data)
	makeMachine(t, admin)
	token, err := admin.EnrollmentToken(t.Context(), labMachine)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		for method, path := range map[string]string{"POST": "/hosts/v1/enroll", "GET": "/hosts/v1/state"} {
			header := http.Header{name: {"for=192.0.2.1"}, "Content-Type": {"application/json"}}
			status, body := forwarded(t, admin, method, admin.Endpoint+path, `{"token":"`+string(token)+`","request":"x"}`, header)
			if status != http.StatusMisdirectedRequest || !strings.Contains(body, "ProxiedRequest") || !strings.Contains(body, cfg.Agents.Origin) {
				t.Errorf("%s %s: %d %s", name, path, status, body)
			}
		}
	}
	answer := spoken(t, s, "POST /hosts/v1/enroll HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	if !strings.Contains(answer, " 421 ") || !strings.Contains(answer, cfg.Agents.Origin) { // what nginx sends by default
		t.Errorf("HTTP/1.0: %s", answer)
	}
	c, err := agent.Enroll(t.Context(), agent.Enrollment{Server: s.Admin().Endpoint, Roots: fileText(t, s.CAFile()), Token: token})
	if err != nil {
		t.Fatalf("the token was used up: %v", err)
	}
	wantToken(t, c)
}

// spoken sends a text over TLS and returns the answer.
func spoken(t *testing.T, s *midas.Server, text string) string {
	t.Helper()
	at, err := url.Parse(s.Admin().Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", at.Host, &tls.Config{RootCAs: pool(t, s.CAFile())})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// TestChangedNamesKeepTheAuthority: a start with another origin or other names makes no new authority, says what
// clients must do, and clients with the earlier ca.pem go on.
func TestChangedNamesKeepTheAuthority(t *testing.T) {
	for _, engine := range []string{"", "memory:", "test:"} {
		t.Run("store "+engine, func(t *testing.T) {
			open := sharedStore(t)
			cfg := replica(t, masterFile(t, "c"))
			cfg.Store, cfg.Listen, cfg.Origin, cfg.Names = engine, "localhost:0", "https://one.test", []string{"two.test"}
			s, err := midas.StartOn(t.Context(), cfg, open)
			if err != nil {
				t.Fatal(err)
			}
			before := fileText(t, s.CAFile())
			earlier := pool(t, s.CAFile())
			shutdown(t, s)

			log := &lines{}
			cfg.Logger, cfg.Names = slog.New(slog.NewTextHandler(log, nil)), []string{"two.test", "three.test"}
			if engine != "test:" {
				cfg.Origin = "https://four.test" // replicas of one store cannot change it
			} else {
				moved := cfg
				moved.Origin = "https://four.test"
				if _, err := midas.StartOn(t.Context(), moved, open); !errors.Is(err, installation.ErrOrigin) {
					t.Errorf("another origin: %v", err)
				}
				if fileText(t, cfg.Data, "ca.pem") != before {
					t.Error("a start that was refused has changed ca.pem")
				}
				cfg.Data = filepath.Join(t.TempDir(), "another replica")
			}
			if s, err = midas.StartOn(t.Context(), cfg, open); err != nil {
				t.Fatal(err)
			}
			defer shutdown(t, s)
			if keyOfFile(t, fileText(t, s.CAFile())) != keyOfFile(t, before) {
				t.Error("ca.pem has another authority")
			}
			if text := log.String(); !strings.Contains(text, "three.test") || !strings.Contains(text, "need the new ca.pem") {
				t.Errorf("log: %s", text)
			}
			address, err := administrator(t, cfg.Data).Server(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"localhost", "two.test"} {
				dialer := tls.Dialer{Config: &tls.Config{RootCAs: earlier, ServerName: name}}
				conn, err := dialer.DialContext(t.Context(), "tcp", address)
				if err != nil {
					t.Errorf("a client with the earlier ca.pem, %s: %v", name, err)
					continue
				}
				_ = conn.Close()
			}
		})
	}
}

// keyOfFile is the public key of the first certificate of a file.
func keyOfFile(t *testing.T, text string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return string(cert.RawSubjectPublicKeyInfo)
}
