//go:build e2e && cluster

package e2e

import (
	"bufio"
	"bytes"
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

// shell is a shell on a machine, in which midas is the binary.
func (n *network) shell(t *testing.T, m *node, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(m.pid), "--net", "--", "bash", "-euo", "pipefail", "-c", script)
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

// TestClusterPage runs the commands of docs/cluster.md, each on its machine, then loses the majority.
func TestClusterPage(t *testing.T) {
	n := newNetwork(t)
	text, err := os.ReadFile("../docs/cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)\nOn the (first|second|third|fourth) machine,[^`]*?\n\n```sh\n(.*?)\n```").FindAllStringSubmatch(string(text), -1)
	if all := strings.Count(string(text), "```sh"); len(blocks) != all || all < 10 {
		t.Fatalf("%d of %d blocks say on which machine", len(blocks), all)
	}
	for _, b := range blocks {
		m, script := n.machines[b[1]], b[2]
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
	two, three, four := n.machines["second"], n.machines["third"], n.machines["fourth"]
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
	t.Run("the majority fails and comes back", func(t *testing.T) {
		token := strings.TrimSpace(n.run(t, two, "midas token"))
		three.kill(t)
		four.kill(t)
		if status := n.put(t, two, token, "lost"); status != "503" {
			answer, _ := os.ReadFile(filepath.Join(two.dir, "answer"))
			t.Errorf("a write without a majority: %s %s", status, answer)
		}
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
}
