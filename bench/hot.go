package main

import (
	"encoding/json"
	"fmt"
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

// hotPaths measures what every client does all day.
func (b *bench) hotPaths() error {
	if err := b.startUp(); err != nil {
		return fmt.Errorf("start-up: %w", err)
	}
	memory, err := b.target("memory", "memory:")
	if err != nil {
		return err
	}
	defer memory.stop()
	rate, err := b.gets(memory)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	if err := b.tokens(memory); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if err := b.metadata(memory); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if err := b.cold(memory); err != nil {
		return fmt.Errorf("cold token: %w", err)
	}
	if err := b.wrong(memory); err != nil {
		return fmt.Errorf("wrong secret: %w", err)
	}
	if err := b.putsInMemory(memory, rate); err != nil {
		return fmt.Errorf("put in memory: %w", err)
	}
	disk, err := b.target("disk", "")
	if err != nil {
		return err
	}
	defer disk.stop()
	return b.putsOnDisk(disk)
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

func (b *bench) target(name, store string) (*target, error) {
	s, err := startMidas(b.binary, filepath.Join(b.dir, name), store)
	if err != nil {
		return nil, err
	}
	t := &target{server: s}
	if t.admin, err = s.admin(); err != nil {
		return nil, err
	}
	if err := t.signIn(); err != nil {
		return nil, err
	}
	t.group = "/subscriptions/" + t.admin.SubscriptionID + "/resourceGroups/bench"
	_, err = t.run(1, 1, "201", func(int) []byte {
		return send("PUT", t.group+"?api-version=2021-04-01", t.bearer, "application/json", `{"location":"eastus"}`)
	})
	return t, err
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
	return load{addr: t.addr, roots: roots, conns: conns, requests: requests, request: request, status: status}.run()
}

// gets measures GET of one identity: verified token, roles, record.
func (b *bench) gets(t *target) (rate float64, err error) {
	if _, err := t.run(1, 1, "201", func(int) []byte { return t.put("app") }); err != nil {
		return 0, err
	}
	request := get(t.identity("app"), t.bearer)
	return b.besideBare("GET of one identity, 16 connections", t, func(int) []byte { return request })
}

// tokens measures the token endpoint where the token is signed already.
func (b *bench) tokens(t *target) error {
	request := t.tokenRequest()
	_, err := b.besideBare("token by secret, warm, 16 connections", t, func(int) []byte { return request })
	return err
}

// besideBare measures a request in turns with the bare server answering the same bytes to it.
func (b *bench) besideBare(what string, t *target, request func(int) []byte) (rate float64, err error) {
	once, err := t.run(1, 1, "200", request)
	if err != nil {
		return 0, err
	}
	bareServer, err := startBareLike(t.server, once.last)
	if err != nil {
		return 0, err
	}
	defer bareServer.stop()
	bare := &target{server: bareServer}
	var ours, theirs, ratios []float64
	for range b.rounds {
		a, err := t.run(getConns, getRequests, "200", request)
		if err != nil {
			return 0, err
		}
		c, err := bare.run(getConns, getRequests, "200", request)
		if err != nil {
			return 0, err
		}
		ours, theirs, ratios = append(ours, a.perSecond), append(theirs, c.perSecond), append(ratios, a.perSecond/c.perSecond)
	}
	fmt.Printf("| %s | %.0f/s | bare net/http: %.0f/s | %.2f |\n", what, median(ours), median(theirs), median(ratios))
	return median(ours), nil
}

// puts measures the creation of new identities.
func (b *bench) puts(t *target, round int) (float64, error) {
	made, err := t.run(putConns, putRequests, "201", func(i int) []byte { return t.put(fmt.Sprintf("id-%d-%d", round, i)) })
	return made.perSecond, err
}

func (b *bench) putsInMemory(t *target, getRate float64) error {
	var rates []float64
	for round := range b.rounds {
		rate, err := b.puts(t, round)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
	}
	fmt.Printf("| PUT of new identities, 64 connections, in memory | %.0f/s | GET, above: %.0f/s | %.2f |\n",
		median(rates), getRate, median(rates)/getRate)
	return nil
}

// putsOnDisk measures durable creation beside the engine alone committing transactions of the same
// shape, each in turns.
func (b *bench) putsOnDisk(t *target) error {
	shape, err := t.shapeOfPut()
	if err != nil {
		return err
	}
	var ours, theirs, ratios []float64
	for round := range b.rounds {
		a, err := b.puts(t, round)
		if err != nil {
			return err
		}
		c, err := engineAlone(filepath.Join(b.dir, fmt.Sprint("engine", round)), shape)
		if err != nil {
			return err
		}
		ours, theirs, ratios = append(ours, a), append(theirs, c), append(ratios, a/c)
	}
	fmt.Printf("| PUT of new identities, 64 connections, durable | %.0f/s | engine alone, %d keys and %d bytes each: %.0f/s | %.2f |\n",
		median(ours), len(shape), bytesOf(shape), median(theirs), median(ratios))
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
