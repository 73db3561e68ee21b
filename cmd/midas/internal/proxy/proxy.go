// Package proxy is an HTTP proxy for one command, on a loopback port. It leads Azure's host names to
// a server, for programs that can be told of a proxy but not of another cloud.
//
// It opens tunnels and looks into none: TLS is between the program and the server. What may be
// reached is decided by name: Azure's names, on their only port, are the server; the server's own
// endpoint and loopback addresses are themselves; everything else is refused, unless the rest of the
// world is let through. An Azure name never leads to the real Azure.
//
// Every user of the machine can reach a loopback port, so each request must show the password that is
// in the proxy's URL (Proxy-Authorization, RFC 9110, 11.7), which only the command is given.
package proxy

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/azure"
)

// Config says what may be reached.
type Config struct {
	Server   string       // HOST:PORT at which Azure's names are served
	Endpoint string       // HOST:PORT by which the server is known otherwise; it also leads to Server
	Metadata string       // HOST:PORT at which Azure's metadata service is served; empty if there is none
	Internet bool         // let all other hosts through
	Report   func(string) // is told, in a line, of every host that was not reached, once each
}

// Proxy is a running proxy. It is safe for concurrent use.
type Proxy struct {
	cfg      Config
	listener net.Listener
	password string
	server   *http.Server
	forward  *httputil.ReverseProxy
	serving  sync.WaitGroup
	tunnels  sync.WaitGroup
	ended    context.Context
	end      context.CancelFunc

	mu       sync.Mutex
	closed   bool
	reported map[string]bool
}

// metadataHost is where Azure's machines find their metadata service.
const metadataHost = "169.254.169.254"

// dialTimeout is how long a host has to take a connection.
const dialTimeout = 15 * time.Second

// Start opens a proxy on a free port of 127.0.0.1.
func Start(cfg Config) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the proxy's port: %w", err)
	}
	p := &Proxy{cfg: cfg, listener: l, password: rand.Text(), reported: map[string]bool{}}
	p.ended, p.end = context.WithCancel(context.Background())
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 30 * time.Second, DisableGeneralOptionsHandler: true}
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { // the request's own URL is the target, as a rule
			if cfg.Metadata != "" && r.In.URL.Hostname() == metadataHost {
				r.Out.URL.Host = cfg.Metadata
			}
		},
		Transport:    &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { p.unreachable(w, r.URL.Host, err) },
	}
	p.serving.Go(func() { _ = p.server.Serve(l) })
	return p, nil
}

// user is the name in the proxy's URL. It is no secret.
const user = "midas"

// URL is the proxy's address with its password, as HTTPS_PROXY has it. It is a secret.
func (p *Proxy) URL() string {
	at := url.URL{Scheme: "http", User: url.UserPassword(user, p.password), Host: p.listener.Addr().String()}
	return at.String()
}

// authenticated tells whether a request shows the password.
func (p *Proxy) authenticated(r *http.Request) bool {
	shown := r.Header["Proxy-Authorization"]
	if len(shown) != 1 {
		return false
	}
	basic := http.Request{Header: http.Header{"Authorization": shown}} // which has the parser
	name, password, ok := basic.BasicAuth()
	given, want := sha256.Sum256([]byte(name+":"+password)), sha256.Sum256([]byte(user+":"+p.password))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1 && ok
}

// Close ends the proxy and every tunnel through it.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.end()
	err := p.server.Close()
	p.serving.Wait()
	p.tunnels.Wait()
	p.forward.Transport.(*http.Transport).CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("end the proxy: %w", err)
	}
	return nil
}

