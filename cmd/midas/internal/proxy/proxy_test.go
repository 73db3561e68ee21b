package proxy_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"midas/cmd/midas/internal/proxy"
)

// lines collects what is reported.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, s)
}

// begin runs a proxy until the test ends.
func begin(t *testing.T, cfg proxy.Config) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// through is a client whose every request goes to the proxy, as that of a program that does not
// know which hosts are its own machine.
func through(t *testing.T, p *proxy.Proxy) *http.Client {
	t.Helper()
	at, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(at), DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // whom the tunnel reaches is told by its answer
	}}
}

func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name+" as "+r.Host) })
}

func TestReachableHosts(t *testing.T) {
	server := httptest.NewTLSServer(named("midas"))
	defer server.Close()
	local := httptest.NewTLSServer(named("local"))
	defer local.Close()
	plain := httptest.NewServer(named("plain"))
	defer plain.Close()
	var told lines
	p := begin(t, proxy.Config{Server: server.Listener.Addr().String(), Endpoint: "midas.test:8443", Report: told.add})
	const refused = "refused"
	for target, want := range map[string]string{
		"https://management.azure.com/":                   "midas as management.azure.com",
		"https://LOGIN.microsoftonline.com/":              "midas as LOGIN.microsoftonline.com",
		"https://graph.microsoft.com/":                    "midas as graph.microsoft.com",
		"https://midas.test:8443/":                        "midas as midas.test:8443",
		local.URL:                                         "local as " + local.Listener.Addr().String(),
		plain.URL:                                         "plain as " + plain.Listener.Addr().String(),
		"https://example.com/":                            refused,
		"https://example.com:8443/":                       refused,
		"https://management.azure.com.example/":           refused,
		"https://169.254.169.254/":                        refused,
		"http://169.254.169.254/metadata/identity":        refused,
		"http://management.azure.com/":                    refused,
		"https://management.azure.com:8443/":              refused,
		"http://management.azure.com:443/":                refused,
		"https://midas.test/":                             refused,
		"https://10.0.0.1/":                               refused,
		"https://vault.azure.net.management.azure.com:1/": refused,
	} {
		resp, err := through(t, p).Get(target)
		if err != nil {
			if want != refused || !strings.Contains(err.Error(), "Forbidden") {
				t.Errorf("%s: %v", target, err)
			}
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := string(body); want == refused && resp.StatusCode != http.StatusForbidden || want != refused && got != want {
			t.Errorf("%s: %s %s, want %s", target, resp.Status, got, want)
		}
	}
	if len(told.all) == 0 {
		t.Error("nothing was reported")
	}
}

// Even a proxy that lets everything through must not let a program reach the real Azure.
func TestInternetIsNeverAzure(t *testing.T) {
	server := httptest.NewTLSServer(named("midas"))
	defer server.Close()
	p := begin(t, proxy.Config{Server: server.Listener.Addr().String(), Internet: true})
	for _, target := range []string{"https://management.azure.com:8443/", "https://login.windows.net.:80/"} {
		if _, err := through(t, p).Get(target); err == nil || !strings.Contains(err.Error(), "Forbidden") {
			t.Errorf("%s: %v", target, err)
		}
	}
	resp, err := through(t, p).Get("http://sts.windows.net/")
	if err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("in clear: %v %v", resp, err)
	}
	// The rest is tried: nobody listens on this port of this machine's own address.
	if _, err := through(t, p).Get("https://0.0.0.0:1/"); err == nil || !strings.Contains(err.Error(), "Bad Gateway") {
		t.Errorf("another host: %v", err)
	}
}

func TestEachHostIsReportedOnce(t *testing.T) {
	var told lines
	p := begin(t, proxy.Config{Server: "127.0.0.1:1", Report: told.add})
	for range 3 {
		_, _ = through(t, p).Get("https://example.com/")
		_, _ = through(t, p).Get("https://management.azure.com/")
	}
	want := []string{
		"refused to connect to example.com: only Azure's management, sign-in and Graph hosts go to Midas; --map sends another host to a double of it, --allow-internet allows all other hosts",
		"cannot reach 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused",
	}
	if diff := cmp.Diff(want, told.all); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyProxyRequestsAreServed(t *testing.T) {
	p := begin(t, proxy.Config{Server: "127.0.0.1:1"})
	for _, path := range []string{"/", "/metadata/identity/oauth2/token"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", p.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := req.URL.User.Password()
		req.Header.Set("Proxy-Authorization", basic(req.URL.User.Username(), password))
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v %v", path, resp, err)
		}
	}
}

// shown is a proxy's address and the header with its password.
func shown(t *testing.T, p *proxy.Proxy) (address, header string) {
	t.Helper()
	at, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := at.User.Password()
	return at.Host, "Proxy-Authorization: " + basic(at.User.Username(), password) + "\r\n"
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// tunnel opens one by hand.
func tunnel(t *testing.T, p *proxy.Proxy, target string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	address, header := shown(t, p)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// What follows the request at once must not be lost.
	if _, err := io.WriteString(conn, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n"+header+"\r\nhello "); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	return conn.(*net.TCPConn), in
}

// listen answers each connection, after it has ended its half, with all that it said.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer conn.Close()
				said, _ := io.ReadAll(conn)
				_, _ = conn.Write(said)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); done.Wait() })
	return l.Addr().String()
}

