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
	"strings"
	"syscall"
	"testing"
	"time"

	"midas/internal/client"
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
