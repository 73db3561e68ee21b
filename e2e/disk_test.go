//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"midas/internal/client"
)

// smallDisk is a server whose data folder is a file system of 96 MiB of its own, in a namespace.
type smallDisk struct {
	machine
	server int    // the process
	path   string // of the data folder, as this process sees it
	client *client.Client
	token  string
	acked  []string // groups whose creation was answered with 201
}

func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	need(t, "unshare", "nsenter", "mount")
	d := &smallDisk{machine: machine{dir: t.TempDir()}}
	d.data = filepath.Join(d.dir, "data")
	if err := os.Mkdir(d.data, 0o700); err != nil {
		t.Fatal(err)
	}
	d.pid = d.background(t, "up", "unshare", "--mount", "--propagation", "private", "sh", "-euc",
		`mount -t tmpfs -o size=96m,mode=700 tmpfs "$0"; echo up; exec sleep 600`, d.data)
	d.path = filepath.Join("/proc", strconv.Itoa(d.pid), "root", d.data)
	d.start(t)
	return d
}

func (d *smallDisk) start(t *testing.T) {
	t.Helper()
	d.server = d.background(t, "ready ", "nsenter", "--target", strconv.Itoa(d.pid), "--mount", "--",
		midasBinary(t), "serve", "--data", d.data, "--listen", "localhost:0", "--ops", "")
	var err error
	if d.client, err = client.Open(d.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.client.HTTP.CloseIdleConnections)
	if d.token, err = d.client.Token(t.Context(), "https://management.azure.com"); err != nil {
		t.Fatal(err)
	}
}

// do sends a request to ARM.
func (d *smallDisk) do(t *testing.T, method, path, body string) (int, http.Header, string) {
	t.Helper()
	return d.send(t, method, d.client.Endpoint+path, "application/json", body)
}

func (d *smallDisk) send(t *testing.T, method, where, kind, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, where, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	r.Header.Set("Content-Type", kind)
	resp, err := d.client.HTTP.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func (d *smallDisk) group(n int) string {
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/g%d", d.client.SubscriptionID, n)
}

const groups = "?api-version=2021-04-01"

// create makes one more group, and says whether that was acknowledged.
func (d *smallDisk) create(t *testing.T, n int) (int, http.Header, string) {
	t.Helper()
	status, header, body := d.do(t, "PUT", d.group(n)+groups, `{"location":"eastus","tags":{"filler":"`+strings.Repeat("x", 250)+`"}}`)
	if status == http.StatusCreated {
		d.acked = append(d.acked, d.group(n))
	}
	return status, header, body
}

// fill leaves no byte, and gives what removes the filler.
func (d *smallDisk) fill(t *testing.T) (free func()) {
	t.Helper()
	name := filepath.Join(d.path, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFullDisk fills the disk of a running server, frees it, and ends the server without warning: reads
// and tokens go on, writes are refused in each protocol's shape, come back by themselves, and nothing
// that was acknowledged is lost.
func TestFullDisk(t *testing.T) {
	d := newSmallDisk(t)
	n := 0
	for round := range 2 {
		for range 20 {
			if status, _, body := d.create(t, n); status != http.StatusCreated {
				t.Fatalf("group %d: %d %s", n, status, body)
			}
			n++
		}
		free := d.fill(t)
		status := http.StatusCreated
		var header http.Header
		var body string
		for ; status == http.StatusCreated && n < 100_000; n++ { // what was allocated before still has room
			status, header, body = d.create(t, n)
		}
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, `"code":"ServiceUnavailable"`) {
			t.Fatalf("round %d: PUT on the full disk: %d %v %s", round, status, header, body)
		}
		d.refused(t)
		free()
		d.wait(t, "writes again", func() bool { n++; status, _, _ := d.create(t, n-1); return status == http.StatusCreated })
		d.wait(t, "readiness", func() bool { status, _, _ := d.do(t, "GET", "/readyz", ""); return status == http.StatusOK })
	}
	d.complete(t)
	if err := syscall.Kill(d.server, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.wait(t, "the end of the server", func() bool { return hasEnded(d.server) })
	d.start(t)
	d.complete(t)
}

// hasEnded reports whether a process is gone, or is a zombie that nobody has waited for yet.
func hasEnded(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(after, "Z")
}

// refused looks at a server that takes no writes.
func (d *smallDisk) refused(t *testing.T) {
	t.Helper()
	if status, _, body := d.do(t, "GET", d.group(0)+groups, ""); status != http.StatusOK {
		t.Errorf("GET: %d %s", status, body)
	}
	if status, _, body := d.do(t, "GET", "/subscriptions/"+d.client.SubscriptionID+"/resourceGroups"+groups, ""); status != http.StatusOK {
		t.Errorf("list: %d %s", status, body)
	}
	if _, err := d.client.Token(t.Context(), "https://vault.azure.net"); err != nil {
		t.Errorf("token: %v", err)
	}
	form := url.Values{"client_id": {"04b07795-8ddb-461a-bbee-02f9e1bf7b46"}, "scope": {"https://management.azure.com/.default"}}
	status, header, body := d.send(t, "POST", d.client.Endpoint+"/"+d.client.TenantID+"/oauth2/v2.0/devicecode", "application/x-www-form-urlencoded", form.Encode())
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, "temporarily_unavailable") {
		t.Errorf("devicecode: %d %v %s", status, header, body)
	}
	arm := d.token
	var err error
	if d.token, err = d.client.Token(t.Context(), "https://graph.microsoft.com"); err != nil {
		t.Error(err)
	}
	status, header, body = d.do(t, "POST", "/v1.0/groups", `{"displayName":"g","mailNickname":"g","securityEnabled":true,"mailEnabled":false}`)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, "serviceNotAvailable") {
		t.Errorf("Graph: %d %v %s", status, header, body)
	}
	d.token = arm
	if status, _, body := d.do(t, "GET", "/readyz", ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "no space left on device") {
		t.Errorf("readyz: %d %q", status, body)
	}
	if status, _, body := d.do(t, "GET", "/healthz", ""); status != http.StatusOK {
		t.Errorf("healthz: %d %q", status, body)
	}
}

// complete looks for everything that was acknowledged.
func (d *smallDisk) complete(t *testing.T) {
	t.Helper()
	for _, group := range d.acked {
		if status, _, body := d.do(t, "GET", group+groups, ""); status != http.StatusOK {
			t.Errorf("%s was acknowledged: %d %s", group, status, body)
		}
	}
}

func (d *smallDisk) wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within two minutes", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
