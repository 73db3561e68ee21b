//go:build e2e && cluster

package faults

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// network is a bridge in the namespace of the tests, with machines in namespaces of their own.
type network struct {
	t        testing.TB
	prefix   string // of all addresses, such as "10.78.1."
	machines []*machine
}

// machine is a network namespace with one address.
type machine struct {
	address string
	pid     int // of a process in the namespace
}

// The last numbers of the addresses of the tests themselves.
const (
	clientsHost  = ".254" // clients send from here
	databaseHost = ".253" // forwards to the database
	balancerHost = ".252" // forwards to the replicas
)

// newNetwork makes network n of a test.
func newNetwork(t testing.TB, n, machines int) *network {
	t.Helper()
	w, bridge := &network{t: t, prefix: fmt.Sprintf("10.78.%d", n)}, fmt.Sprintf("hub%d", n)
	run(t, "ip", "link", "add", bridge, "type", "bridge")
	for _, host := range []string{clientsHost, databaseHost, balancerHost} {
		run(t, "ip", "addr", "add", w.prefix+host+"/24", "dev", bridge)
	}
	run(t, "ip", "link", "set", bridge, "up")
	t.Cleanup(func() { run(t, "ip", "link", "del", bridge) })
	for i := range machines {
		m := &machine{address: fmt.Sprintf("%s.%d", w.prefix, i+1), pid: namespace(t)}
		link := fmt.Sprintf("n%dto%d", n, i+1)
		run(t, "ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(m.pid))
		run(t, "ip", "link", "set", link, "master", bridge, "up")
		m.run(t, "ip", "addr", "add", m.address+"/24", "dev", "eth0")
		m.run(t, "ip", "link", "set", "eth0", "up")
		w.machines = append(w.machines, m)
	}
	return w
}

// namespace makes a network namespace that lives until the test ends, and returns a process in it.
func namespace(t testing.TB) int {
	t.Helper()
	cmd := exec.Command("unshare", "--net", "sh", "-euc", "ip link set lo up; echo up; exec sleep 7200")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
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

func run(t testing.TB, words ...string) string {
	t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v %s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// enter are the words before a command that runs in the machine's network.
func (m *machine) enter() []string {
	return []string{"nsenter", "--target", strconv.Itoa(m.pid), "--net", "--"}
}

func (m *machine) run(t testing.TB, words ...string) {
	t.Helper()
	run(t, append(m.enter(), words...)...)
}

// separate makes all packets between two sides get lost, until heal is called.
func separate(t testing.TB, side, others []*machine) (heal func()) {
	t.Helper()
	each := func(do func(m *machine, t testing.TB, address string)) {
		for _, a := range side {
			for _, b := range others {
				do(a, t, b.address)
				do(b, t, a.address)
			}
		}
	}
	each((*machine).lose)
	return func() { each((*machine).find) }
}

// nowhere is the hardware address of no machine: packets to it are lost without an answer.
const nowhere = "02:00:00:00:00:99"

// lose makes the machine's packets to an address get lost.
func (m *machine) lose(t testing.TB, address string) {
	t.Helper()
	m.run(t, "ip", "neigh", "replace", address, "lladdr", nowhere, "dev", "eth0", "nud", "permanent")
}

// find ends lose.
func (m *machine) find(t testing.TB, address string) {
	t.Helper()
	m.run(t, "ip", "neigh", "del", address, "dev", "eth0")
}

// forward accepts connections at an address and connects each to one of some targets: a random one first, then those
// that follow it.
func (w *network) forward(address string, targets []string) {
	w.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.t.Cleanup(func() {
		cancel()
		_ = l.Close()
	})
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return // closed
			}
			go join(ctx, from, targets)
		}
	}()
}

// join copies between a connection and a new one, until one of them ends.
func join(ctx context.Context, from net.Conn, targets []string) {
	defer from.Close()
	first := rand.IntN(len(targets))
	for i := range targets {
		to, err := (&net.Dialer{Timeout: 300 * time.Millisecond}).DialContext(ctx, "tcp", targets[(first+i)%len(targets)])
		if err != nil {
			continue
		}
		defer to.Close()
		ended := make(chan struct{}, 2)
		for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
			go func() {
				_, _ = io.Copy(pair[0], pair[1])
				ended <- struct{}{}
			}()
		}
		select {
		case <-ended:
		case <-ctx.Done():
		}
		return
	}
}
