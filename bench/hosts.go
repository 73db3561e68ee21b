package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"time"
)

// How many identities there are, and how many each machine has.
const (
	assigned      = 3
	poolOf        = 1000
	hostsMeasured = 16 // as many as connections
	hostRequests  = 5000
)

// hosts compares a small installation with one of n machines that have three identities each: the time of an
// assignment and of a token, and the memory.
func (b *bench) hosts(n int) error {
	small, err := b.machines("few", hostsMeasured)
	if err != nil {
		return err
	}
	defer small.stop()
	big, err := b.machines("many", n)
	if err != nil {
		return err
	}
	defer big.stop()
	for _, m := range []struct {
		what    string
		measure func(*target, int) (float64, error)
	}{{"assignments (PATCH of a machine's identities)", b.assignments}, {"tokens for hosts over mutual TLS", b.hostTokens}} {
		var many, few, ratios []float64
		for range b.rounds {
			a, err := m.measure(big, n)
			if err != nil {
				return fmt.Errorf("%s: %w", m.what, err)
			}
			c, err := m.measure(small, hostsMeasured)
			if err != nil {
				return fmt.Errorf("%s: %w", m.what, err)
			}
			many, few, ratios = append(many, a), append(few, c), append(ratios, a/c)
		}
		fmt.Printf("| %s, %d machines | %.0f/s | with %d machines: %.0f/s | %.2f |\n", m.what, n, median(many), hostsMeasured, median(few), median(ratios))
	}
	fmt.Printf("| memory after that, %d machines | %.0f MiB | with %d: %.0f MiB | %.2f |\n", n, big.rss(), hostsMeasured, small.rss(), big.rss()/small.rss())
	return b.waiting(small)
}

// machines makes a server with n machines.
func (b *bench) machines(name string, n int) (*target, error) {
	t, err := b.target(name, "")
	if err != nil {
		return nil, err
	}
	if _, err := t.run(putConns, poolOf, "201", func(i int) []byte { return t.put(fmt.Sprintf("id%d", i)) }); err != nil {
		return nil, err
	}
	made, err := t.run(putConns, n, "201", func(i int) []byte {
		return send("PUT", t.machine(i), t.bearer, "application/json", `{"location":"eastus",`+t.block(i)+`}`)
	})
	if err == nil {
		fmt.Printf("| PUT of machines with %d identities each, %d of them | %.0f/s | | |\n", assigned, n, made.perSecond)
	}
	return t, err
}

func (t *target) machine(i int) string {
	return fmt.Sprintf("%s/providers/Microsoft.Compute/virtualMachines/vm%d?api-version=2024-07-01", t.group, i)
}

// block is the identity block of the i-th machine.
func (t *target) block(i int) string {
	var users []string
	for k := range assigned {
		id, _, _ := strings.Cut(t.identity(fmt.Sprintf("id%d", (i+k)%poolOf)), "?")
		users = append(users, fmt.Sprintf("%q:{}", id))
	}
	return `"identity":{"type":"UserAssigned","userAssignedIdentities":{` + strings.Join(users, ",") + `}}`
}

func (b *bench) assignments(t *target, n int) (float64, error) {
	done, err := t.run(getConns, hostRequests, "200", func(i int) []byte {
		vm := mathrand.IntN(n/hostsMeasured)*hostsMeasured + i%hostsMeasured // connections seldom use the same machine
		return send("PATCH", t.machine(vm), t.bearer, "application/json", "{"+t.block(vm+i%2)+"}")
	})
	return done.perSecond, err
}

// hostTokens enrolls some machines and has each ask for a token of one of its identities.
func (b *bench) hostTokens(t *target, n int) (float64, error) {
	roots, err := t.roots()
	if err != nil {
		return 0, err
	}
	pairs := make([]tls.Certificate, hostsMeasured)
	for i := range pairs {
		vm := i * (n / hostsMeasured)
		if _, err := t.run(1, 1, "200", func(int) []byte { // with the identities that are assigned by then
			return send("PUT", t.machine(vm), t.bearer, "application/json", `{"location":"eastus",`+t.block(0)+`}`)
		}); err != nil {
			return 0, err
		}
		if pairs[i], err = t.enroll(vm); err != nil {
			return 0, err
		}
	}
	id, _, _ := strings.Cut(t.identity("id1"), "?")
	body := fmt.Sprintf(`{"audience":"https://vault.azure.net","resourceId":%q}`, id)
	request := send("POST", "/hosts/v1/token", "", "application/json", body)
	done, err := load{
		addrs: []string{t.addr}, roots: roots, pairs: pairs, conns: hostsMeasured, requests: hostRequests, status: "200",
		request: func(int) []byte { return request },
	}.run()
	return done.perSecond, err
}

// waiters is how many hosts wait for changes while memory is measured.
const waiters = 2000

// waiting measures the memory of a host that only waits for changes.
func (b *bench) waiting(t *target) error {
	roots, err := t.roots()
	if err != nil {
		return err
	}
	pair, err := t.enroll(0)
	if err != nil {
		return err
	}
	l := load{addrs: []string{t.addr}, roots: roots, pairs: []tls.Certificate{pair}, conns: 1, requests: 1, status: "200",
		request: func(int) []byte { return get("/hosts/v1/state", "") }}
	first, err := l.run()
	if err != nil {
		return err
	}
	var state struct{ Version string }
	if err := json.Unmarshal(first.last, &state); err != nil {
		return err
	}
	before := t.rss()
	for i := range waiters {
		conn, err := l.dial(i)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.Write(get("/hosts/v1/state?after="+state.Version, "")); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second) // until all of them wait
	fmt.Printf("| memory for a host that waits for changes, of %d | %.0f KiB | | |\n", waiters, (t.rss()-before)*1024/waiters)
	return nil
}

// enroll makes a machine's host, as an agent does.
func (t *target) enroll(vm int) (tls.Certificate, error) {
	path, _, _ := strings.Cut(t.machine(vm), "?")
	answer, err := t.run(1, 1, "200", func(int) []byte {
		return send("POST", path+"/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01", t.bearer, "application/json", "")
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	var created struct{ Token string }
	if err := json.Unmarshal(answer.last, &created); err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	body, err := json.Marshal(map[string]string{
		"token": created.Token, "request": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})),
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	answer, err = t.run(1, 1, "200", func(int) []byte { return send("POST", "/hosts/v1/enroll", "", "application/json", string(body)) })
	if err != nil {
		return tls.Certificate{}, err
	}
	var enrollment struct{ Certificate string }
	if err := json.Unmarshal(answer.last, &enrollment); err != nil {
		return tls.Certificate{}, err
	}
	block, _ := pem.Decode([]byte(enrollment.Certificate))
	if block == nil {
		return tls.Certificate{}, errors.New("there is no certificate in the enrollment")
	}
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, nil
}
