package storetest

import (
	"net"
	"sync"
	"testing"
)

// Proxy forwards TCP connections to a server, and loses or delays what they carry, as a network does that fails
// at a bad moment.
type Proxy struct {
	Address string // HOST:PORT

	server string
	mu     sync.Mutex
	links  []*link
	drops  bool // answers do not reach the client
}

// link is one connection of a client, with its connection to the server.
type link struct {
	client, server *net.TCPConn
	holds          bool
	held           []byte // what the client has sent and the server has not got
	ended          chan struct{}
}

// NewProxy starts a proxy on 127.0.0.1, which ends with the test.
func NewProxy(t testing.TB, server string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), server: server}
	t.Cleanup(func() { _ = l.Close(); p.Cut(); p.Deliver() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.forward(client.(*net.TCPConn))
		}
	}()
	return p
}

func (p *Proxy) forward(client *net.TCPConn) {
	conn, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: conn.(*net.TCPConn), ended: make(chan struct{})}
	p.mu.Lock()
	p.links = append(p.links, l)
	p.mu.Unlock()
	go p.requests(l)
	p.answers(l)
}

// requests forwards what the client sends.
func (p *Proxy) requests(l *link) {
	buf := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buf)
		p.mu.Lock()
		if l.holds {
			l.held = append(l.held, buf[:n]...)
		} else if n > 0 {
			_, _ = l.server.Write(buf[:n])
		}
		holds := l.holds
		p.mu.Unlock()
		if err != nil {
			if !holds {
				_ = l.server.CloseWrite()
			}
			return
		}
	}
}

// answers forwards what the server sends, until it closes the connection.
func (p *Proxy) answers(l *link) {
	defer close(l.ended)
	defer l.client.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buf)
		p.mu.Lock()
		drops := p.drops
		p.mu.Unlock()
		if n > 0 && !drops {
			_, _ = l.client.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// Hold keeps what the clients of the present connections send from now on.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.holds = true
	}
}

// Held returns how many bytes are kept.
func (p *Proxy) Held() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		n += len(l.held)
	}
	return n
}

// Drop keeps all answers from the clients, or no longer.
func (p *Proxy) Drop(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drops = on
}

// Cut closes the present connections for the clients. Those whose requests are held stay open for the server.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		_ = l.client.Close()
		if !l.holds {
			_ = l.server.Close()
		}
	}
}

// Deliver hands the server what was held, and returns when it has closed these connections.
func (p *Proxy) Deliver() {
	p.mu.Lock()
	var held, others []*link
	for _, l := range p.links {
		if l.holds {
			held = append(held, l)
		} else {
			others = append(others, l)
		}
	}
	p.links = others
	p.mu.Unlock()
	for _, l := range held {
		_, _ = l.server.Write(l.held)
		_ = l.server.CloseWrite()
		<-l.ended
	}
}
