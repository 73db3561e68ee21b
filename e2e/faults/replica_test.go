//go:build e2e && cluster

package faults

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// origin is under what name the replicas of all trials serve.
const origin = "https://midas.example:8443"

// patience bounds a request. It is longer than any deadline of the server, so a request that reaches it hangs.
const patience = 20 * time.Second

// replica is a server on a machine. Its data folder survives it.
type replica struct {
	machine *machine
	data    string
	flags   []string // of midas serve

	cmd  *exec.Cmd // nil while it does not run
	log  *logBuffer
	gone chan struct{} // closed when cmd has ended
	http *http.Client

	stopped atomic.Bool // by a signal
}

// logBuffer keeps what a process has printed.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (r *replica) address() string { return r.machine.address + ":8443" }

// inside is a command in the replica's network.
func (r *replica) inside(t testing.TB, words ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(r.machine.pid), "--net", "--", midasBinary(t)}, words...)...)
	cmd.Dir = r.data
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// begin starts the server, and returns a function that waits until it is ready.
func (r *replica) begin(t testing.TB, more ...string) (ready func()) {
	t.Helper()
	words := append([]string{"serve", "--config", filepath.Join(r.data, "midas.yaml"), "--data", r.data, "--listen", r.address()}, r.flags...)
	cmd, log, gone := r.inside(t, append(words, more...)...), new(logBuffer), make(chan struct{})
	if r.log != nil {
		fmt.Fprintf(log, "%s--- started again\n", r.log)
	}
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	r.cmd, r.log, r.gone = cmd, log, gone
	up := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "ready ") {
		}
		up <- strings.HasPrefix(lines.Text(), "ready ")
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // the cause of its end is in its log
		close(gone)
	}()
	return func() {
		t.Helper()
		select {
		case ok := <-up:
			if !ok {
				t.Fatalf("%s ended before it was ready: %s", r.address(), log)
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("%s was never ready: %s", r.address(), log)
		}
	}
}

// ended reports whether the server does not run.
func (r *replica) ended() bool {
	select {
	case <-r.gone:
		return true
	default:
		return false
	}
}

func (r *replica) signal(s syscall.Signal) {
	r.stopped.Store(s == syscall.SIGSTOP)
	_ = r.cmd.Process.Signal(s)
}

// kill ends the server without warning.
func (r *replica) kill() {
	r.signal(syscall.SIGKILL)
	<-r.gone
}

// shutdown ends the server as an operator does.
func (r *replica) shutdown(t testing.TB) {
	r.signal(syscall.SIGTERM)
	select {
	case <-r.gone:
	case <-time.After(time.Minute):
		t.Errorf("%s does not end", r.address())
		r.kill()
	}
}

// command runs a command of the binary on the replica's machine and folder.
func (r *replica) command(t testing.TB, words ...string) (string, error) {
	t.Helper()
	cmd := r.inside(t, append(words, "--data", r.data)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	timer := time.AfterFunc(time.Minute, func() {
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
		}
	})
	defer timer.Stop()
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("midas %s: %w %s", strings.Join(words, " "), err, &errs)
	}
	return string(out), err
}

// connect makes the client, whose requests to the origin go to this replica.
func (r *replica) connect(t testing.TB, ca string, certificates ...tls.Certificate) *http.Client {
	t.Helper()
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: certificates},
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", r.address())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// answer is the outcome of a request.
type answer struct {
	status int // 0 if there was no answer
	header http.Header
	body   []byte
	err    error
}

// refused reports whether the request has certainly had no effect.
func (a answer) refused() bool {
	return errors.Is(a.err, syscall.ECONNREFUSED) || errors.Is(a.err, syscall.EHOSTUNREACH) || a.status == http.StatusTooManyRequests || a.status == http.StatusUnauthorized
}

// unknown reports whether the request may have had an effect, or may have one later.
func (a answer) unknown() bool {
	return !a.refused() && (a.err != nil || a.status == http.StatusServiceUnavailable)
}

// ask sends a request with a bearer token.
func ask(ctx context.Context, c *http.Client, method, path, token, body string) answer {
	req, err := http.NewRequestWithContext(ctx, method, origin+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	return do(c, req)
}

func do(c *http.Client, req *http.Request) answer {
	resp, err := c.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{err: err}
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: text}
}
