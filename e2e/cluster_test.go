//go:build e2e && cluster

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// network is a network of the test: a bridge in a namespace of its own, which has no way out.
type network struct {
	hub      int // a process in the namespace of the bridge
	machines map[string]*node
	token    string // that the last "midas cluster token" has printed
}

// node is a machine: a network namespace with an address, and a folder.
type node struct {
	address, dir, command string
	pid                   int // of a process in the namespace
	server                *exec.Cmd
	log                   *bytes.Buffer
}

// ordinals are the words of the page for its machines.
var ordinals = []string{"first", "second", "third", "fourth"}

func newNetwork(t *testing.T) *network {
	t.Helper()
	need(t, "unshare", "nsenter", "ip", "bash", "curl")
	n := &network{machines: map[string]*node{}}
	n.hub = namespace(t, "ip link set lo up; ip link add hub type bridge; ip link set hub up")
	for i, word := range ordinals {
		m := &node{address: fmt.Sprintf("10.77.0.%d", i+1), dir: t.TempDir()}
		m.pid = namespace(t, "ip link set lo up")
		n.machines[word] = m
		link := fmt.Sprintf("to%d", i+1)
		enter(t, n.hub, "ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(m.pid))
		enter(t, n.hub, "ip", "link", "set", link, "master", "hub", "up")
		enter(t, m.pid, "ip", "addr", "add", m.address+"/24", "dev", "eth0")
		enter(t, m.pid, "ip", "link", "set", "eth0", "up")
	}
	return n
}

// namespace makes a network namespace that lives until the test ends.
func namespace(t *testing.T, setup string) int {
	t.Helper()
	cmd := exec.Command("unshare", "--net", "sh", "-euc", setup+"; echo up; exec sleep 3600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("make a network namespace: %v", err)
	}
	return cmd.Process.Pid
}

func enter(t *testing.T, pid int, words ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "nsenter", append([]string{"--target", strconv.Itoa(pid), "--net", "--"}, words...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v %s", words, err, out)
	}
}

// shell is a shell on a machine, in which midas is the binary, and midas.example the machine itself.
func (n *network) shell(t *testing.T, m *node, script string) *exec.Cmd {
	t.Helper()
	hosts := filepath.Join(m.dir, "hosts")
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"+m.address+" midas.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(m.pid), "--net", "--", "unshare", "--mount", "sh", "-euc",
		`mount --bind "$1" /etc/hosts; exec bash -euo pipefail -c "$2"`, "sh", hosts, script)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(midasBinary(t))+":"+os.Getenv("PATH"), "TOKEN="+n.token, "HOME="+m.dir)
	return cmd
}

// run runs commands on a machine, which must succeed.
func (n *network) run(t *testing.T, m *node, script string) string {
	t.Helper()
	var errs bytes.Buffer
	cmd := n.shell(t, m, script)
	cmd.Stderr = &errs
	timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s\nlog of the server: %s", script, err, out, &errs, m.log)
	}
	if words := strings.Fields(string(out)); strings.Contains(script, "midas cluster token") && len(words) > 0 {
		n.token = words[len(words)-1]
	}
	return string(out)
}

// begin starts the server of a machine, and returns a function that waits until it is ready.
func (n *network) begin(t *testing.T, m *node, script string) (ready func()) {
	t.Helper()
	m.command, m.log = script, new(bytes.Buffer)
	m.server = n.shell(t, m, "exec "+script)
	m.server.Stderr = m.log
	out, err := m.server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.server.Start(); err != nil {
		t.Fatal(err)
	}
	server := m.server
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(20*time.Second, func() { _ = server.Process.Kill() })
		defer timer.Stop()
		_ = server.Wait()
	})
	return func() {
		t.Helper()
		timer := time.AfterFunc(2*time.Minute, func() { _ = server.Process.Kill() })
		defer timer.Stop()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "ready ") {
				return
			}
		}
		t.Fatalf("%s was never ready: %s", script, m.log)
	}
}

func (m *node) kill(t *testing.T) {
	t.Helper()
	if err := m.server.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = m.server.Wait()
}

// put creates an identity at one server, and returns the status of the answer.
func (n *network) put(t *testing.T, m *node, token, name string) string {
	t.Helper()
	out := n.run(t, m, `eval "$(midas env)"
curl -sS -o answer -w '%{http_code}' --max-time 30 --cacert "$MIDAS_CA" --resolve midas.example:8443:`+m.address+` -X PUT \
  -H "Authorization: Bearer `+token+`" -H 'Content-Type: application/json' -d '{"location":"eastus"}' \
  "$MIDAS_ENDPOINT/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/`+name+`?api-version=2023-01-31"`)
	status, _, _ := strings.Cut(out, " ")
	return status
}

