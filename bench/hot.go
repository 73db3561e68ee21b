package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

const (
	getConns    = 16
	putConns    = 64
	getRequests = 20_000
	putRequests = 10_000
	uaiVersion  = "?api-version=2023-01-31"
)

// target is a running server with a group to work in.
type target struct {
	*server
	admin  admin
	bearer string
	group  string // path of the resource group
}

// part is a measurement that can be run by itself.
type part struct {
	name    string
	measure func(*bench, *target) error
}

// parts of the hot paths, on one server whose store is in memory.
func parts() []part {
	return []part{
		{"get", (*bench).gets}, {"token", (*bench).tokens}, {"metadata", (*bench).metadata}, {"cold", (*bench).cold},
		{"wrong", (*bench).wrong}, {"checkaccess", (*bench).checkAccess}, {"put", (*bench).putsInMemory},
		{"decide", (*bench).decisions}, {"exchange", (*bench).exchanges},
	}
}

// hotPaths measures the most frequent requests, or the wanted ones of them.
func (b *bench) hotPaths(wanted func(string) bool) error {
	if !wanted("start") { // replicas are not among the parts that are measured if none is named
		if done, err := b.sharedWanted(wanted); done || err != nil {
			return err
		}
	}
	if wanted("start") {
		if err := b.startUp(); err != nil {
			return fmt.Errorf("start-up: %w", err)
		}
	}
	memory, err := b.target("memory", "memory:")
	if err != nil {
		return err
	}
	defer memory.stop()
	if _, err := memory.run(1, 1, "201", func(int) []byte { return memory.put("app") }); err != nil {
		return err
	}
	for _, p := range parts() {
		if wanted(p.name) {
			if err := p.measure(b, memory); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	if !wanted("durable") {
		return nil
	}
	disk, err := b.target("disk", "")
	if err != nil {
		return err
	}
	defer disk.stop()
	return b.putsOnDisk(disk)
}

// sharedWanted measures the wanted parts of replicas, and reports whether there were any.
func (b *bench) sharedWanted(wanted func(string) bool) (done bool, err error) {
	parts := sharedParts()
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if wanted(name) {
			if done, err = true, parts[name](b); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// startUp measures exec to ready and idle memory, where keys exist already.
func (b *bench) startUp() error {
	data := filepath.Join(b.dir, "start")
	var times []float64
	var rss float64
	for range b.rounds + 1 {
		s, err := startMidas(b.binary, data, "")
		if err != nil {
			return err
		}
		times, rss = append(times, s.ready.Seconds()*1000), s.rss()
		s.stop()
	}
	fmt.Printf("| exec to ready, keys exist | %.0f ms | first start: %.0f ms | |\n", median(times[1:]), times[0])
	fmt.Printf("| idle memory | %.0f MiB | | |\n", rss)
	return nil
}

func (b *bench) target(name, store string, more ...string) (*target, error) {
	s, err := startMidas(b.binary, filepath.Join(b.dir, name), store, more...)
	if err != nil {
		return nil, err
	}
	t := &target{server: s}
	return t, t.prepare()
}

// prepare signs the administrator in and makes the group.
func (t *target) prepare() (err error) {
	if t.admin, err = t.server.admin(); err != nil {
		return err
	}
	if err := t.signIn(); err != nil {
		return err
	}
	t.group = "/subscriptions/" + t.admin.SubscriptionID + "/resourceGroups/bench"
	_, err = t.run(1, 1, "201", func(int) []byte {
		return send("PUT", t.group+"?api-version=2021-04-01", t.bearer, "application/json", `{"location":"eastus"}`)
	})
	return err
}

// signIn gets a token. A server on another port is another issuer, so a restart needs a new one.
func (t *target) signIn() error {
	answer, err := t.run(1, 1, "200", func(int) []byte { return t.tokenRequest() })
	if err != nil {
		return err
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(answer.last, &token); err != nil {
		return err
	}
	t.bearer = token.AccessToken
	return nil
}

func (t *target) identity(name string) string {
	return t.group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name + uaiVersion
}

func (t *target) put(name string) []byte {
	return send("PUT", t.identity(name), t.bearer, "application/json", `{"location":"eastus"}`)
}

func (t *target) tokenRequest() []byte {
	return t.tokenFor("https://management.azure.com", t.admin.ClientSecret)
}

func (t *target) run(conns, requests int, status string, request func(int) []byte) (result, error) {
	roots, err := t.roots()
	if err != nil {
		return result{}, err
	}
	return load{addrs: []string{t.addr}, roots: roots, conns: conns, requests: requests, request: request, status: status}.run()
}

// gets measures GET of one identity: verified token, roles, record.
func (b *bench) gets(t *target) error {
	return b.besideBare("GET of one identity, 16 connections", t, t.getApp())
}

func (t *target) getApp() func(int) []byte {
	request := get(t.identity("app"), t.bearer)
	return func(int) []byte { return request }
}

// tokens measures the token endpoint where the token is signed already.
func (b *bench) tokens(t *target) error {
	request := t.tokenRequest()
	return b.besideBare("token by secret, warm, 16 connections", t, func(int) []byte { return request })
}

// besideBare measures a request in turns with the bare server answering the same bytes to it.
func (b *bench) besideBare(what string, t *target, request func(int) []byte) error {
	once, err := t.run(1, 1, "200", request)
	if err != nil {
		return err
	}
	bareServer, err := startBareLike(t.server, once.last)
	if err != nil {
		return err
	}
	defer bareServer.stop()
	bare := &target{server: bareServer}
	return b.beside(what, func(int) (float64, error) {
		return t.rate(getConns, getRequests, "200", request)
	}, other{"bare net/http", func(int) (float64, error) {
		return bare.rate(getConns, getRequests, "200", request)
	}})
}

// other is a program that Midas is compared with. It returns a rate.
type other struct {
	name  string
	round func(n int) (float64, error)
}

// beside measures Midas and others in turns, and prints the rates and the median of their ratios.
func (b *bench) beside(what string, ours func(round int) (float64, error), others ...other) error {
	var rates []float64
	theirs, ratios := make([][]float64, len(others)), make([][]float64, len(others))
	for round := range b.rounds {
		our, err := ours(round)
		if err != nil {
			return err
		}
		rates = append(rates, our)
		for i, o := range others {
			their, err := o.round(round)
			if err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			theirs[i], ratios[i] = append(theirs[i], their), append(ratios[i], our/their)
		}
	}
	for i, o := range others {
		fmt.Printf("| %s | %.0f/s | %s: %.0f/s | %.2f |\n", what, median(rates), o.name, median(theirs[i]), median(ratios[i]))
	}
	return nil
}

func (t *target) rate(conns, requests int, status string, request func(int) []byte) (float64, error) {
	done, err := t.run(conns, requests, status, request)
	return done.perSecond, err
}

// puts measures the creation of new identities.
func (t *target) puts(round int) (float64, error) {
	return t.rate(putConns, putRequests, "201", func(i int) []byte { return t.put(fmt.Sprintf("id-%d-%d", round, i)) })
}

// putsInMemory measures creation without a disk beside reading.
func (b *bench) putsInMemory(t *target) error {
	request := t.getApp()
	return b.beside("PUT of new identities, 64 connections, in memory", t.puts, other{"GET", func(int) (float64, error) {
		return t.rate(getConns, getRequests, "200", request)
	}})
}

// putsOnDisk measures durable creation beside the store alone committing the same transactions, and
// beside a bare server that commits them.
func (b *bench) putsOnDisk(t *target) error {
	c, err := t.creationOf()
	if err != nil {
		return err
	}
	a, err := openAlone(filepath.Join(b.dir, "alone"), c)
	if err != nil {
		return err
	}
	defer a.Close()
	committer, err := b.startCommitter(t, c)
	if err != nil {
		return err
	}
	defer committer.stop()
	alone := fmt.Sprintf("the store alone, %d keys and %d bytes each", len(c.Rows), bytesOf(c.Rows))
	return b.beside("PUT of new identities, 64 connections, durable", t.puts,
		other{alone, func(int) (float64, error) { return a.round() }},
		other{"bare net/http around the store", func(int) (float64, error) {
			return committer.rate(putConns, putRequests, "200", func(i int) []byte { return t.put(fmt.Sprintf("id-%d", i)) })
		}})
}

func median(values []float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
