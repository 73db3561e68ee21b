package main

import (
	"bufio"
	"context"
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
	"sync"
	"testing"
	"time"

	"midas/internal/client"
)

// startWithFewFiles runs a server that may have 256 files, and so 64 connections.
func startWithFewFiles(t *testing.T, data string) *process {
	t.Helper()
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
	return p
}

// TestConnectionsLeaveFilesToTheStore opens more connections than a server with few file descriptors can
// have, from one address and then from several, while somebody writes.
func TestConnectionsLeaveFilesToTheStore(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit, and addresses in 127.0.0.0/8")
	}
	data := filepath.Join(t.TempDir(), "data")
	p := startWithFewFiles(t, data)
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

// TestSilentConnectionsOfManyAddressesKeepNobodyOut opens silent connections from eight addresses without end.
// Meanwhile every client with a new connection gets its answer.
func TestSilentConnectionsOfManyAddressesKeepNobodyOut(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs ulimit, and addresses in 127.0.0.0/8")
	}
	p := startWithFewFiles(t, filepath.Join(t.TempDir(), "data"))
	defer p.end(t, os.Interrupt)
	ctx, cancel := context.WithCancel(t.Context())
	var attackers sync.WaitGroup
	full := make(chan bool, 8)
	for i := range 8 {
		attackers.Go(func() { holdSilently(ctx, p.url, fmt.Sprintf("127.0.2.%d", i+1), full) })
	}
	defer attackers.Wait()
	defer cancel()
	for range 8 {
		<-full
	}
	for i := range 20 {
		fresh := &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
		resp, err := fresh.Get(p.url + "/readyz")
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("client %d: %s", i, resp.Status)
		}
	}
}

// holdSilently keeps 20 connections of an address open that send nothing, and opens a new one for each that
// the server closes. It reports when it has opened the first 20.
func holdSilently(ctx context.Context, url, from string, full chan<- bool) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Second}
	var held sync.WaitGroup
	defer held.Wait()
	places := make(chan bool, 20)
	for opened := 0; ctx.Err() == nil; opened++ {
		if opened == cap(places) {
			full <- true
		}
		select {
		case places <- true:
		case <-ctx.Done():
			return
		}
		c, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(url, "https://"))
		if err != nil {
			<-places
			continue
		}
		held.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
			<-places
		})
	}
}
