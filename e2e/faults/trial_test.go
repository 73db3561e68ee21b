//go:build e2e && cluster

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"midas/internal/client"
)

// trial is one installation, under a workload and faults.
type trial struct {
	*testing.T
	engine   string
	settings settings
	network  *network
	replicas []*replica
	database []string // addresses that a replica reaches the database at, if others run it
	history  *history
	random   *random

	admin *client.Client // of the first replica, for what comes before the faults
	token string         // of the administrator, for ARM
	group string         // the resource group of what is not in the model
	agent string         // URL of the agent's token endpoint

	resume func() // what pauseHolder returned; nil without it

	ctx     context.Context // ends with the workload
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// random is a source of random numbers for several goroutines.
type random struct {
	mu     sync.Mutex
	source *rand.Rand
}

func (r *random) n(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.IntN(n)
}

// newTrial makes trial n of a run, of which no replica runs yet.
func newTrial(t *testing.T, e engine, n int, seed int64) *trial {
	t.Helper()
	x := &trial{T: t, engine: e.name, settings: flags(), history: newHistory()}
	x.random = &random{source: rand.New(rand.NewPCG(uint64(seed), uint64(n)))}
	x.network = newNetwork(t, n, e.replicas+e.members)
	x.ctx, x.stop = context.WithCancel(context.Background())
	t.Cleanup(x.stop)
	for i := range e.replicas {
		x.replicas = append(x.replicas, x.newReplica(i))
	}
	return x
}

// newReplica makes the data folder of replica i, with a configuration.
func (x *trial) newReplica(i int) *replica {
	x.Helper()
	data, err := os.MkdirTemp("", "faults")
	if err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() { _ = os.RemoveAll(data) })
	r := &replica{machine: x.network.machines[i], data: data}
	x.configure(r)
	x.Cleanup(func() {
		if r.cmd == nil {
			return
		}
		if !r.ended() {
			r.kill()
		}
		if x.Failed() {
			x.Logf("log of %s: %s", r.address(), r.log.warnings())
		}
	})
	return r
}

// warnings are the lines of a log that do not tell of an ordinary request.
func (b *logBuffer) warnings() string {
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, "msg=request ") || strings.Contains(line, "status=500") {
			out.WriteString(line)
		}
	}
	return last(out.String(), 8000)
}

func last(text string, n int) string { return text[max(0, len(text)-n):] }

// configure writes the configuration of a replica.
func (x *trial) configure(r *replica) {
	x.Helper()
	text := fmt.Sprintf("origin: %s\ntokenLifetime: 24h\nkeys: {publishBefore: 1s}\n", origin)
	if err := os.WriteFile(filepath.Join(r.data, "midas.yaml"), []byte(text), 0o600); err != nil {
		x.Fatal(err)
	}
}

// ready begins the work with replicas that run.
func (x *trial) ready() {
	x.Helper()
	var err error
	if x.admin, err = client.Open(x.replicas[0].data); err != nil {
		x.Fatal(err)
	}
	x.Cleanup(x.admin.HTTP.CloseIdleConnections)
	if x.token, err = x.admin.Token(x.ctx, "https://management.azure.com"); err != nil {
		x.Fatal(err)
	}
	var addresses []string
	for _, r := range x.replicas {
		r.http = r.connect(x, x.admin.CAFile)
		addresses = append(addresses, r.address())
	}
	x.network.forward(x.network.prefix+balancerHost+":8443", addresses)
	nameBalancer(x, x.network.prefix+balancerHost)
	x.enter("none", false, false)
	x.group = x.groupPath("other")
	x.Cleanup(func() { // before the replicas end
		x.stop()
		x.workers.Wait()
	})
	x.mustPut(x.group+groupVersion, location)
}

const (
	location        = `{"location":"eastus"}`
	groupVersion    = "?api-version=2021-04-01"
	identityVersion = "?api-version=2023-01-31"
)

func (x *trial) groupPath(name string) string {
	return "/subscriptions/" + x.admin.SubscriptionID + "/resourceGroups/" + name
}

func identities(group string) string {
	return group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
}

