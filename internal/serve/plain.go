package serve

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// plainListener accepts connections for TLS. It answers a client that speaks plain HTTP with the URL to use.
type plainListener struct{ net.Listener }

// Accept implements net.Listener.
func (l plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &plainConn{Conn: c}, nil
}

// plainConn looks at the first bytes that a client sends.
type plainConn struct {
	net.Conn
	once sync.Once
}

// maxPlainRequest bounds how much of a plain HTTP request is read, in bytes.
const maxPlainRequest = 4 << 10

// NetConn returns the connection below, as that of tls.Conn does.
func (c *plainConn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn. If the first bytes are those of an HTTP request, it answers the request and returns
// io.EOF, which ends the TLS handshake.
func (c *plainConn) Read(b []byte) (n int, err error) {
	n, err = c.Conn.Read(b)
	c.once.Do(func() {
		if looksLikeHTTP(b[:n]) {
			c.answer(b[:n])
			n, err = 0, io.EOF
		}
	})
	return n, err
}

// looksLikeHTTP reports whether the first bytes of a connection begin an HTTP request: a method in upper case.
// A TLS record begins with its type, which is no letter.
func looksLikeHTTP(first []byte) bool {
	if len(first) < 3 {
		return false
	}
	for _, b := range first[:3] {
		if b < 'A' || b > 'Z' {
			return false
		}
	}
	return true
}

// answer refuses a plain HTTP request. The server's deadline for the handshake bounds the time that it takes.
func (c *plainConn) answer(first []byte) {
	text := "This port speaks HTTPS. Use " + c.secureURL(first) + "\n"
	_, _ = fmt.Fprintf(c.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"+
		"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(text), text)
}

// secureURL returns the URL of a plain request with the scheme https. It leaves out the query, which may have
// secrets. If the request cannot be read, it returns the URL of this port.
func (c *plainConn) secureURL(first []byte) string {
	secure := url.URL{Scheme: "https", Host: c.LocalAddr().String(), Path: "/"}
	all := io.LimitReader(io.MultiReader(bytes.NewReader(first), c.Conn), maxPlainRequest)
	if r, err := http.ReadRequest(bufio.NewReader(all)); err == nil {
		if host, err := url.Parse("https://" + r.Host); err == nil && r.Host != "" && host.Host == r.Host {
			secure.Host = r.Host
		}
		if strings.HasPrefix(r.URL.Path, "/") {
			secure.Path = r.URL.Path
		}
	}
	return secure.String()
}
