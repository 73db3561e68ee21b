//go:build e2e && cluster

package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Loads of the measurements of replicas.
const (
	mostReplicas  = 3
	freshRequests = 6000 // with many connections
	freshAlone    = 1500 // with one connection
	tokenConns    = 48
	tokenRequests = 12_000
)

// writerCounts are the numbers of writers at the same time.
var writerCounts = []int{1, 16, 64}

// sharing is one database with replicas, and a server with Pebble beside them.
type sharing struct {
	*bench
	db       *database
	replicas *replicas
	pebble   *replicas
	creation creation
}

// shared measures one to three replicas on a database beside the database alone and beside a single server with Pebble.
func (b *bench) shared(s *stage, start func(*stage) (*database, error)) error {
	db, err := start(s)
	if err != nil {
		return err
	}
	m := &sharing{bench: b, db: db}
	if m.replicas, err = b.startReplicas("replicas-"+db.name, db.url, mostReplicas); err != nil {
		return err
	}
	defer m.replicas.stop()
	if m.pebble, err = b.startReplicas("single-"+db.name, "", 1); err != nil {
		return err
	}
	defer m.pebble.stop()
	if m.creation, err = m.replicas.creationOf(); err != nil {
		return err
	}
	for _, measure := range []func() error{m.writes, m.fresh, m.recent, m.latency, m.growth} {
		if err := measure(); err != nil {
			return fmt.Errorf("%s: %w", db.name, err)
		}
	}
	return nil
}

// writes measures creates beside the same transactions of the database's own client.
func (m *sharing) writes() error {
	size := fmt.Sprintf("%s alone, %d keys and %d bytes each", m.db.name, len(m.creation.Rows), bytesOf(m.creation.Rows))
	made := 0
	ctx := context.Background()
	for n := 1; n <= mostReplicas; n++ {
		alone, err := m.db.alone(ctx, n)
		if err != nil {
			return err
		}
		defer alone.close()
		for _, writers := range writerCounts {
			err := m.beside(fmt.Sprintf("PUT of new identities, %s, %d of 3 replicas, %d writers", m.db.name, n, writers),
				func(int) (float64, error) { return m.replicas.creates(n, writers) },
				other{size, func(int) (float64, error) {
					rows := make([][]row, writesOf(writers))
					for i := range rows {
						rows[i] = m.creation.like(made + i)
					}
					made += len(rows)
					return direct(alone, rows, writers)
				}})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// reads measures a request at n replicas beside the same request at a single server with Pebble.
func (m *sharing) reads(what string, n, conns, requests int, request func(*replicas) []byte) error {
	ours, theirs := request(m.replicas), request(m.pebble)
	rate := func(r *replicas, n int, request []byte) (float64, error) {
		done, err := r.measure(n, conns, requests, "200", func(int) []byte { return request })
		return done.perSecond, err
	}
	return m.beside(fmt.Sprintf("%s, %s, %d of 3 replicas, %d connections", what, m.db.name, n, conns),
		func(int) (float64, error) { return rate(m.replicas, n, ours) },
		other{"a single server with Pebble", func(int) (float64, error) { return rate(m.pebble, 1, theirs) }})
}

func getOf(r *replicas) []byte   { return get(r.identity("app"), r.bearer) }
func tokenOf(r *replicas) []byte { return r.tokenRequest() }

func (m *sharing) fresh() error {
	if err := m.reads("fresh read (GET of one identity)", 1, 1, freshAlone, getOf); err != nil {
		return err
	}
	for n := 1; n <= mostReplicas; n++ {
		if err := m.reads("fresh read (GET of one identity)", n, 64, freshRequests, getOf); err != nil {
			return err
		}
	}
	return nil
}

func (m *sharing) recent() error {
	return m.reads("recent read (token by secret, warm)", 1, 64, tokenRequests, tokenOf)
}

// latency measures what a fresh read waits for: one read of the newest revision.
func (m *sharing) latency() error {
	alone, err := m.db.alone(context.Background(), 1)
	if err != nil {
		return err
	}
	defer alone.close()
	var ours, theirs, probes []float64
	for range m.rounds {
		for _, at := range []struct {
			r  *replicas
			to *[]float64
		}{{m.replicas, &ours}, {m.pebble, &theirs}} {
			request := getOf(at.r)
			done, err := at.r.measure(1, 1, freshAlone, "200", func(int) []byte { return request })
			if err != nil {
				return err
			}
			*at.to = append(*at.to, done.p50.Seconds()*1000)
		}
		probe, err := probeOf(alone)
		if err != nil {
			return err
		}
		probes = append(probes, probe.Seconds()*1000)
	}
	fmt.Printf("| fresh read, median time, %s, 1 connection | %.2f ms | Pebble: %.2f ms, a read of the newest revision by %s's own client: %.2f ms | %.2f |\n",
		m.db.name, median(ours), median(theirs), m.db.name, median(probes), median(ours)/(median(theirs)+median(probes)))
	return nil
}

// probeOf returns the median time of a read of the newest revision.
func probeOf(db transactor) (time.Duration, error) {
	var times []time.Duration
	for range freshAlone / 2 {
		begin := time.Now()
		if err := db.newest(context.Background()); err != nil {
			return 0, err
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	return times[len(times)/2], nil
}

// growth shows what limits tokens when replicas are added: their processor time, and not the database.
func (m *sharing) growth() error {
	idle, err := m.idle()
	if err != nil {
		return err
	}
	for n := 1; n <= mostReplicas; n++ {
		var rates, costs, operations []float64
		for range m.rounds {
			rate, cost, ops, err := m.tokens(n)
			if err != nil {
				return err
			}
			rates, costs, operations = append(rates, rate), append(costs, cost), append(operations, ops)
		}
		fmt.Printf("| tokens by secret, warm, %s, %d of 3 replicas | %.0f/s, %.1f us of processor time each | operations of the database a second: %.0f, without requests: %.0f | |\n",
			m.db.name, n, median(rates), median(costs), median(operations), idle)
	}
	return nil
}

// idle returns the operations a second of the database while nobody sends requests.
func (m *sharing) idle() (float64, error) {
	before, err := m.db.operations(context.Background())
	if err != nil {
		return 0, err
	}
	const pause = 2 * time.Second
	time.Sleep(pause)
	after, err := m.db.operations(context.Background())
	return (after - before) / pause.Seconds(), err
}

// tokens returns the rate of tokens from n replicas, the processor time of one in microseconds, and the operations a
// second of the database meanwhile.
func (m *sharing) tokens(n int) (rate, cost, operations float64, err error) {
	before, err := m.db.operations(context.Background())
	if err != nil {
		return 0, 0, 0, err
	}
	used, err := m.replicas.cpuOf(n)
	if err != nil {
		return 0, 0, 0, err
	}
	request := tokenOf(m.replicas)
	begin := time.Now()
	done, err := m.replicas.measure(n, tokenConns, tokenRequests, "200", func(int) []byte { return request })
	if err != nil {
		return 0, 0, 0, err
	}
	took := time.Since(begin).Seconds()
	after, err := m.db.operations(context.Background())
	if err != nil {
		return 0, 0, 0, err
	}
	end, err := m.replicas.cpuOf(n)
	return done.perSecond, (end - used).Seconds() * 1e6 / tokenRequests, (after - before) / took, err
}
