//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/go-cmp/cmp"

	"midas/internal/client"
)

// machine is a network namespace in which 169.254.169.254 is this machine's own, and a server and an
// agent in it: for the programs in it, an Azure machine.
type machine struct {
	pid, server         int // of the namespace's process and of midas serve
	dir, data, id       string
	system, clientID    string
	objectID, resources string
	group               string
}

// newMachine makes the namespace. Without the right to do so this test can show nothing, so it fails.
func newMachine(t *testing.T) *machine {
	t.Helper()
	need(t, "unshare", "nsenter", "ip")
	m := &machine{dir: t.TempDir()}
	// Also a place of its own for the files by which Arc's programs prove themselves.
	m.pid = m.background(t, "up", "unshare", "--mount", "--net", "--propagation", "private", "sh", "-euc",
		`ip link set lo up; ip addr add 169.254.169.254/32 dev lo; mkdir -p /var/opt; mount -t tmpfs tmpfs /var/opt; echo up; exec sleep 600`)
	m.data = filepath.Join(m.dir, "midas-data")
	m.server = m.background(t, "ready ", m.inside(midasBinary(t), "serve", "--store", "memory:", "--data", m.data, "--listen", "localhost:8443")...)
	return m
}

// inside puts a command into the namespace.
func (m *machine) inside(words ...string) []string {
	return append([]string{"nsenter", "--target", strconv.Itoa(m.pid), "--mount", "--net", "--"}, words...)
}

// background runs something until the test ends, and waits until it prints a line with a beginning.
func (m *machine) background(t *testing.T, begins string, words ...string) (pid int) {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = m.dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), begins) {
			return cmd.Process.Pid
		}
	}
	t.Fatalf("%s was never ready: %s", strings.Join(words, " "), &errs)
	return 0
}

// run runs a command in the namespace, which must succeed.
func (m *machine) run(t *testing.T, env []string, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	words = m.inside(words...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir, cmd.Env = m.dir, append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, "AZURE_CORE_COLLECT_TELEMETRY=0", "HOME="+m.dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(words, " "), err, out, &errs)
	}
	return strings.TrimSpace(string(out))
}