// ServeHTTP opens a tunnel, or passes a request on that is in clear.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.authenticated(r) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="midas exec"`)
		http.Error(w, "midas: this proxy is for the command that midas exec runs; its URL has the password", http.StatusProxyAuthRequired)
		return
	}
	if r.Method == http.MethodConnect {
		p.connect(w, r)
		return
	}
	if r.URL.Scheme != "http" || r.URL.Host == "" {
		http.Error(w, "This is a proxy: it takes CONNECT, and http:// URLs.", http.StatusBadRequest)
		return
	}
	target := r.URL.Host
	if r.URL.Port() == "" {
		target = net.JoinHostPort(r.URL.Hostname(), "80")
	}
	if address, ok := p.route(target); !ok || address != target && address != p.cfg.Metadata {
		p.refuse(w, target)
		return
	}
	p.forward.ServeHTTP(w, r)
}

// route gives the address at which a HOST:PORT is reached, and whether it may be.
func (p *Proxy) route(target string) (string, bool) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return "", false
	}
	switch {
	case azure.APIOf(host) != azure.None:
		return p.cfg.Server, port == "443"
	case arm.SameName(target, p.cfg.Endpoint):
		return p.cfg.Server, true
	case host == metadataHost && p.cfg.Metadata != "":
		return p.cfg.Metadata, port == "80"
	case loopback(host):
		return target, true
	}
	return target, p.cfg.Internet
}

func loopback(host string) bool {
	name := azure.Name(host)
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// connect opens a tunnel and carries it until either side ends it.
func (p *Proxy) connect(w http.ResponseWriter, r *http.Request) {
	address, ok := p.route(r.Host)
	if !ok {
		p.refuse(w, r.Host)
		return
	}
	if !p.enter() {
		http.Error(w, "midas: the proxy has ended", http.StatusBadGateway)
		return
	}
	defer p.tunnels.Done()
	ctx, cancel := context.WithTimeout(p.ended, dialTimeout)
	defer cancel()
	there, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		p.unreachable(w, address, err)
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		p.unreachable(w, address, err)
		return
	}
	defer context.AfterFunc(p.ended, func() { closeBoth(here, there) })()
	_ = here.SetDeadline(time.Time{})
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		closeBoth(here, there)
		return
	}
	carry(here, buffered, there)
}

// enter counts a tunnel, unless the proxy has ended.
func (p *Proxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.tunnels.Add(1)
	}
	return !p.closed
}

// carry copies both ways. The end of one direction is passed on by itself, since the other may have
// more to say.
func carry(here net.Conn, fromHere io.Reader, there net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { pass(there, fromHere) })
	pass(here, there)
	both.Wait()
	closeBoth(here, there)
}

// closeBoth ends a tunnel. That a side has ended already is no matter.
func closeBoth(here, there net.Conn) {
	_ = here.Close()
	_ = there.Close()
}

func pass(to net.Conn, from io.Reader) {
	_, err := io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
}

// refuse answers for a host that may not be reached.
func (p *Proxy) refuse(w http.ResponseWriter, target string) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host = target
	}
	reason := "only Azure's management, sign-in and Graph hosts lead to Midas; --allow-internet lets the rest through"
	if azure.APIOf(host) != azure.None {
		reason = "here this host is Midas, and only on port 443, not " + port
	}
	line := "refused to connect to " + printable(host) + ": " + reason
	p.report(host, line)
	http.Error(w, "midas: "+line, http.StatusForbidden)
}

// unreachable answers for a host that did not answer.
func (p *Proxy) unreachable(w http.ResponseWriter, target string, cause error) {
	if errors.Is(cause, context.Canceled) {
		w.WriteHeader(http.StatusBadGateway) // the program has given up, or the proxy ends
		return
	}
	line := "cannot reach " + printable(target) + ": " + cause.Error()
	p.report(target, line)
	http.Error(w, "midas: "+line, http.StatusBadGateway)
}

func (p *Proxy) report(host, line string) {
	p.mu.Lock()
	known := p.reported[host] || len(p.reported) > 1000
	p.reported[host] = true
	p.mu.Unlock()
	if !known && p.cfg.Report != nil {
		p.cfg.Report(line)
	}
}

// printable keeps what a program calls a host from writing to the terminal of whoever watches.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
