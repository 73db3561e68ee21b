package agent_test

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"midas/internal/agent"
)

// proxy forwards between agent and server. It can stop forwarding without closing connections, like a
// network that drops packets or a stopped server process.
type proxy struct {
	listener net.Listener
	server   string

	mu      sync.Mutex
	forward sync.Cond
	stopped bool            // forwards nothing, and takes new connections
	dead    map[*track]bool // these connections never forward anything any more
	tracks  map[*track]bool
	opened  int
	all     sync.WaitGroup
}

// track is one connection of the agent.
type track struct{ client, server net.Conn }

func newProxy(t *testing.T, s *server) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: u.Host, dead: map[*track]bool{}, tracks: map[*track]bool{}}
	p.forward.L = &p.mu
	p.all.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.stopped, p.dead = false, map[*track]bool{}
	for c := range p.tracks {
		_ = c.client.Close()
		_ = c.server.Close()
	}
	p.forward.Broadcast()
	p.mu.Unlock()
	p.all.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &track{client, server}
		p.mu.Lock()
		p.opened++
		p.tracks[c] = true
		p.mu.Unlock()
		p.all.Go(func() { p.copy(c, client, server) })
		p.all.Go(func() { p.copy(c, server, client) })
	}
}

func (p *proxy) copy(c *track, to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.stopped || p.dead[c] {
			p.forward.Wait()
		}
		p.mu.Unlock()
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

// stop stops to forward, and resume goes on with what has come meanwhile.
func (p *proxy) stop() { p.set(func() { p.stopped = true }) }

func (p *proxy) resume() { p.set(func() { p.stopped = false }) }

// kill makes the connections that are open now black holes. Later ones work.
func (p *proxy) kill() {
	p.set(func() {
		for c := range p.tracks {
			p.dead[c] = true
		}
	})
}

func (p *proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.forward.Broadcast()
}

// through makes an agent use the proxy.
func (p *proxy) through(c *agent.Config) {
	c.Credential.Server = "https://" + p.listener.Addr().String()
}
