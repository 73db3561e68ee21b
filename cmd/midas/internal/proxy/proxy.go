// Package proxy is an HTTP proxy for one command, on a loopback port. It connects Azure's host names to
// a server, for programs that can be configured with a proxy but not with another cloud.
//
// It opens tunnels and does not decrypt them: TLS is between the program and the server. The host name
// decides the destination. Azure's names, on port 443, go to the server. The server's own endpoint, loopback
// addresses and the hosts of Config.Map are reachable too. Everything else is refused, unless Config.Internet
// is set. An Azure name never reaches the real Azure.
//
// Every user of the machine can reach a loopback port, so each request must have the password in the
// proxy's URL (Proxy-Authorization, RFC 9110, 11.7), which only the command gets.
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
	"net/url"
	"strings"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/host"
)

// Config says which hosts the proxy connects to.
type Config struct {
	Server   string       // HOST:PORT at which Azure's names are served
	Endpoint string       // HOST:PORT of the server's own endpoint; it also goes to Server
	Metadata string       // HOST:PORT at which Azure's metadata service is served; empty if there is none
	Map      []Mapping    // doubles of other services
	Internet bool         // let all other hosts through
	Report   func(string) // is called with a line for every host that was not reached, once each
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

// metadataHost is the address of the metadata service on Azure's machines.
const metadataHost = "169.254.169.254"

// dialTimeout bounds a connection attempt.
const dialTimeout = 15 * time.Second

// Start opens a proxy on a free port of 127.0.0.1.
func Start(cfg Config) (*Proxy, error) {
	if err := checkMappings(cfg.Map, cfg.Endpoint); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the proxy's port: %w", err)
	}
	p := &Proxy{cfg: cfg, listener: l, password: rand.Text(), reported: map[string]bool{}}
	p.ended, p.end = context.WithCancel(context.Background())
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 30 * time.Second, DisableGeneralOptionsHandler: true}
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { // the request's own URL is the target, as a rule
			r.Out.URL.Host, _ = p.plainRoute(r.In.URL)
		},
		Transport:    &http.Transport{DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { p.unreachable(w, r.URL.Host, err) },
	}
	p.serving.Go(func() { _ = p.server.Serve(l) })
	return p, nil
}

// user is the user name in the proxy's URL. It is not secret.
const user = "midas"

// URL is the proxy's URL with its password, for HTTPS_PROXY. It is secret.
func (p *Proxy) URL() string {
	at := url.URL{Scheme: "http", User: url.UserPassword(user, p.password), Host: p.listener.Addr().String()}
	return at.String()
}

// authenticated reports whether a request has the password.
func (p *Proxy) authenticated(r *http.Request) bool {
	credentials := r.Header["Proxy-Authorization"]
	if len(credentials) != 1 {
		return false
	}
	basic := http.Request{Header: http.Header{"Authorization": credentials}} // BasicAuth parses only this header
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

// ServeHTTP opens a tunnel for CONNECT, and forwards a request for an http:// URL.
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
	if address, ok := p.plainRoute(r.URL); !ok {
		p.refuse(w, address)
		return
	}
	p.forward.ServeHTTP(w, r)
}

// plainRoute returns the address to which a request without TLS goes, and whether it is allowed. The server
// does not take such requests. If it is not allowed, the address is that of the URL.
func (p *Proxy) plainRoute(u *url.URL) (address string, ok bool) {
	target := u.Host
	if u.Port() == "" {
		target = net.JoinHostPort(u.Hostname(), "80")
	}
	address, ok = p.route(target)
	if toServer := address == p.cfg.Server && address != target && address != p.cfg.Metadata; toServer || !ok {
		return target, false
	}
	return address, true
}

// route returns the address to which a HOST:PORT is connected, and whether it is allowed.
func (p *Proxy) route(target string) (string, bool) {
	name, port, err := net.SplitHostPort(target)
	if err != nil {
		return "", false
	}
	switch {
	case azure.APIOf(name) != azure.None:
		return p.cfg.Server, port == "443"
	case arm.SameName(target, p.cfg.Endpoint):
		return p.cfg.Server, true
	case name == metadataHost && p.cfg.Metadata != "":
		return p.cfg.Metadata, port == "80"
	case host.IsLoopback(name):
		return target, true
	}
	if address, found := mapped(p.cfg.Map, name, port); found {
		return address, true
	}
	return target, p.cfg.Internet
}

// connect opens a tunnel and copies its data until it ends.
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

// enter adds to tunnels and returns true, unless the proxy has ended.
func (p *Proxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.tunnels.Add(1)
	}
	return !p.closed
}

// carry copies both directions. The end of one direction closes only that direction, because the other
// side may still send data.
func carry(here net.Conn, fromHere io.Reader, there net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { pass(there, fromHere) })
	pass(here, there)
	both.Wait()
	closeBoth(here, there)
}

// closeBoth ends a tunnel. Errors of a side that has already ended are ignored.
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

// refuse answers 403 for a host that is not allowed.
func (p *Proxy) refuse(w http.ResponseWriter, target string) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		host = target
	}
	reason := "only Azure's management, sign-in and Graph hosts go to Midas; --map sends another host to a double of it, --allow-internet allows all other hosts"
	if azure.APIOf(host) != azure.None {
		reason = "under midas exec this host is Midas, which serves it only on port 443, not " + port
	}
	line := "refused to connect to " + printable(host) + ": " + reason
	p.report(host, line)
	http.Error(w, "midas: "+line, http.StatusForbidden)
}

// unreachable answers 502 for a host to which no connection could be made.
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

// printable replaces control characters and non-ASCII characters in a host name, so that a program cannot
// send terminal control sequences to the user's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
