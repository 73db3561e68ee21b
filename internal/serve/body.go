package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// connKey is the key of the counted connection in the context of its requests.
type connKey struct{}

// withConn returns a ConnContext hook that puts the counted connection into the context of its requests.
func withConn(next func(context.Context, net.Conn) context.Context) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, c net.Conn) context.Context {
		if counted := countedConn(c); counted != nil {
			ctx = context.WithValue(ctx, connKey{}, counted)
		}
		if next != nil {
			ctx = next(ctx, c)
		}
		return ctx
	}
}

// bodyHandler tells counted connections until when a request's body is read. A client that never sends the rest of a
// body would otherwise look like one whose request is at work.
type bodyHandler struct{ http.Handler }

// ServeHTTP implements http.Handler.
func (h bodyHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		h.Handler.ServeHTTP(w, r)
		return
	}
	c, _ := r.Context().Value(connKey{}).(*conn)
	if c == nil {
		h.Handler.ServeHTTP(w, r)
		return
	}
	copied := &struct { // in one allocation; the server looks at the Body of the request itself, so that stays
		request http.Request
		body    body
	}{*r, body{ReadCloser: r.Body, conn: c}}
	copied.request.Body = &copied.body
	c.beginBody()
	defer copied.body.leave(r.ProtoMajor)
	h.Handler.ServeHTTP(w, &copied.request)
}

// body is the body of a request on a counted connection.
type body struct {
	io.ReadCloser
	conn  *conn
	ended bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !b.ended {
		b.ended = true
		b.conn.endBody()
	}
	return n, err
}

// leave says that the handler has returned. A server of HTTP/1 then reads the rest of the body itself, until the
// connection is idle; one of HTTP/2 ends the stream.
func (b *body) leave(version int) {
	switch {
	case b.ended:
	case version == 1:
		b.conn.drained.Store(true)
	default:
		b.conn.endBody()
	}
}

// beginBody says that a request with a body was received.
func (c *conn) beginBody() {
	if c.bodies.Load() == 0 {
		c.bodySince.Store(time.Now().UnixNano())
	}
	c.bodies.Add(1)
}

// endBody says that a body was read, or will not be.
func (c *conn) endBody() {
	c.bodySince.Store(time.Now().UnixNano())
	c.bodies.Add(-1)
}
