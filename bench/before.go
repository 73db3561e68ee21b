package main

import (
	"fmt"
	"path/filepath"
)

// paced is a request of the hot paths that two binaries answer in turns.
type paced struct {
	what            string
	server          func(*contender) *target
	conns, requests int
	status          string
	request         func(c *contender, n int) []byte
}

// contender is one of two binaries, with a server and an agent.
type contender struct {
	*target
	agent *target
	made  int // identities
}

func hotRequests() []paced {
	server := func(c *contender) *target { return c.target }
	return []paced{
		{"GET of one identity", server, getConns, getRequests, "200", func(c *contender, _ int) []byte { return get(c.identity("app"), c.bearer) }},
		{"token by secret, warm", server, getConns, getRequests, "200", func(c *contender, _ int) []byte { return c.tokenRequest() }},
		{"warm token from the metadata service", func(c *contender) *target { return c.agent }, getConns, getRequests, "200",
			func(*contender, int) []byte { return metadataRequest() }},
		{"PUT of new identities, in memory", server, putConns, putRequests, "201", func(c *contender, n int) []byte { return c.put(fmt.Sprintf("new-%d", n)) }},
	}
}

// before compares the hot paths of this version with those of another binary. Both get the same requests in turns. What
// counts is the processor time of the server for each request: it is the same on a machine that does other work, too.
func (b *bench) before(binary string) error {
	old := &bench{binary: binary, dir: filepath.Join(b.dir, "before"), rounds: b.rounds}
	was, err := old.contender("old")
	if err != nil {
		return fmt.Errorf("%s: %w", binary, err)
	}
	defer was.end()
	is, err := b.contender("new")
	if err != nil {
		return err
	}
	defer is.end()
	for _, p := range hotRequests() {
		var theirs, ours, ratios []float64
		for range b.rounds {
			before, err := was.cost(p)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", binary, p.what, err)
			}
			now, err := is.cost(p)
			if err != nil {
				return fmt.Errorf("%s: %w", p.what, err)
			}
			theirs, ours, ratios = append(theirs, before), append(ours, now), append(ratios, now/before)
		}
		fmt.Printf("| %s, processor time | %.1f us | before: %.1f us | %.3f |\n", p.what, median(ours), median(theirs), median(ratios))
	}
	return nil
}

func (b *bench) contender(name string) (*contender, error) {
	t, err := b.target(name, "memory:")
	if err != nil {
		return nil, err
	}
	c := &contender{target: t}
	if _, err = t.run(1, 1, "201", func(int) []byte { return t.put("app") }); err == nil {
		var agent *server
		if agent, err = b.agent(t, name+"-agent"); err == nil {
			c.agent = &target{server: agent}
			return c, nil
		}
	}
	t.stop()
	return nil, err
}

func (c *contender) end() {
	c.agent.stop()
	c.stop()
}

// cost returns the processor time of one request in microseconds.
func (c *contender) cost(p paced) (float64, error) {
	server, first := p.server(c), c.made
	if p.status == "201" {
		c.made += p.requests
	}
	request := func(i int) []byte { return p.request(c, first+i) }
	if p.status == "200" {
		same := p.request(c, 0)
		request = func(int) []byte { return same }
	}
	begin, err := server.cpu()
	if err != nil {
		return 0, err
	}
	if _, err := server.run(p.conns, p.requests, p.status, request); err != nil {
		return 0, err
	}
	end, err := server.cpu()
	return (end - begin).Seconds() * 1e6 / float64(p.requests), err
}
