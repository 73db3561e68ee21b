//go:build e2e && cluster

package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"
)

// database is what replicas share, as servers that this program has started.
type database struct {
	name, url string

	// alone uses the database without Midas.
	alone func(ctx context.Context, replicas int) (transactor, error)

	// operations returns how many operations the database has carried out.
	operations func(ctx context.Context) (float64, error)
}

// replicas are servers of one installation.
type replicas struct {
	*target // the first, with the identity app
	all     []*target
	made    int // identities
}

// startReplicas starts n replicas on an empty database.
func (b *bench) startReplicas(name, store string, n int) (*replicas, error) {
	r := &replicas{}
	ports, err := freePorts(n)
	if err != nil {
		return nil, err
	}
	origin := "https://localhost:" + ports[0]
	for i, port := range ports {
		data := filepath.Join(b.dir, name, strconv.Itoa(i))
		more := []string{"--listen", "localhost:" + port, "--origin", origin}
		if i > 0 {
			more = append(more, "--master-key", filepath.Join(r.all[0].data, "master.key"))
		}
		s, err := startMidas(b.binary, data, store, more...)
		if err != nil {
			r.stop()
			return nil, err
		}
		s.addr = "127.0.0.1:" + port
		r.all = append(r.all, &target{server: s})
	}
	if err := r.settle(); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// settle makes the group and the identity app, and gives all replicas the token of the administrator.
func (r *replicas) settle() error {
	first := r.all[0]
	r.target = first
	if err := first.prepare(); err != nil {
		return err
	}
	for _, t := range r.all[1:] {
		t.admin, t.bearer, t.group = first.admin, first.bearer, first.group
	}
	_, err := first.run(1, 1, "201", func(int) []byte { return first.put("app") })
	return err
}

// freePorts returns ports of 127.0.0.1 that were free a moment ago.
func freePorts(n int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, ports[i], _ = net.SplitHostPort(l.Addr().String())
	}
	return ports, nil
}

func (r *replicas) stop() {
	for _, t := range r.all {
		t.stop()
	}
}

// measure sends requests to the first n replicas over as many connections in all.
func (r *replicas) measure(n, conns, requests int, status string, request func(int) []byte) (result, error) {
	roots, err := r.roots()
	if err != nil {
		return result{}, err
	}
	l := load{conns: conns, roots: roots, requests: requests, request: request, status: status}
	for _, t := range r.all[:n] {
		l.addrs = append(l.addrs, t.addr)
	}
	return l.run()
}

// creates makes new identities at the first n replicas and returns the rate.
func (r *replicas) creates(n, writers int) (float64, error) {
	first, count := r.made, writesOf(writers)
	r.made += count
	done, err := r.measure(n, writers, count, "201", func(i int) []byte { return r.put(fmt.Sprintf("id-%d", first+i)) })
	return done.perSecond, err
}

// writesOf bounds one round of so many writers.
func writesOf(writers int) int { return 300 + 40*writers }

// cpuOf returns the processor time of the first n replicas.
func (r *replicas) cpuOf(n int) (sum time.Duration, err error) {
	for _, t := range r.all[:n] {
		used, err := t.cpu()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}
