//go:build e2e && cluster

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/client"
	"midas/internal/store/servertest"
)

// lockedBuffer is a buffer that a process fills while a test reads it.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestFullEtcd fills the database of an etcd up to its quota, as another program may do, while a replica runs: writes
// are refused, /readyz, the metrics and the log say why and what to do, tokens go on, and when the operator has done
// it, everything goes on without a restart.
func TestFullEtcd(t *testing.T) {
	members := servertest.Etcd(t, 1, "--quota-backend-bytes", "16777216")
	data := filepath.Join(t.TempDir(), "data")
	cmd := exec.CommandContext(t.Context(), midasBinary(t), "serve", "--data", data, "--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0", "--store", "etcd://"+members.Endpoints[0]+"/midas")
	log := new(lockedBuffer)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	ops := ""
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.HasPrefix(lines.Text(), "ready "); {
		if words := strings.Fields(lines.Text()); len(words) == 2 && words[0] == "ops" {
			ops = words[1]
		}
	}
	c, err := client.Open(data)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	t.Cleanup(c.HTTP.CloseIdleConnections)
	put := func() (int, string) {
		return request(t, c, "PUT", "/subscriptions/"+c.SubscriptionID+"/resourceGroups/rg?api-version=2021-04-01")
	}
	if status, _ := put(); status != http.StatusCreated {
		t.Fatal(status)
	}
	etcd := members.Client(0)
	defer etcd.Close()
	for err = nil; err == nil; { // another program
		_, err = etcd.Put(t.Context(), "/other", strings.Repeat("x", 1<<20))
	}
	soon(t, "the quota shows", func() bool {
		status, ready := read(t, ops+"/readyz")
		_, metrics := read(t, ops+"/metrics")
		return status == http.StatusServiceUnavailable && strings.Contains(ready, "the quota of etcd is used up (alarm NOSPACE)") &&
			strings.Contains(metrics, "midas_store_etcd_no_space 1") && strings.Contains(metrics, "midas_store_writable 0")
	})
	if status, retry := put(); status != http.StatusServiceUnavailable || retry == "" {
		t.Errorf("a write: %d, Retry-After %q", status, retry)
	}
	for _, words := range []string{"etcdctl compact", "etcdctl defrag", "--quota-backend-bytes", "etcdctl alarm disarm"} {
		if strings.Count(log.String(), words) != 1 {
			t.Errorf("the log does not have %q once:\n%s", words, log)
		}
	}
	if _, err := c.Token(t.Context(), "https://management.azure.com"); err != nil {
		t.Errorf("a token: %v", err)
	}
	repair(t, etcd, members.Endpoints[0])
	soon(t, "writes go on", func() bool { status, _ := put(); return status == http.StatusOK })
	soon(t, "it is ready", func() bool { status, _ := read(t, ops+"/readyz"); return status == http.StatusOK })
}

// repair does what the log line says.
func repair(t *testing.T, etcd *clientv3.Client, endpoint string) {
	t.Helper()
	answer, err := etcd.Get(t.Context(), "/other")
	if err == nil {
		_, err = etcd.Compact(t.Context(), answer.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err == nil {
		_, err = etcd.Defragment(t.Context(), endpoint)
	}
	if err == nil {
		_, err = etcd.AlarmDisarm(t.Context(), &clientv3.AlarmMember{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// request sends a request to ARM, and returns the status and Retry-After.
func request(t *testing.T, c *client.Client, method, path string) (int, string) {
	t.Helper()
	token, err := c.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, c.Endpoint+path, strings.NewReader(`{"location":"eastus"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Retry-After")
}

func read(t *testing.T, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// soon waits until ok.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
	}
}