// any is a random replica that is not stopped, as a load balancer with health checks finds it.
func (x *trial) any() *replica {
	for range 20 {
		if r := x.replicas[x.random.n(len(x.replicas))]; !r.stopped.Load() {
			return r
		}
	}
	return x.replicas[0]
}

// others are all replicas but one.
func (x *trial) others(one *replica) (all []*replica) {
	for _, r := range x.replicas {
		if r != one {
			all = append(all, r)
		}
	}
	return all
}

// arm sends a request to a replica, and reports what no fault explains.
func (x *trial) arm(r *replica, method, path, body string) (answer, interval) {
	i := interval{call: time.Now()}
	a := ask(context.Background(), r.http, method, path, x.token, body)
	i.end = time.Now()
	x.judge(r, method+" "+path, a, i)
	if method != http.MethodGet {
		x.history.wrote(i, a)
	}
	return a, i
}

// judge reports an answer that no fault explains.
func (x *trial) judge(r *replica, what string, a answer, i interval) {
	x.history.now(func(p *phase) {
		switch took := i.end.Sub(i.call); {
		case took >= patience && !p.hang && p.hung < 5:
			p.hung++
			x.Errorf("%s: %s at %s has no answer after %v", p.fault, what, r.address(), took)
		case a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") == "":
			x.Errorf("%s: %s at %s: 503 without Retry-After: %s", p.fault, what, r.address(), a.body)
		case a.status == http.StatusUnauthorized && !p.clock || a.status >= 500 && a.status != http.StatusServiceUnavailable:
			x.Errorf("%s: %s at %s: %d %s", p.fault, what, r.address(), a.status, a.body)
		}
	})
}

// mustPut repeats a PUT at random replicas until it is acknowledged, and returns the answer.
func (x *trial) mustPut(path, body string) (a answer) {
	x.Helper()
	eventually(x, "PUT "+path, func() bool {
		a, _ = x.arm(x.any(), http.MethodPut, path, body)
		return a.status == 200 || a.status == 201
	})
	return a
}

// enter begins a phase.
func (x *trial) enter(fault string, clock, hang bool) {
	x.history.enter(&phase{engine: x.engine, fault: fault, clock: clock, hang: hang})
}

// hold is how long a fault lasts.
func (x *trial) hold() time.Duration {
	if x.settings.long() {
		return 20 * time.Second
	}
	return 2 * time.Second
}

// suffer lets a fault happen, and waits until everything works again by itself.
func (x *trial) suffer(f fault) {
	x.Helper()
	x.enter(f.name, f.clock, f.hang)
	begun := time.Now()
	heal := f.strike(x)
	time.Sleep(max(x.hold(), f.least) - time.Since(begun))
	heal()
	healed := time.Since(begun)
	x.recovered()
	x.Logf("%-42s %5.1f s, healed after %.1f s", f.name, time.Since(begun).Seconds(), healed.Seconds())
}

// recovered waits until each replica is ready and writes.
func (x *trial) recovered() {
	x.Helper()
	for _, r := range x.replicas {
		eventually(x, r.address()+" is ready and writes", func() bool {
			ready := ask(context.Background(), r.http, http.MethodGet, "/readyz", "", "")
			if ready.status != http.StatusOK {
				return false
			}
			a, _ := x.arm(r, http.MethodPut, x.group+groupVersion, location)
			return a.status == http.StatusOK
		})
	}
}

// finish ends the workload, and checks what it has seen and what it has left.
func (x *trial) finish() {
	x.Helper()
	x.stop()
	x.workers.Wait()
	if x.resume != nil {
		x.resume()
	}
	x.history.check(x)
	if out, err := x.replicas[len(x.replicas)-1].command(x, "check"); err != nil {
		x.Errorf("%v %s", err, out)
	}
	for _, r := range x.replicas {
		r.shutdown(x)
		for _, word := range []string{"panic:", "fatal error:", "DATA RACE"} {
			if strings.Contains(r.log.String(), word) {
				x.Errorf("the log of %s has %q", r.address(), word)
			}
		}
	}
}

// mountSmall mounts a file system of some MiB in memory on a folder.
func mountSmall(t testing.TB, folder string, mebibytes int) {
	t.Helper()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=711", mebibytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(folder, syscall.MNT_DETACH) })
}
