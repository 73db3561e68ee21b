//go:build e2e && cluster

package faults

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Faults of one replica on a database that others run.
const (
	replicaKilled = "kill -9 of a replica"
	replicaCut    = "cut a replica from the database"
)

// fault is something that happens to a trial, and can be undone.
type fault struct {
	name   string
	least  time.Duration // it lasts
	clock  bool          // clocks differ
	hang   bool          // a process is stopped
	strike func(*trial) (heal func())
}

// killed is the end of some replicas without warning.
func killed(name string, choose func(*trial) []*replica) fault {
	return fault{name: name, strike: func(x *trial) func() {
		victims := choose(x)
		for _, r := range victims {
			r.kill()
		}
		if len(victims) > len(x.replicas)/2 && len(x.replicas) > 1 {
			x.refusesWrites(x.running())
		}
		return func() {
			var ready []func()
			for _, r := range victims {
				ready = append(ready, r.begin(x))
			}
			for _, wait := range ready {
				wait()
			}
		}
	}}
}

// refusesWrites checks that replicas that have lost their database refuse writes.
func (x *trial) refusesWrites(replicas []*replica) {
	x.Helper()
	var all sync.WaitGroup
	for _, r := range replicas {
		all.Go(func() {
			if a, i := x.arm(r, http.MethodPut, x.group+groupVersion, location); a.status != http.StatusServiceUnavailable && !r.ended() {
				x.Errorf("a write without a majority at %s: %d %v after %v: %s", r.address(), a.status, a.err, i.end.Sub(i.call), a.body)
			}
		})
	}
	all.Wait()
}

func (x *trial) running() (all []*replica) {
	for _, r := range x.replicas {
		if !r.ended() {
			all = append(all, r)
		}
	}
	return all
}

func one(x *trial) []*replica { return []*replica{x.any()} }

// holderPaused stops the replica that does the background work, gives it more work, and continues it when another
// replica has taken over.
func holderPaused(long bool) fault {
	least := 13 * time.Second // the lease is taken after 10
	if long {
		least = time.Minute
	}
	return fault{name: "pause the holder of the lease", least: least, hang: true, strike: func(x *trial) func() {
		r, name := x.holder(), x.groupPath(fmt.Sprintf("paused%d", x.history.next()))
		other := x.others(r)[0]
		x.mustPutAt(other, name+groupVersion, location)
		x.mustPutAt(other, identity(name, 0), location)
		r.signal(syscall.SIGSTOP)
		eventually(x, "delete the group", func() bool {
			a, _ := x.arm(other, http.MethodDelete, name+groupVersion, "")
			return a.status == http.StatusAccepted
		})
		return func() {
			x.gone(other, name)
			r.signal(syscall.SIGCONT)
			x.gone(r, name) // at once: it shows nothing old
			if now := x.holder(); now == r {
				x.Errorf("the replica that was paused still holds the lease")
			}
		}
	}}
}

func (x *trial) mustPutAt(r *replica, path, body string) {
	x.Helper()
	eventually(x, "PUT "+path, func() bool {
		a, _ := x.arm(r, http.MethodPut, path, body)
		return a.status == 200 || a.status == 201
	})
}

// gone waits until a group is deleted.
func (x *trial) gone(r *replica, group string) {
	x.Helper()
	eventually(x, "the group is deleted", func() bool {
		a, _ := x.arm(r, http.MethodGet, group+groupVersion, "")
		return a.status == http.StatusNotFound
	})
	if a, _ := x.arm(r, http.MethodGet, identity(group, 0), ""); a.status != http.StatusNotFound {
		x.Errorf("an identity of a deleted group: %d %s", a.status, a.body)
	}
}

// holder is the replica that holds the lease of the background work.
func (x *trial) holder() (holder *replica) {
	x.Helper()
	eventually(x, "a replica holds the lease", func() bool {
		id, addresses := "", map[string]string{}
		out, err := x.any().command(x, "dump")
		if err != nil {
			return false
		}
		for line := range strings.Lines(out) {
			var record struct {
				Key   string
				Value json.RawMessage
			}
			var value struct {
				Holder    string
				Addresses []string
			}
			if json.Unmarshal([]byte(line), &record) != nil || json.Unmarshal(record.Value, &value) != nil {
				continue
			}
			if record.Key == "jb/background" {
				id = value.Holder
			}
			if replica, ok := strings.CutPrefix(record.Key, "rp/"); ok {
				addresses[replica] = fmt.Sprint(value.Addresses)
			}
		}
		for _, r := range x.replicas {
			if strings.Contains(addresses[id], r.address()) {
				holder = r
			}
		}
		return holder != nil
	})
	return holder
}

