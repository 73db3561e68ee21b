//go:build e2e && cluster

package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/store/servertest"
)

// replicaProcess is a server of a binary on a store that others use too.
type replicaProcess struct {
	binary, data, listen string
	args                 []string
	cmd                  *exec.Cmd
	log                  *processLog
}

// processLog is what a process has said.
type processLog struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (b *processLog) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.Write(p)
}

func (b *processLog) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.said.String()
}

// newReplica returns a replica that does not run.
func newReplica(t *testing.T, binary, store, origin, master string) *replicaProcess {
	t.Helper()
	listen := freeAddress(t)
	r := &replicaProcess{binary: binary, data: t.TempDir(), listen: listen}
	if origin == "" {
		origin = "https://" + listen
	}
	r.args = []string{"serve", "--data", r.data, "--listen", listen, "--store", store, "--origin", origin, "--master-key", master}
	t.Cleanup(r.end)
	return r
}

func (r *replicaProcess) start(t *testing.T) {
	t.Helper()
	r.log = new(processLog)
	r.cmd = exec.Command(r.binary, r.args...)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.says(t, "ready ")
}

// says waits until a replica has said something.
func (r *replicaProcess) says(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !strings.Contains(r.log.String(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q was not said: %s", text, r.log)
		}
	}
}

func (r *replicaProcess) end() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(20*time.Second, func() { _ = r.cmd.Process.Kill() })
	defer timer.Stop()
	_ = r.cmd.Wait()
	r.cmd = nil
}

// command runs a command on the data folder of a replica.
func (r *replicaProcess) command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), r.binary, append(args, "--data", r.data)...).Output()
	if err != nil {
		t.Fatalf("%v: %v %s", args, err, out)
	}
	return string(out)
}

// installed has what the requests of a test need.
type installed struct {
	Endpoint       string
	SubscriptionID string
}

func (r *replicaProcess) admin(t *testing.T) (a installed) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.data, "admin.json"))
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// request sends a request for the origin to this replica.
func (r *replicaProcess) request(t *testing.T, method, path, token, body string) (int, string) {
	t.Helper()
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(r.data, "ca.pem"))
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("ca.pem: %v", err)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+r.listen+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = strings.TrimPrefix(r.admin(t).Endpoint, "https://")
	req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	answer, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// want sends a request that must succeed.
func (r *replicaProcess) want(t *testing.T, method, path, token, body string) string {
	t.Helper()
	status, text := r.request(t, method, path, token, body)
	if status >= 300 {
		t.Fatalf("%s %s: %d %s\n%s", method, path, status, text, r.log)
	}
	return text
}

// nextRelease builds the binary of a next release: the records of resources have another version and one more field.
func nextRelease(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	patch := func(file string, pairs ...string) {
		path, err := filepath.Abs("../" + file)
		if err != nil {
			t.Fatal(err)
		}
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(source)
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(text, pairs[i]) {
				t.Fatalf("%s has no %q: change this test with it", file, pairs[i])
			}
			text = strings.Replace(text, pairs[i], pairs[i+1], 1)
		}
		to := filepath.Join(folder, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[path] = to
	}
	same := "func(old json.RawMessage) (json.RawMessage, error) { return old, nil }"
	patch("internal/store/kinds.go", `Kind{"resource", "r/", 2}`, `Kind{"resource", "r/", 3}`)
	patch("internal/store/upgrade.go", "const settled = time.Minute", "const settled = time.Second")
	patch("internal/resource/removal.go", same+",\n", same+",\n"+same+",\n")
	patch("internal/resource/resource.go",
		"{dropSecrets},\n", "{dropSecrets, "+same+"},\n	Revert: []func(json.RawMessage) (json.RawMessage, error){nil, "+same+"},\n",
		"	SecretRules int `json:\"secretRules,omitempty\"`\n", "	SecretRules int `json:\"secretRules,omitempty\"`\n	Next nextField `json:\"nextRelease\"`\n",
		"// Clone returns", "type nextField struct{}\n\nfunc (nextField) MarshalJSON() ([]byte, error) { return []byte(`\"x\"`), nil }\nfunc (*nextField) UnmarshalJSON([]byte) error { return nil }\n\n// Clone returns",
		"Complete: clean, Migrate: records.Migrate}", "Complete: clean, Migrate: records.Migrate, Revert: records.Revert}")
	text, err := json.Marshal(overlay)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "overlay.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(folder, "midas")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "cluster", "-overlay", filepath.Join(folder, "overlay.json"), "-o", binary, "../cmd/midas")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// stored returns the record of a resource.
func (r *replicaProcess) stored(t *testing.T, id string) string {
	t.Helper()
	for line := range strings.Lines(r.command(t, "dump")) {
		if strings.Contains(line, `"key":"r/`+strings.ToLower(id)+`"`) {
			return line
		}
	}
	t.Fatalf("no record of %s", id)
	return ""
}

// TestRollingUpgradeOnOneStore replaces a replica of this release by one of a next release, on one etcd. Before every
// replica was replaced each reads what the other has written, nothing that the newer one has stored is lost, and the
// older one can start again.
func TestRollingUpgradeOnOneStore(t *testing.T) {
	store := "etcd://" + servertest.Etcd(t, 1).Endpoints[0] + "/midas"
	master := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(master, []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	older := newReplica(t, midasBinary(t), store, "", master)
	older.start(t)
	origin := older.admin(t).Endpoint
	token := strings.TrimSpace(older.command(t, "token"))
	group := "/subscriptions/" + older.admin(t).SubscriptionID + "/resourceGroups/up"
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/next"
	const groups, identities = "?api-version=2021-04-01", "?api-version=2023-01-31"
	older.want(t, "PUT", group+groups, token, `{"location":"eastus"}`)

	newer := newReplica(t, nextRelease(t), store, origin, master)
	newer.start(t)
	made := newer.want(t, "PUT", identity+identities, token, `{"location":"eastus"}`)
	if got := newer.stored(t, identity); !strings.Contains(got, `"v":2`) || !strings.Contains(got, "nextRelease") {
		t.Errorf("the newer one has written %s", got)
	}
	if got := older.want(t, "GET", identity+identities, token, ""); got != made {
		t.Errorf("the older one shows %s and not %s", got, made)
	}
	older.want(t, "PATCH", identity+identities, token, `{"tags":{"by":"older"}}`)
	if got := newer.stored(t, identity); !strings.Contains(got, "nextRelease") || !strings.Contains(got, "older") {
		t.Errorf("after a change by the older one: %s", got)
	}
	older.end()
	older.start(t) // the upgrade is taken back
	older.want(t, "GET", identity+identities, token, "")
	older.end()

	newer.says(t, "all replicas know the new versions of records")
	newer.want(t, "PATCH", identity+identities, token, `{"tags":{"by":"newer"}}`)
	if got := newer.stored(t, identity); !strings.Contains(got, `"v":3`) {
		t.Errorf("after the upgrade: %s", got)
	}
	out, err := exec.CommandContext(t.Context(), older.binary, older.args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "newer Midas") {
		t.Errorf("an older one starts after the upgrade: %v %s", err, out)
	}
	newer.want(t, "GET", identity+identities, token, "")
	if found := newer.command(t, "check"); found != "" {
		t.Errorf("findings: %s", found)
	}
}
