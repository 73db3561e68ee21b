//go:build e2e && cluster

package faults

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// TestFaults strikes replicas on each engine. The long form repeats it with new installations, and with the faults in
// another order, until its time is over.
func TestFaults(t *testing.T) {
	s := flags()
	seed := s.seed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	fmt.Printf("seed %d\n", seed)
	var all results
	defer all.print()
	begun := time.Now()
	for round := 0; round == 0 || time.Since(begun) < s.length && !t.Failed(); round++ {
		for i, e := range engines() {
			t.Run(fmt.Sprintf("%s%d", e.short, round), func(t *testing.T) {
				x := newTrial(t, e, round*len(engines())+i+1, seed)
				e.run(x)
				all.add(x.history.phases)
			})
		}
	}
}

// engine is a kind of installation.
type engine struct {
	short, name string
	replicas    int
	members     int // of the database that have machines of their own
	run         func(*trial)
}

func engines() []engine {
	return []engine{
		{"embedded", "etcd inside", 3, 0, onEmbedded},
		{"etcd", "etcd of Debian", 3, 3, onEtcd},
		{"postgres", "PostgreSQL", 3, 0, onPostgres},
		{"pebble", "Pebble", 1, 0, onPebble},
	}
}

// faults strikes the trial with each of its faults under a workload.
func (x *trial) faults(all []fault) {
	x.Helper()
	x.ready()
	x.startAgent()
	x.requestDirectly()
	x.work()
	principal, token := x.newReader()
	x.exercise(func() *right { return x.role(principal, token) })
	x.exercise(x.attached)
	if x.settings.long() {
		x.shuffle(all)
	}
	for _, f := range all {
		if x.settings.faults.MatchString(f.name) {
			x.suffer(f)
		}
	}
	x.creators()
	x.deletion()
	x.rotation()
	x.finish()
}

// shuffle changes the order of the faults, except that the last one stays: it may not be possible twice.
func (x *trial) shuffle(all []fault) {
	for i := len(all) - 2; i > 0; i-- {
		j := x.random.n(i + 1)
		all[i], all[j] = all[j], all[i]
	}
}

// results collects the figures of all trials.
type results struct {
	mu     sync.Mutex
	phases []*phase
}

func (r *results) add(phases []*phase) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phases = append(r.phases, phases...)
}

// print prints a line for each fault.
func (r *results) print() {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "engine\tfault\twrites\tunknown\tslowest write\tlongest without one\tcached tokens\tfailed\tslowest\tnew tokens\tfailed\tslowest\tdirect, one retry\tfailed\tslowest")
	for _, p := range r.phases {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%d\t%d\t%s\t%d\t%d\t%s\t%d\t%d\t%s\n", p.engine, p.fault, p.writes, p.unknown, seconds(p.slowest), seconds(p.gap),
			p.cached.all, p.cached.failed, seconds(p.cached.slowest), p.fresh.all, p.fresh.failed, seconds(p.fresh.slowest),
			p.direct.all, p.direct.failed, seconds(p.direct.slowest))
	}
	_ = w.Flush()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