func TestTunnelIsHalfClosed(t *testing.T) {
	p := begin(t, proxy.Config{Server: listen(t)})
	conn, in := tunnel(t, p, "management.azure.com:443")
	if _, err := io.WriteString(conn, "world"); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); err != nil || string(got) != "hello world" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCloseEndsTunnelsAndLeavesNothing(t *testing.T) {
	address := listen(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p, err := proxy.Start(proxy.Config{Server: address})
	if err != nil {
		t.Fatal(err)
	}
	conn, in := tunnel(t, p, "management.azure.com:443")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := in.ReadByte(); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("the tunnel goes on: %v", err)
	}
	_ = conn.Close()
}

func TestControlCharactersInHostNamesAreNotPrinted(t *testing.T) {
	var told lines
	p := begin(t, proxy.Config{Server: "127.0.0.1:1", Report: told.add})
	address, header := shown(t, p)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET http://example.com%1b%5b31m/ HTTP/1.1\r\nHost: x\r\n"+header+"\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
	for _, line := range told.all {
		if strings.ContainsAny(line, "\x1b\n\r") {
			t.Errorf("%q", line)
		}
	}
}

// Programs that know only the address of Azure's metadata service, and heed a proxy, find it.
func TestMetadataAddressGoesToTheAgent(t *testing.T) {
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+r.URL.Path+r.Header.Get("Metadata")+strings.Join(r.Header["X-Forwarded-For"], ""))
	}))
	defer agent.Close()
	address := agent.Listener.Addr().String()
	for name, c := range map[string]struct {
		metadata, url, want string
		status              int
	}{
		"led":          {address, "http://169.254.169.254/metadata/x", "169.254.169.254/metadata/xtrue", 200},
		"another port": {address, "http://169.254.169.254:81/metadata/x", "", 403},
		"no agent":     {"", "http://169.254.169.254/metadata/x", "", 403},
		"others":       {address, "http://169.254.169.253/metadata/x", "", 403},
	} {
		p := begin(t, proxy.Config{Server: "127.0.0.1:1", Endpoint: "midas.test:8443", Metadata: c.metadata})
		req, err := http.NewRequestWithContext(t.Context(), "GET", c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Metadata", "true")
		resp, err := through(t, p).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != c.status || c.want != "" && string(body) != c.want {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

// Without an agent and with Config.Internet, requests go to the address that they name.
func TestMetadataAddressIsNotReplacedWithoutAnAgent(t *testing.T) {
	plain := httptest.NewServer(named("plain"))
	defer plain.Close()
	p := begin(t, proxy.Config{Server: "127.0.0.1:1", Endpoint: "midas.test:8443", Internet: true})
	resp, err := through(t, p).Get(plain.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if _ = resp.Body.Close(); !strings.HasPrefix(string(body), "plain as ") {
		t.Errorf("%s %s", resp.Status, body)
	}
}

// TestProxyRequiresItsPassword asks as another user of the machine can.
func TestProxyRequiresItsPassword(t *testing.T) {
	reached := 0
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reached++; r.Header["Proxy-Authorization"] != nil {
			t.Error("the password was passed on")
		}
	}))
	defer agent.Close()
	var told lines
	p := begin(t, proxy.Config{Server: agent.Listener.Addr().String(), Endpoint: "midas.test:8443", Metadata: agent.Listener.Addr().String(), Report: told.add})
	other := begin(t, proxy.Config{Server: "127.0.0.1:1"})
	address, header := shown(t, p)
	_, foreign := shown(t, other)
	right := strings.TrimSuffix(strings.TrimPrefix(header, "Proxy-Authorization: "), "\r\n")
	for name, headers := range map[string]string{
		"none":              "",
		"of another proxy":  foreign,
		"an empty password": "Proxy-Authorization: " + basic("midas", "") + "\r\n",
		"another name":      "Proxy-Authorization: " + basic("", "midas") + "\r\n",
		"without a scheme":  "Proxy-Authorization: " + strings.TrimPrefix(right, "Basic ") + "\r\n",
		"another scheme":    "Proxy-Authorization: Bearer " + strings.TrimPrefix(right, "Basic ") + "\r\n",
		"a prefix":          "Proxy-Authorization: " + right[:len(right)-4] + "\r\n",
		"twice":             header + foreign,
		"for the server":    strings.Replace(header, "Proxy-", "", 1),
		"no base64":         "Proxy-Authorization: Basic %%%\r\n",
		"of huge size":      "Proxy-Authorization: Basic " + strings.Repeat("QUFB", 1<<14) + "\r\n",
	} {
		for _, line := range []string{
			"CONNECT management.azure.com:443", "CONNECT " + agent.Listener.Addr().String(), "GET http://169.254.169.254/metadata/identity/oauth2/token",
			"GET " + agent.URL + "/", "POST http://midas.test:8443/", "GET /", "OPTIONS *",
		} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, line+" HTTP/1.1\r\nHost: x\r\n"+headers+"\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: "GET"})
			if err != nil || resp.StatusCode != http.StatusProxyAuthRequired || !strings.HasPrefix(resp.Header.Get("Proxy-Authenticate"), "Basic ") {
				t.Errorf("%s, password %s: %v %v", line, name, resp, err)
			}
			_ = conn.Close()
		}
	}
	if reached > 0 || len(told.all) > 0 {
		t.Errorf("%d requests went through; reported: %s", reached, told.all)
	}
	resp, err := through(t, p).Get("http://169.254.169.254/metadata/x")
	if err != nil || resp.StatusCode != 200 || reached != 1 {
		t.Errorf("with the password: %v %v", resp, err)
	}
	_ = resp.Body.Close()
}