// clockMoved moves the wall clock of one replica.
func clockMoved(name string, distance time.Duration) fault {
	return fault{name: name, clock: true, strike: func(x *trial) func() {
		w := newWallClock(x, x.any().pid(x))
		w.Set(x, distance)
		return func() {
			w.Set(x, 0)
		}
	}}
}

// pid is the server's process. nsenter has become the server.
func (r *replica) pid(t testing.TB) int {
	t.Helper()
	return r.cmd.Process.Pid
}

// storm opens connections that send nothing, half a handshake, or half a request.
func storm(connections int) fault {
	return fault{name: "connection storm", strike: func(x *trial) func() {
		var all []net.Conn
		r := x.any()
		for i := range connections {
			c, err := net.DialTimeout("tcp", r.address(), time.Second)
			if err != nil {
				continue // the server need not take all of them
			}
			all = append(all, c)
			if i%2 == 0 {
				_, _ = c.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01})
			}
		}
		if len(all) < connections/4 {
			x.Errorf("only %d of %d connections", len(all), connections)
		}
		return func() {
			for _, c := range all {
				_ = c.Close()
			}
		}
	}}
}

// slowDisk delays each flush of some processes to their disks.
func slowDisk(pids func(*trial) []int) fault {
	const delay = "200ms"
	return fault{name: "slow disk (" + delay + " a flush)", strike: func(x *trial) func() {
		words := []string{"-f", "-q", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:delay_enter=" + delay}
		for _, pid := range pids(x) {
			words = append(words, "-p", fmt.Sprint(pid))
		}
		cmd := exec.Command("strace", words...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		if err := cmd.Start(); err != nil {
			x.Fatal(err)
		}
		return func() {
			_ = cmd.Process.Signal(syscall.SIGTERM) // strace detaches
			_ = cmd.Wait()
		}
	}}
}

// fullDisk leaves no byte on the file system of a folder.
func fullDisk(name string, folder func(*trial) string, restart func(*trial)) fault {
	return fault{name: name, least: 4 * time.Second, strike: func(x *trial) func() {
		filler := filepath.Join(folder(x), "filler")
		fill(x, filler)
		return func() {
			if err := os.Remove(filler); err != nil {
				x.Error(err)
			}
			restart(x)
		}
	}}
}

func fill(x *trial, filler string) {
	x.Helper()
	f, err := os.Create(filler)
	if err != nil {
		x.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// restartEnded starts the replicas that have ended, as systemd does.
func restartEnded(x *trial) {
	for _, r := range x.replicas {
		if r.ended() {
			x.Logf("%s has ended: %s", r.address(), last(r.log.String(), 300))
			r.begin(x)()
		}
	}
}

// cut makes the packets of a replica to the database get lost.
func cut() fault {
	return fault{name: replicaCut, least: 4 * time.Second, strike: func(x *trial) func() {
		r := x.any()
		return x.alone(r, func() func() {
			for _, address := range x.database {
				r.machine.lose(x, address)
			}
			return func() {
				for _, address := range x.database {
					r.machine.find(x, address)
				}
			}
		})
	}}
}

// alone separates a replica from the majority of its database, and checks that the replica neither writes nor shows
// what is older than a second, and that the others go on.
func (x *trial) alone(r *replica, separate func() (heal func())) (heal func()) {
	x.Helper()
	// The tokens of hosts also need a fresh read of their audience, those of applications rest on the cache alone.
	eventually(x, "a token", func() bool { return x.grant(r).status == http.StatusOK })
	r.stopped.Store(true) // no client writes there: a replica whose own commit has not come back refuses reads anyway
	time.Sleep(300 * time.Millisecond)
	heal = separate()
	since := time.Now()
	r.stopped.Store(false)
	x.refusesWrites([]*replica{r})
	for refused := false; !refused; time.Sleep(20 * time.Millisecond) {
		begun := time.Now()
		a := x.grant(r)
		refused = a.status == http.StatusServiceUnavailable
		if late := begun.Sub(since); late > behind && !refused {
			x.Errorf("%s is alone and has issued a token after %v: %d %v", r.address(), late, a.status, a.err)
			break
		}
	}
	for _, other := range x.others(r) {
		x.mustPutAt(other, x.group+groupVersion, location)
	}
	return heal
}
