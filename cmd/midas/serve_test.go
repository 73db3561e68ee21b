package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"midas/internal/client"
	"midas/internal/keypair/keypairtest"
)

// process is a midas of its own.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
	stdout *bufio.Reader
	banner string // up to the ready line
	url    string
}

// begin runs midas serve on a folder and a free port.
func begin(t *testing.T, data string, args ...string) *process {
	t.Helper()
	args = append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0"}, args...)
	p := &process{Cmd: exec.CommandContext(t.Context(), "midas", args...)} // the test binary, see TestMain
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// startServer is begin, and waits for the ready line.
func startServer(t *testing.T, data string, args ...string) *process {
	t.Helper()
	p := begin(t, data, args...)
	for {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended before it was ready: %v: %v\n%s", err, p.Wait(), &p.stderr)
		}
		if url, found := strings.CutPrefix(line, "ready "); found {
			p.url = strings.TrimSpace(url)
			return p
		}
		p.banner += line
	}
}

// end sends a signal and wants a peaceful end.
func (p *process) end(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(p.stdout)
	if err != nil || len(rest) > 0 {
		t.Errorf("after the ready line: %q, %v", rest, err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("ended by %v: %v\n%s", sig, err, &p.stderr)
	}
}

// command runs another midas to its end.
func command(t *testing.T, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "midas", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return out.String(), errs.String(), err == nil
}

// roots are the folder's ca.pem.
func roots(t *testing.T, data string) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(data, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

// get asks as a client that trusts the folder's ca.pem.
func get(t *testing.T, data, url string) (int, string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots(t, data)}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Get(url)
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

func TestServeAcceptsRequestsAfterReadyAndEndsOnSignals(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var dumps []string
	for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		p := startServer(t, data)
		if status, body := get(t, data, p.url+"/readyz"); status != 200 {
			t.Errorf("readyz: %d %s", status, body)
		}
		env, _, _ := command(t, "env", "--data", data)
		for _, want := range []string{p.url, filepath.Join(data, "ca.pem")} {
			if !strings.Contains(env, want) {
				t.Errorf("env lacks %s:\n%s", want, env)
			}
		}
		for _, want := range []string{"tenant ", "subscription ", "env --data " + data, "userAssignedIdentities"} {
			if !strings.Contains(p.banner, want) {
				t.Errorf("the banner lacks %q:\n%s", want, p.banner)
			}
		}
		dump, errs, ok := command(t, "dump", "--data", data)
		if !ok || !strings.Contains(dump, `"key":"m/admin"`) {
			t.Errorf("dump of the running server: %s", errs)
		}
		p.end(t, sig)
		dumps = append(dumps, dump)
	}
	dump, errs, ok := command(t, "dump", "--data", data)
	if !ok || dump != dumps[0] || dump != dumps[1] {
		t.Errorf("dump without a server differs from those with one: %s", errs)
	}
}

func TestFolderAndPortHaveOneServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	for want, args := range map[string][]string{
		"another midas is using it (process ":  {"serve", "--data", data, "--listen", "127.0.0.1:0"},
		"the port is taken by another program": {"serve", "--data", filepath.Join(t.TempDir(), "other"), "--listen", strings.TrimPrefix(p.url, "https://")},
	} {
		if out, errs, ok := command(t, args...); ok || !strings.Contains(errs, want) || out != "" {
			t.Errorf("%v: %v %q %s", args, ok, out, errs)
		}
	}
}

func TestKeysRotateWithAndWithoutAServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	rotate := func() {
		t.Helper()
		kid, errs, ok := command(t, "keys", "rotate", "--data", data)
		if !ok || len(strings.TrimSpace(kid)) < 8 {
			t.Fatalf("rotate: %q %s", kid, errs)
		}
		if dump, _, _ := command(t, "dump", "--data", data); !strings.Contains(dump, `"key":"k/`+strings.TrimSpace(kid)+`"`) {
			t.Errorf("the new key %s is not in the store", kid)
		}
	}
	rotate()
	p.end(t, os.Interrupt)
	rotate()
}

func TestKeysAreWithdrawnWithAndWithoutAServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	stored := func(kid string) bool {
		t.Helper()
		dump, errs, ok := command(t, "dump", "--data", data)
		if !ok {
			t.Fatalf("dump: %s", errs)
		}
		return strings.Contains(dump, `"key":"k/`+kid+`"`)
	}
	withdraw := func() {
		t.Helper()
		kid, errs, ok := command(t, "keys", "rotate", "--data", data)
		if kid = strings.TrimSpace(kid); !ok || !stored(kid) {
			t.Fatalf("rotate: %q %s", kid, errs)
		}
		if out, errs, ok := command(t, "keys", "withdraw", "--data", data, "--", kid); !ok || out != kid+"\n" || stored(kid) {
			t.Errorf("withdraw %s: %v %q %s", kid, ok, out, errs)
		}
		if out, errs, ok := command(t, "keys", "withdraw", "--data", data, "--", kid); ok || out != "" || !strings.Contains(errs, "there is no such signing key") {
			t.Errorf("withdraw %s again: %v %q %s", kid, ok, out, errs)
		}
	}
	withdraw()
	p.end(t, os.Interrupt)
	withdraw()
}

