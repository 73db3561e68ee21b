//go:build e2e && cluster

package faults

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"midas/internal/store/servertest"
)

// command is a command of the binary in the network of the tests.
func command(t testing.TB, words ...string) *exec.Cmd { return exec.Command(midasBinary(t), words...) }

// onPebble is one server on a file system of its own.
func onPebble(x *trial) {
	r := x.replicas[0]
	mountSmall(x, r.data, 192)
	x.configure(r)
	r.begin(x)()
	x.faults([]fault{
		killed("kill -9 of the server", one),
		slowDisk(func(x *trial) []int { return []int{r.pid(x)} }),
		fullDisk("full disk", func(*trial) string { return r.data }, restartEnded),
		storm(x.storm()),
	})
}

// storm is the number of connections of a storm.
func (x *trial) storm() int {
	if x.settings.long() {
		return 8000
	}
	return 1500
}

// onEmbedded is three replicas with etcd inside.
func onEmbedded(x *trial) {
	for i, r := range x.replicas {
		mountSmall(x, r.data, 768)
		x.configure(r)
		if i == 0 {
			r.begin(x, "--cluster-init")()
			continue
		}
		token, err := x.replicas[0].command(x, "cluster", "token")
		if err != nil {
			x.Fatal(err)
		}
		words := strings.Fields(token)
		r.begin(x, "--join", "https://"+x.replicas[0].address(), "--token", words[len(words)-1])()
	}
	leader := func(x *trial) []*replica { return []*replica{x.leader()} }
	x.faults([]fault{
		killed("kill -9 of the leader", leader),
		killed("kill -9 of the majority", func(x *trial) []*replica { return x.others(x.any()) }),
		x.partition(),
		holderPaused(x.settings.long()),
		slowDisk(func(x *trial) []int { return []int{x.leader().pid(x)} }),
		fullDisk("full disk of the leader", func(x *trial) string { return x.leader().data }, restartEnded),
		clockMoved("the clock of a replica +1 h", time.Hour),
		clockMoved("the clock of a replica -1 h", -time.Hour),
		storm(x.storm()),
	})
}

// leader is the replica with the leader of etcd.
func (x *trial) leader() (leader *replica) {
	x.Helper()
	eventually(x, "etcd has a leader", func() bool {
		out, err := x.any().command(x, "cluster", "status")
		for line := range strings.Lines(out) {
			for _, r := range x.replicas {
				if strings.Contains(line, "leader") && strings.Contains(line, r.machine.address+":") {
					leader = r
				}
			}
		}
		return err == nil && leader != nil
	})
	return leader
}

// partition separates the leader from the others. Clients reach all of them.
func (x *trial) partition() fault {
	return fault{name: "partition: the leader alone", least: 4 * time.Second, strike: func(x *trial) func() {
		r := x.leader()
		return x.alone(r, func() func() { return separate(x, []*machine{r.machine}, machinesOf(x.others(r))) })
	}}
}

func machinesOf(replicas []*replica) (all []*machine) {
	for _, r := range replicas {
		all = append(all, r.machine)
	}
	return all
}

// share starts three replicas on a database that others run, which they reach through forwarders.
func (x *trial) share(store string, ports []string) {
	x.Helper()
	key := filepath.Join(x.TempDir(), "master.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		x.Fatal(err)
	}
	for _, port := range ports {
		x.network.forward(x.network.prefix+databaseHost+":"+port, []string{"127.0.0.1:" + port})
	}
	if len(ports) > 0 {
		x.database = []string{x.network.prefix + databaseHost}
		store = strings.ReplaceAll(store, "127.0.0.1", x.database[0])
	}
	for i, r := range x.replicas {
		r.flags = []string{"--store", store, "--master-key", key}
		ready := r.begin(x)
		if i == 0 {
			ready()
		} else {
			defer ready()
		}
	}
}

