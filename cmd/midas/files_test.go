package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"midas/internal/client"
)

// TestConnectionsLeaveFilesToTheStore opens more connections than a server with few file descriptors can
// have, from one address and then from several, while somebody writes.
func TestConnectionsLeaveFilesToTheStore(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit, and addresses in 127.0.0.0/8")
	}
	data := filepath.Join(t.TempDir(), "data")
	p := &process{Cmd: exec.CommandContext(t.Context(), "sh", "-c", `ulimit -n 256 && exec midas serve --data "$0" --listen 127.0.0.1:0`, data)}
	p.Stderr = &p.stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout = bufio.NewReader(out)
	for p.url == "" {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("it is not ready: %v\n%s", err, &p.stderr)
		}
		if url, found := strings.CutPrefix(line, "ready "); found {
			p.url = strings.TrimSpace(url)
		}
	}
	admin, err := client.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.HTTP.CloseIdleConnections()
	bearer, err := admin.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	write := func(with *http.Client) {
		t.Helper()
		written++
		url := fmt.Sprintf("%s/subscriptions/%s/resourceGroups/rg%d?api-version=2021-04-01", admin.Endpoint, admin.SubscriptionID, written)
		req, err := http.NewRequestWithContext(t.Context(), "PUT", url, strings.NewReader(`{"location":"eastus","tags":{"a":"`+strings.Repeat("x", 200)+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		resp, err := with.Do(req)
		if err != nil {
			t.Fatalf("write %d: %v", written, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusCreated {
			t.Fatalf("write %d: %s", written, resp.Status)
		}
	}
	write(admin.HTTP)
	flood := func(from string, n int) {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Second}
		for range n {
			c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "https://"))
			if err != nil {
				break // the system's queue is full
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	flood("127.0.0.2", 300)
	for range 50 {
		write(admin.HTTP)
	}
	// One address has half: somebody else gets a new connection.
	fresh := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer fresh.CloseIdleConnections()
	write(fresh)
	for i := range 4 {
		flood(fmt.Sprintf("127.0.1.%d", i+1), 100)
	}
	for range 200 {
		write(admin.HTTP)
	}
	if entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid)); err != nil || len(entries) > 220 {
		t.Errorf("%d files are open, %v", len(entries), err)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, p.stdout)
	if err := p.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	log := p.stderr.String()
	if strings.Contains(log, "too many open files") || strings.Contains(log, "level=ERROR") || strings.Count(log, "a client address has reached its limit") > 1 {
		t.Errorf("it says %s", log)
	}
}