// populate makes a machine with two identities, and enrolls it.
func (m *machine) populate(t *testing.T) {
	t.Helper()
	admin, err := client.Open(m.data)
	if err != nil {
		t.Fatal(err)
	}
	m.group = "/subscriptions/" + admin.SubscriptionID + "/resourceGroups/rg"
	m.id, m.resources = m.group+"/providers/Microsoft.Compute/virtualMachines/web", m.group+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	m.arm(t, admin, "PUT", m.group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	var app struct {
		Properties struct{ ClientID, PrincipalID string }
	}
	m.decode(t, m.arm(t, admin, "PUT", m.resources+"?api-version=2023-01-31", `{"location":"eastus"}`), &app)
	m.clientID, m.objectID = app.Properties.ClientID, app.Properties.PrincipalID
	var vm struct {
		Identity struct{ PrincipalID string }
	}
	m.decode(t, m.arm(t, admin, "PUT", m.id+"?api-version=2024-07-01", fmt.Sprintf(
		`{"location":"eastus","identity":{"type":"SystemAssigned, UserAssigned","userAssignedIdentities":{%q:{}}}}`, m.resources)), &vm)
	m.system = vm.Identity.PrincipalID
	for i, principal := range []string{m.system, m.objectID} {
		const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
		subscription := "/subscriptions/" + admin.SubscriptionID
		m.arm(t, admin, "PUT", fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/7f4a8f0e-9d54-4c8e-8b8e-00000000000%d?api-version=2022-04-01", subscription, i),
			fmt.Sprintf(`{"properties":{"roleDefinitionId":"%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":%q,"principalType":"ServicePrincipal"}}`, subscription, reader, principal))
	}
	state := filepath.Join(m.dir, "agent")
	token := m.run(t, nil, midasBinary(t), "agent", "enrollment-token", "--data", m.data, "--resource", m.id)
	m.run(t, nil, midasBinary(t), "agent", "enroll", "--state", state, "--server", admin.Endpoint, "--ca", admin.CAFile, "--resource", m.id, "--token", token)
	m.background(t, "ready http://169.254.169.254:80 ", m.inside(midasBinary(t), "agent", "run", "--state", state, "--flavour", "imds", "--flavour", "arc")...)
}

// arm sends a request as the administrator, from inside.
func (m *machine) arm(t *testing.T, admin *client.Client, method, path, body string) string {
	t.Helper()
	bearer := m.run(t, nil, midasBinary(t), "token", "--data", m.data)
	out := m.run(t, nil, "curl", "-sS", "-w", "\n%{http_code}", "--cacert", admin.CAFile, "-X", method, "-H", "Authorization: Bearer "+bearer,
		"-H", "Content-Type: application/json", "-d", body, admin.Endpoint+path)
	answer, status, _ := cut(out)
	if !strings.HasPrefix(status, "2") {
		t.Fatalf("%s %s: %s", method, path, out)
	}
	return answer
}

func cut(out string) (before, after string, found bool) {
	i := strings.LastIndex(out, "\n")
	return out[:max(i, 0)], out[i+1:], i >= 0
}

func (m *machine) decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// env tells a program which identities it may ask for.
func (m *machine) env(more ...string) []string {
	return append([]string{"CLIENT_ID=" + m.clientID, "OBJECT_ID=" + m.objectID, "RESOURCE_ID=" + m.resources}, more...)
}

// wantWho compares what a program has seen.
func wantWho(t *testing.T, out string, want map[string]string) {
	t.Helper()
	var seen map[string]string
	if err := json.Unmarshal([]byte(out), &seen); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

// One machine is enough for all who know only the address that every Azure machine has.
func TestOnTheMachineProgramsNeedNoSecret(t *testing.T) {
	m := newMachine(t)
	m.populate(t)
	all := map[string]string{"default": m.system, "client": m.objectID, "object": m.objectID, "resource": m.objectID}

	t.Run("curl", func(t *testing.T) {
		out := m.run(t, nil, "curl", "-sS", "-H", "Metadata: true", "http://169.254.169.254/metadata/instance/compute/name?api-version=2021-02-01&format=text")
		if out != "web" {
			t.Errorf("the name of the machine is %q", out)
		}
	})
	t.Run("azidentity", func(t *testing.T) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		wantWho(t, m.run(t, m.env(programVariable+"=workload"), self), all)
		// With the file that only who may read the folder can show.
		wantWho(t, m.run(t, m.env(programVariable+"=workload", "IDENTITY_ENDPOINT=http://localhost:40342/metadata/identity/oauth2/token", "IMDS_ENDPOINT=http://localhost:40342"), self), all)
	})
	t.Run("Python", func(t *testing.T) {
		program, err := filepath.Abs("testdata/python/workload.py")
		if err != nil {
			t.Fatal(err)
		}
		wantWho(t, m.run(t, m.env(), "/usr/bin/python3", program), map[string]string{"default": m.system, "client": m.objectID})
	})
	t.Run("Node", func(t *testing.T) {
		need(t, "node", "npm")
		program := nodeProgram(t, "workload.js")
		wantWho(t, m.run(t, m.env(), "node", program), all)
		wantWho(t, m.run(t, m.env("AZURE_POD_IDENTITY_AUTHORITY_HOST=http://169.254.169.254"), "node", program), all)
	})
	t.Run("Azure CLI", func(t *testing.T) {
		need(t, "az")
		// Its sign-in finds the machine; what it then asks of Azure goes to Midas.
		az := func(words ...string) string {
			return m.run(t, nil, append([]string{midasBinary(t), "exec", "--data", m.data, "--allow-internet", "--", "az"}, words...)...)
		}
		for _, login := range [][]string{{"login", "--identity"}, {"login", "--identity", "--username", m.clientID}, {"login", "--identity", "--username", m.resources}} {
			az(login...)
			if got := az("identity", "list", "--query", "[].name", "--output", "tsv"); got != "app" {
				t.Errorf("%v sees %q", login, got)
			}
		}
		if got := az("account", "show", "--query", "user.name", "--output", "tsv"); got != "userAssignedIdentity" {
			t.Errorf("signed in as %q", got)
		}
	})
}

// nodeProgram installs what a program of testdata/node needs.
func nodeProgram(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range []string{"package.json", name} {
		text, err := os.ReadFile(filepath.Join("testdata/node", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	return filepath.Join(dir, name)
}

// workloadProgram is written for Azure: no endpoint, no transport, no option is set but the identity.
func workloadProgram(ctx context.Context) error {
	seen := map[string]string{}
	for name, id := range map[string]azidentity.ManagedIDKind{
		"default": nil, "client": azidentity.ClientID(os.Getenv("CLIENT_ID")),
		"object": azidentity.ObjectID(os.Getenv("OBJECT_ID")), "resource": azidentity.ResourceID(os.Getenv("RESOURCE_ID")),
	} {
		credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ID: id})
		if err != nil {
			return err
		}
		got, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://" + name + ".go.test/.default"}})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		parts := strings.Split(got.Token, ".")
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			return err
		}
		var claims struct{ Oid, Aud string }
		if err := json.Unmarshal(payload, &claims); err != nil {
			return err
		}
		if seen[name] = claims.Oid; claims.Aud != "https://"+name+".go.test" {
			seen[name] = "a token for " + claims.Aud
		}
	}
	return json.NewEncoder(os.Stdout).Encode(seen)
}