// section returns the part of docs/cluster.md from one heading to another.
func section(t *testing.T, from, to string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+from+"\n")
	part, _, ended := strings.Cut(rest, "\n## "+to+"\n")
	if !found || !ended {
		t.Fatalf("there is no section from %q to %q", from, to)
	}
	return part
}

// follow runs the commands of a section of the page, each on its machine. check is called before the command with its
// number, which begins at 0; it may be nil.
func (n *network) follow(t *testing.T, part string, check map[int]func()) {
	t.Helper()
	blocks := regexp.MustCompile("(?s)\nOn the (first|second|third|fourth) machine,[^`]*?(?:`[^`\n]*`[^`]*?)*?:\n\n```sh\n(.*?)\n```").FindAllStringSubmatch(part, -1)
	if all := strings.Count(part, "```sh"); len(blocks) != all || all < 2 {
		t.Fatalf("%d of %d blocks say on which machine", len(blocks), all)
	}
	for i, b := range blocks {
		m, script := n.machines[b[1]], b[2]
		if check[i] != nil {
			check[i]()
		}
		switch {
		case strings.HasPrefix(script, "midas serve "):
			n.begin(t, m, script)()
		case strings.HasPrefix(script, "kill -9"):
			n.run(t, m, script)
			_ = m.server.Wait()
		default:
			n.run(t, m, script)
		}
	}
}

// TestClusterPage runs the commands of docs/cluster.md, each on its machine, then loses the majority.
func TestClusterPage(t *testing.T) {
	n := newNetwork(t)
	n.follow(t, section(t, "From nothing to three machines", "From one machine to a cluster"), nil)
	two, three, four := n.machines["second"], n.machines["third"], n.machines["fourth"]
	var answer struct {
		Majority, Running bool
		Members           []struct{ Name string }
	}
	if text := n.run(t, four, "midas cluster status --output json"); json.Unmarshal([]byte(text), &answer) != nil || !answer.Majority || !answer.Running || len(answer.Members) != 3 {
		t.Errorf("for scripts: %s", text)
	}
	status := n.run(t, four, "midas cluster status")
	if strings.Count(status, "voter")+strings.Count(status, "leader") != 3 || strings.Contains(status, "10.77.0.1:") || strings.Contains(status, "not answer") {
		t.Fatalf("members: %s", status)
	}
	t.Run("a removed machine does not come back", func(t *testing.T) {
		one := n.machines["first"]
		out, err := n.shell(t, one, one.command).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "was removed from the cluster") {
			t.Errorf("%v %s", err, out)
		}
	})
	workload := n.workload(t, two)
	t.Run("the majority fails and comes back", func(*testing.T) { // t: the servers run longer than this part
		token := strings.TrimSpace(n.run(t, two, "midas token"))
		three.kill(t)
		four.kill(t)
		if status := n.put(t, two, token, "lost"); status != "503" {
			answer, _ := os.ReadFile(filepath.Join(two.dir, "answer"))
			t.Errorf("a write without a majority: %s %s", status, answer)
		}
		n.withoutMajority(t, two, workload)
		ready := []func(){n.begin(t, three, three.command), n.begin(t, four, "midas serve --listen 10.77.0.4:8443")}
		for _, wait := range ready {
			wait()
		}
		for _, m := range []*node{two, three, four} {
			if status := n.put(t, m, token, "found"); status != "201" && status != "200" {
				answer, _ := os.ReadFile(filepath.Join(m.dir, "answer"))
				t.Errorf("a write at %s: %s %s", m.address, status, answer)
			}
		}
	})
	t.Run("the majority is lost for ever", func(*testing.T) {
		three.kill(t)
		four.kill(t)
		n.follow(t, section(t, "The majority is lost for ever", "What you should know"), nil)
		token := strings.TrimSpace(n.run(t, two, "midas token"))
		if status := n.put(t, two, token, "alone"); status != "201" {
			t.Errorf("a write of the last member: %s", status)
		}
		out, err := n.shell(t, three, three.command).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "was removed from the cluster") {
			t.Errorf("a lost machine comes back: %v %s", err, out)
		}
	})
}

