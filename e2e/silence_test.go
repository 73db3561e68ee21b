//go:build e2e

package e2e

import (
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// While the server process is stopped, connections to it stay open and nothing answers. Workloads go on to
// get their tokens, several at once, also when the agent has noticed that it cannot watch the server any more.
func TestTokensWhileTheServerProcessIsStopped(t *testing.T) {
	m := newMachine(t)
	m.populate(t)
	ask := func() string {
		return m.run(t, nil, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "3", "-H", "Metadata: true",
			"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net&client_id="+m.clientID)
	}
	if status := ask(); status != "200" {
		t.Fatalf("a first token: %s", status)
	}
	server, err := os.FindProcess(m.server)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Signal(syscall.SIGCONT) })
	// HTTP/2 gives up the watching connection after 13 seconds.
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if status := ask(); status != "200" {
					t.Errorf("a token while the server is stopped: %s", status)
				}
			})
		}
		all.Wait()
	}
	if err := server.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		status := m.run(t, nil, "curl", "-s", "-w", "%{http_code}", "-o", "/dev/null", "-H", "Metadata: true",
			"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://storage.azure.com&client_id="+m.clientID)
		if strings.TrimSpace(status) == "200" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a new token after the server goes on: %s", status)
		}
	}
}
