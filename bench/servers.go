package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a process that this program has started.
type server struct {
	cmd   *exec.Cmd
	addr  string
	clear bool // it speaks HTTP without TLS
	data  string
	ready time.Duration // from exec to its ready line
}

// startMidas runs the built binary on a data folder and waits for its ready line.
func startMidas(binary, data, store string, more ...string) (*server, error) {
	args := []string{"serve", "--data", data, "--listen", "localhost:0"}
	if store != "" {
		args = append(args, "--store", store)
	}
	return start(data, exec.Command(binary, append(args, more...)...))
}

// startBare runs this program as the bare server: net/http with TLS that answers every request with
// the same bytes, after reading its body. It shows the cost of any Go server that does no work.
func startBare(data string, body []byte) (*server, error) {
	file := filepath.Join(data, "bare-body")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(data, exec.Command(self, "-bare", file, "-cert", data))
}

// startBareLike starts a bare server for the comparison with a server. It uses TLS if that server does.
func startBareLike(s *server, body []byte) (*server, error) {
	if s.clear {
		return startBareInClear(s.data, body)
	}
	return startBare(s.data, body)
}

// startBareInClear is startBare without TLS.
func startBareInClear(data string, body []byte) (*server, error) {
	file := filepath.Join(data, "bare-body")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(data, exec.Command(self, "-bare", file))
}

func start(data string, cmd *exec.Cmd) (*server, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, data: data}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, found := strings.CutPrefix(lines.Text(), "ready http"); found {
			s.ready, s.clear = time.Since(begin), strings.HasPrefix(url, "://")
			_, port, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(url, "s"), "://"))
			if err != nil {
				return nil, err
			}
			s.addr = "127.0.0.1:" + port
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s ended before it was ready: %w", cmd.Path, cmd.Wait())
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// rss is the resident memory of the process in MiB.
func (s *server) rss() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if kib, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(kib), " kB"), 64)
			return n / 1024
		}
	}
	return 0
}

// admin is the content of admin.json.
type admin struct{ TenantID, SubscriptionID, ClientID, ClientSecret string }

func (s *server) admin() (a admin, err error) {
	data, err := os.ReadFile(filepath.Join(s.data, "admin.json"))
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(data, &a)
}

func (s *server) roots() (*x509.CertPool, error) {
	if s.clear {
		return nil, nil
	}
	pem, err := os.ReadFile(filepath.Join(s.data, "ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool, nil
}

// asMidas sets GOMAXPROCS as midas serve does: two more than there are cores. With a client on the same cores
// that makes a server a tenth faster, so the servers that Midas is compared with get it too. It gives the
// number from before.
func asMidas() int {
	return runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2)
}

// serveBare is the main function of the processes of startBare and, without a certificate, startBareInClear.
func serveBare(bodyFile string, cert *tls.Certificate) error {
	body, err := os.ReadFile(bodyFile)
	if err != nil {
		return err
	}
	return serve(cert, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			_ = r.ParseForm()
		}
		answer(w, body)
	})
}

func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// serve runs a handler on a port of its own, and says when it is ready.
func serve(cert *tls.Certificate, handler http.HandlerFunc) error {
	asMidas()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	scheme := "http"
	if cert != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"}})
		scheme = "https"
	}
	fmt.Printf("ready %s://%s\n", scheme, listener.Addr())
	return http.Serve(listener, handler)
}