// workload enrolls a host on a machine and runs its agent there. It returns a command that gets a token from it.
func (n *network) workload(t *testing.T, m *node) (command string) {
	t.Helper()
	n.run(t, m, `eval "$(midas env)"
ID="/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/web"
APP="/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
curl -sS --fail-with-body --cacert "$MIDAS_CA" --resolve midas.example:8443:`+m.address+` -X PUT -H "Authorization: Bearer $(midas token)" -H 'Content-Type: application/json' \
  "$MIDAS_ENDPOINT$ID?api-version=2024-07-01" -d '{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{"'$APP'":{}}}}'
midas agent enrollment-token --resource "$ID" >enrollment
midas agent enroll --state agent --server "$MIDAS_ENDPOINT" --ca "$MIDAS_CA" --resource "$ID" --token - <enrollment`)
	agent := n.shell(t, m, "exec midas agent run --state agent --flavour imds=127.0.0.1:8170")
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
	})
	command = `curl -sS --fail-with-body --retry 20 --retry-delay 1 --retry-connrefused -H Metadata:true 'http://127.0.0.1:8170/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net'`
	n.run(t, m, command)
	return command
}

// withoutMajority checks what goes on at a machine whose cluster has no majority, and what does not.
func (n *network) withoutMajority(t *testing.T, m *node, workload string) {
	t.Helper()
	if out := n.run(t, m, workload); !strings.Contains(out, "access_token") {
		t.Errorf("a token through the agent: %s", out)
	}
	out := n.run(t, m, `eval "$(midas env)"
curl -sS -D - -o answer --max-time 30 --cacert "$MIDAS_CA" --resolve midas.example:8443:`+m.address+` "$MIDAS_ENDPOINT/$MIDAS_TENANT_ID/oauth2/v2.0/token" \
  -d grant_type=client_credentials -d "client_id=$MIDAS_CLIENT_ID" --data-urlencode "client_secret=$MIDAS_CLIENT_SECRET" -d scope=https://vault.azure.net/.default`)
	if !strings.Contains(out, " 503") || !strings.Contains(strings.ToLower(out), "retry-after:") {
		t.Errorf("the token endpoint: %s", out)
	}
	status := n.run(t, m, "midas cluster status")
	if strings.Count(status, "does not answer") != 2 || !strings.Contains(status, "no majority") {
		t.Errorf("the status: %s", status)
	}
}

// TestASingleMachineBecomesACluster runs the section of the page, with clients that have used the single machine.
func TestASingleMachineBecomesACluster(t *testing.T) {
	n := newNetwork(t)
	one, two := n.machines["first"], n.machines["second"]
	var before, workload, ca string
	n.follow(t, section(t, "From one machine to a cluster", "The majority is lost for ever"), map[int]func(){
		1: func() {
			n.run(t, one, `eval "$(midas env)"
curl -sS --fail-with-body --cacert "$MIDAS_CA" --resolve midas.example:8443:10.77.0.1 -X PUT -H "Authorization: Bearer $(midas token)" -H 'Content-Type: application/json' \
  "$MIDAS_ENDPOINT/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/rg1?api-version=2021-04-01" -d '{"location":"eastus"}'`)
			before = strings.TrimSpace(n.run(t, one, "midas token"))
			if status := n.put(t, one, before, "app"); status != "201" {
				t.Fatalf("an identity: %s", status)
			}
			workload = n.workload(t, one)
			ca = n.run(t, one, "cat midas-data/ca.pem")
		},
	})
	for _, m := range []*node{one, two} {
		if status := n.put(t, m, before, "app"); status != "200" {
			t.Errorf("the identity, with a token of before, at %s: %s", m.address, status)
		}
	}
	if is := n.run(t, one, "cat midas-cluster/ca.pem"); is != ca {
		t.Error("clients need another ca.pem")
	}
	if err := os.WriteFile(filepath.Join(two.dir, "old.pem"), []byte(ca), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, two, "curl -sS --fail --cacert old.pem https://midas.example:8443/readyz")
	if same := n.run(t, one, "cmp midas-data/admin.json midas-cluster/admin.json && echo same"); !strings.Contains(same, "same") {
		t.Error("the administrator has other credentials")
	}
	// For another audience the agent needs the server.
	if out := n.run(t, one, strings.Replace(workload, "vault.azure.net", "storage.azure.com", 1)); !strings.Contains(out, "access_token") {
		t.Errorf("a token through the agent of before: %s", out)
	}
}