// onEtcd is three replicas on three members of Debian's etcd, which have machines of their own. Their disk is small.
func onEtcd(x *trial) {
	disk := filepath.Dir(x.TempDir()) // of all temporary folders of this test
	mountSmall(x, disk, 1024)
	members := x.network.machines[len(x.replicas):]
	var places []servertest.Place
	for _, m := range members {
		places = append(places, servertest.Place{Address: m.address, Enter: m.enter()})
		x.database = append(x.database, m.address)
	}
	c := servertest.EtcdAt(x, places)
	url := "etcd://" + strings.Join(c.Endpoints, ",")
	x.share(url+"/midas", nil)
	x.resume = x.pauseHolder(url + "/paused")
	kill := func(name string, members func() []int) fault {
		return fault{name: name, strike: func(x *trial) func() {
			victims := members()
			for _, i := range victims {
				c.Kill(i)
			}
			if len(victims) > 1 {
				x.refusesWrites(x.replicas)
			}
			return func() {
				for _, i := range victims {
					c.Start(i)
				}
			}
		}}
	}
	restart := func(x *trial) {
		for i := range c.Endpoints {
			c.Kill(i)
		}
		for i := range c.Endpoints {
			c.Start(i)
		}
		restartEnded(x)
	}
	// The leader and a replica are on one side, two members and two replicas on the other.
	partition := fault{name: "partition: etcd's leader and a replica alone", least: 4 * time.Second, strike: func(x *trial) func() {
		l := c.Leader()
		side := []*machine{members[l], x.replicas[l].machine}
		others := slices.DeleteFunc(slices.Clone(x.network.machines), func(m *machine) bool { return slices.Contains(side, m) })
		return x.alone(x.replicas[l], func() func() { return separate(x, side, others) })
	}}
	all := []fault{
		killed(replicaKilled, one),
		kill("kill -9 of etcd's leader", func() []int { return []int{c.Leader()} }),
		kill("kill -9 of etcd's majority", func() []int { l := c.Leader(); return []int{l, (l + 1) % 3} }),
		{name: "pause etcd's leader", strike: func(x *trial) func() {
			l := c.Leader()
			c.Pause(l)
			return func() { c.Resume(l) }
		}},
		partition,
		slowDisk(func(*trial) []int { return []int{c.PID(c.Leader())} }),
		fullDisk("full disk of all members", func(*trial) string { return disk }, restart),
	}
	if x.settings.long() {
		all = append(all, cut())
	}
	x.faults(all)
}

// onPostgres is three replicas on PostgreSQL with a synchronous standby.
func onPostgres(x *trial) {
	disk := filepath.Dir(x.TempDir())
	mountSmall(x, disk, 512)
	primary := servertest.Postgres(x)
	standby := primary.Standby(true)
	store, err := url.Parse(primary.URL(standby))
	if err != nil {
		x.Fatal(err)
	}
	x.share(store.String()+"&target_session_attrs=read-write", []string{fmt.Sprint(primary.Port), fmt.Sprint(standby.Port)})
	x.resume = x.pauseHolder(store.String() + "&midas_schema=paused")
	x.faults([]fault{
		killed(replicaKilled, one),
		{name: "kill -9 of the primary, started again", strike: func(x *trial) func() {
			primary.Kill()
			return primary.Start
		}},
		cut(),
		slowDisk(func(*trial) []int { return primary.PIDs() }),
		fullDisk("full disk of both databases", func(*trial) string { return disk }, func(x *trial) {
			for _, s := range []*servertest.PostgresServer{primary, standby} {
				if !s.Running() {
					s.Start()
				}
			}
			restartEnded(x)
		}),
		{name: "kill -9 of the primary, standby promoted", strike: func(x *trial) func() {
			begun := time.Now()
			primary.Kill()
			standby.Promote()
			x.Logf("the standby was promoted %.1f s after the kill", time.Since(begun).Seconds())
			return func() {}
		}},
	})
}