// The moments at which the process is killed are spread over its first start. Whenever it was, the
// next start must be a whole one.
func TestFirstStartSurvivesKill(t *testing.T) {
	for delay := time.Duration(0); delay < 60*time.Millisecond; delay += 6 * time.Millisecond {
		data := filepath.Join(t.TempDir(), "data")
		p := begin(t, data)
		timer := time.AfterFunc(delay, func() { _ = p.Process.Kill() })
		_ = p.Wait()
		timer.Stop()
		q := startServer(t, data)
		if status, _ := get(t, data, q.url+"/readyz"); status != 200 {
			t.Errorf("killed after %v: readyz %d", delay, status)
		}
		q.end(t, os.Interrupt)
	}
}

// hold opens a request that the server has begun to read and cannot finish.
func hold(t *testing.T, data, url string) net.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{RootCAs: roots(t, data)})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(conn, "POST /"+admin.TenantID+"/oauth2/v2.0/token HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	return conn
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer hold(t, data, p.url).Close()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for { // the first signal has arrived when nobody is let in any more
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "https://"))
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := p.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("ended by %v", err)
	}
}

func TestTokenPrintsOnlyTheToken(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	for args, audience := range map[string]string{"": "https://management.azure.com/", "https://vault.azure.net": "https://vault.azure.net"} {
		flags := []string{"token", "--data", data}
		if args != "" {
			flags = append(flags, "--resource", args)
		}
		out, errs, ok := command(t, flags...)
		parts := strings.Split(strings.TrimSuffix(out, "\n"), ".")
		if !ok || errs != "" || len(parts) != 3 {
			t.Fatalf("%v: %q %s", flags, out, errs)
		}
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || !strings.Contains(string(claims), `"aud":"`+audience+`"`) {
			t.Errorf("%v: claims %s", flags, claims)
		}
	}
}

// TestCertificateIsReadAgainOnHangup sends SIGHUP to a real process, while a connection goes on; and without the
// signal.
func TestCertificateIsReadAgainOnHangup(t *testing.T) {
	company := keypairtest.New(t, "Company root")
	dir := t.TempDir()
	data, cert, key := filepath.Join(dir, "data"), filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put := func(leaf keypairtest.Leaf) {
		for name, text := range map[string]string{cert: leaf.Cert + company.PEM(), key: leaf.Key} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	leaves := []keypairtest.Leaf{company.Issue(t, nil, "127.0.0.1"), company.Issue(t, nil, "127.0.0.1"), company.Issue(t, nil, "127.0.0.1")}
	put(leaves[0])
	p := startServer(t, data, "--tls-cert", cert, "--tls-key", key)
	kept := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: company.Pool()}}}
	defer kept.CloseIdleConnections()
	serial := func(c *http.Client) string {
		resp, err := c.Get(p.url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.String()
	}
	first := serial(kept)
	for i, leaf := range leaves[1:] {
		put(leaf)
		if i == 0 {
			if err := p.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		} // the second one is found by itself
		fresh := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: company.Pool()}, DisableKeepAlives: true}}
		for deadline := time.Now().Add(time.Minute); serial(fresh) != leaf.X509.SerialNumber.String(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the certificate %d is not served", i+1)
			}
		}
		if got := serial(kept); got != first {
			t.Errorf("the connection was dropped: it shows %s", got)
		}
	}
	for _, args := range [][]string{{"token"}, {"env"}, {"user", "list"}, {"exec", "--", "true"}} {
		args = slices.Insert(args, 1, "--data", data)
		if args[0] == "user" {
			args = []string{"user", "list", "--data", data}
		}
		if out, errs, ok := command(t, args...); !ok {
			t.Errorf("midas %v: %s%s", args, out, errs)
		}
	}
	if out, errs, ok := command(t, "exec", "--data", data, "--as", machine(t, data), "--", "true"); !ok {
		t.Errorf("exec --as: %s%s", out, errs)
	}
	if out, _, _ := command(t, "ca", "print", "--data", data); strings.Count(out, "BEGIN CERTIFICATE") != 2 || !strings.HasSuffix(out, company.PEM()) {
		t.Errorf("ca print:\n%s", out)
	}
	p.end(t, os.Interrupt)
}

// TestPublicCertificatesNeedNoFile: the root is in the trust store of the system, and clients need nothing else.
func TestPublicCertificatesNeedNoFile(t *testing.T) {
	public := keypairtest.New(t, "Public root")
	leaf := public.Below(t, "Public issuer").Issue(t, nil, "127.0.0.1")
	dir := t.TempDir()
	data, state := filepath.Join(dir, "data"), filepath.Join(dir, "agent")
	for name, text := range map[string]string{"tls.crt": leaf.Cert, "tls.key": leaf.Key, "system.pem": public.PEM()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "system.pem"))
	t.Setenv("SSL_CERT_DIR", filepath.Join(dir, "none"))
	p := startServer(t, data, "--tls-cert", filepath.Join(dir, "tls.crt"), "--tls-key", filepath.Join(dir, "tls.key"))
	defer p.end(t, os.Interrupt)
	if strings.Contains(p.banner, "warning") {
		t.Errorf("banner: %s", p.banner)
	}
	ca, err := os.ReadFile(filepath.Join(data, "ca.pem"))
	if err != nil || !strings.HasSuffix(string(ca), public.PEM()) {
		t.Errorf("ca.pem lacks the public root, which clients of that file need: %v\n%s", err, ca)
	}
	token, errs, ok := command(t, "agent", "enrollment-token", "--data", data, "--resource", machine(t, data))
	if !ok {
		t.Fatal(errs)
	}
	if out, errs, ok := command(t, "agent", "enroll", "--state", state, "--server", p.url, "--token", strings.TrimSpace(token)); !ok {
		t.Errorf("an agent without --ca: %s%s", out, errs)
	}
}
