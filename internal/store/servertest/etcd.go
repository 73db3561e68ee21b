//go:build e2e && cluster

package servertest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// EtcdCluster is a cluster of etcd processes.
type EtcdCluster struct {
	Endpoints []string // HOST:PORT of the members

	t       testing.TB
	members []etcdMember
}

// Place is where a member of a cluster runs.
type Place struct {
	Address string   // of a network interface
	Enter   []string // words before the member's command, which enter a network namespace; may be empty
}

type etcdMember struct {
	args    []string
	process *exec.Cmd // nil while the member does not run
	log     *bytes.Buffer
}

// Etcd starts a cluster of Debian's etcd-server and waits until it has a leader. flags are added to the command
// line of every member. The processes end with the test.
func Etcd(t testing.TB, members int, flags ...string) *EtcdCluster {
	t.Helper()
	places := make([]Place, members)
	for i := range places {
		places[i].Address = "127.0.0.1"
	}
	return EtcdAt(t, places, flags...)
}

// EtcdAt is Etcd with members that run at different places.
func EtcdAt(t testing.TB, places []Place, flags ...string) *EtcdCluster {
	t.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		t.Fatalf("apt-get install etcd-server: %v", err)
	}
	c := &EtcdCluster{t: t}
	var peers, initial []string
	for i, at := range places {
		c.Endpoints = append(c.Endpoints, at.free(t, "2379"))
		peers = append(peers, "http://"+at.free(t, "2380"))
		initial = append(initial, fmt.Sprintf("m%d=%s", i, peers[i]))
	}
	folder := t.TempDir()
	for i, at := range places {
		client := "http://" + c.Endpoints[i]
		args := []string{"--name", fmt.Sprintf("m%d", i), "--data-dir", filepath.Join(folder, fmt.Sprint(i)),
			"--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
			"--initial-cluster", strings.Join(initial, ","), "--log-level", "error", "--logger", "zap"}
		c.members = append(c.members, etcdMember{args: slices.Concat(at.Enter, []string{"etcd"}, args, flags)})
	}
	t.Cleanup(func() {
		for i := range c.members {
			c.Kill(i)
		}
	})
	for i := range places {
		c.Start(i)
	}
	c.Leader()
	return c
}

// free returns an address to listen at. A network of its own has the usual port free.
func (p Place) free(t testing.TB, usual string) string {
	t.Helper()
	if len(p.Enter) > 0 {
		return net.JoinHostPort(p.Address, usual)
	}
	return free(t)
}

func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start starts a member that does not run, on the data that it has.
func (c *EtcdCluster) Start(i int) {
	c.t.Helper()
	m := &c.members[i]
	m.log = new(bytes.Buffer)
	m.process = exec.Command(m.args[0], m.args[1:]...)
	m.process.Stdout, m.process.Stderr = m.log, m.log
	m.process.Env = []string{"PATH=" + os.Getenv("PATH")} // without ETCD_… and proxies
	if err := m.process.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// Kill kills a member with SIGKILL, and waits for its end.
func (c *EtcdCluster) Kill(i int) {
	m := &c.members[i]
	if m.process == nil {
		return
	}
	_ = m.process.Process.Kill()
	_ = m.process.Wait() // it was killed, which Wait calls an error
	m.process = nil
	if c.t.Failed() {
		c.t.Logf("member %d: %s", i, m.log)
	}
}

// Pause stops a member with SIGSTOP. Its connections stay open.
func (c *EtcdCluster) Pause(i int) { c.signal(i, syscall.SIGSTOP) }

// Resume continues a paused member.
func (c *EtcdCluster) Resume(i int) { c.signal(i, syscall.SIGCONT) }

func (c *EtcdCluster) signal(i int, s os.Signal) {
	c.t.Helper()
	if err := c.members[i].process.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// PID returns the process of a member that runs.
func (c *EtcdCluster) PID(i int) int { return c.members[i].process.Process.Pid }

// Client returns a client of one member.
func (c *EtcdCluster) Client(i int) *clientv3.Client {
	c.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{c.Endpoints[i]}, Logger: zap.NewNop()})
	if err != nil {
		c.t.Fatal(err)
	}
	return client
}

// Dump returns all keys with their values and revisions, so that a test can compare.
func (c *EtcdCluster) Dump() string {
	c.t.Helper()
	client := c.Client(c.Leader())
	defer client.Close()
	answer, err := client.Get(context.Background(), "\x00", clientv3.WithFromKey())
	if err != nil {
		c.t.Fatal(err)
	}
	var all strings.Builder
	for _, kv := range answer.Kvs {
		fmt.Fprintf(&all, "%s %d %q\n", kv.Key, kv.ModRevision, kv.Value)
	}
	return all.String()
}

// Leader returns the index of the leader. It waits until the members that run have one.
func (c *EtcdCluster) Leader() int {
	c.t.Helper()
	for range 300 {
		for i := range c.members {
			if c.members[i].process != nil && c.leads(i) {
				return i
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatal("etcd has no leader")
	return 0
}

func (c *EtcdCluster) leads(i int) bool {
	client := c.Client(i)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	status, err := client.Status(ctx, c.Endpoints[i])
	return err == nil && status.Leader == status.Header.MemberId
}
