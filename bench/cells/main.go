// Command cells calculates how many installations of Midas ("cells") a number of identities and hosts needs, and what
// is exhausted first in a single one. Its inputs are the measured figures in docs/benchmarks.md. docs/scaling.md has
// its output.
//
//	go run ./bench/cells
//	go run ./bench/cells -identities 5000000 -hosts 20000 -replicas 5
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"
)

// demand is what has to be served. The defaults of the flags are those of docs/scaling.md.
type demand struct {
	identities, hosts, tenants int
	tokensPerHost              int           // identities of a host times audiences
	refresh                    time.Duration // after which an agent gets a token again: half of its lifetime
	certificates               time.Duration // after which a host renews its certificate
	churn                      float64       // identities that are created in place of others, of all, a day
	recovery                   time.Duration // within which all hosts have new tokens after an outage
}

// cell is the hardware of one installation.
type cell struct {
	replicas int     // equal ones; one of them may be down
	store    float64 // bytes that its engine can keep
	memory   float64 // bytes for connections of hosts, of each replica
}

const gib = 1 << 30

func main() {
	log.SetFlags(0)
	var d demand
	var c cell
	page := flag.String("figures", "docs/benchmarks.md", "page with the measured figures")
	flag.IntVar(&d.identities, "identities", 100_000_000, "managed identities")
	flag.IntVar(&d.hosts, "hosts", 1_000_000, "enrolled hosts")
	flag.IntVar(&d.tenants, "tenants", 100_000, "tenants, of sizes by Zipf's law")
	flag.IntVar(&d.tokensPerHost, "tokens", 3, "tokens that a host uses: identities times audiences")
	flag.DurationVar(&d.refresh, "refresh", 12*time.Hour, "age at which an agent replaces a token")
	flag.DurationVar(&d.certificates, "certificates", 84*time.Hour, "age at which a host replaces its certificate")
	flag.Float64Var(&d.churn, "churn", 0.01, "part of the identities that is replaced in a day")
	flag.DurationVar(&d.recovery, "recovery", 15*time.Minute, "time for all hosts to get all tokens after an outage")
	flag.IntVar(&c.replicas, "replicas", 3, "replicas of a cell; one may be down")
	flag.Float64Var(&c.store, "store", 8, "GiB that the engine of a cell can keep; 8 is what etcd suggests as its maximum")
	flag.Float64Var(&c.memory, "memory", 8, "GiB of a replica for the connections of hosts")
	flag.Parse()
	c.store, c.memory = c.store*gib, c.memory*gib
	text, err := os.ReadFile(*page)
	if err == nil {
		err = report(os.Stdout, string(text), d, c)
	}
	if err != nil {
		log.Fatalln("cells:", err)
	}
}

// report writes the tables.
func report(w io.Writer, page string, d demand, c cell) error {
	if d.identities <= 0 || d.hosts < 0 || d.tenants <= 0 || d.tokensPerHost < 0 || d.churn < 0 || c.replicas < 2 ||
		d.refresh <= 0 || d.certificates <= 0 || d.recovery <= 0 || c.store <= 0 || c.memory <= 0 {
		return fmt.Errorf("identities, tenants and times must be positive, and a cell has two replicas at least")
	}
	f, err := readFigures(page)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "one cell of %d replicas, one of them down\n", c.replicas)
	for _, l := range limits(f, d, c) {
		fmt.Fprintf(w, "  %-44s %15s\n", l.holds, l.unit(l.capacity/l.each))
	}
	fmt.Fprintf(w, "\n%s identities and %s hosts in one cell\n", count(float64(d.identities)), count(float64(d.hosts)))
	fmt.Fprintf(w, "  %-34s %12s %12s %8s\n", "what", "needed", "there", "times")
	for _, l := range byUse(limits(f, d, c)) {
		fmt.Fprintf(w, "  %-34s %12s %12s %8.3f\n", l.what, l.show(l.needed), l.show(l.capacity), l.needed/l.capacity)
	}
	return spread(w, f, d, c)
}
