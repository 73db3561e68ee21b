package witness_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/midastest"
)

// target is a server that is attacked over bare connections, with the store's contents to compare.
type target struct {
	*world
	token string
	cfg   midas.Config
}

func newTarget(t *testing.T) *target {
	t.Helper()
	x := &target{}
	srv := midastest.Start(t, midastest.With(func(c *midas.Config) { x.cfg = *c }))
	x.world = watch(t, srv)
	x.token = srv.Token(t, midastest.Management)
	return x
}

// dump is all that the store holds.
func (x *target) dump(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	check(t, midas.Dump(t.Context(), x.cfg, &b))
	return b.String()
}

// unharmed compares the store with an earlier dump, and takes an ordinary request.
func (x *target) unharmed(t *testing.T, before string) {
	t.Helper()
	if after := x.dump(t); after != before {
		t.Errorf("something was written:\n%s", added(before, after))
	}
	status, body, err := x.speak(t, x.get("/subscriptions"))
	if err != nil || status != http.StatusOK || !strings.Contains(body, x.SubscriptionID) {
		t.Errorf("afterwards the server says %d %s %v", status, body, err)
	}
}

// added are the lines that only the second of two dumps has.
func added(before, after string) string {
	var b strings.Builder
	for line := range strings.Lines(after) {
		if !strings.Contains(before, line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// dial opens a connection that speaks HTTP/1.1.
func (x *target) dial(t *testing.T) *tls.Conn {
	t.Helper()
	return x.dialWith(t, &tls.Config{NextProtos: []string{"http/1.1"}})
}

func (x *target) dialWith(t *testing.T, config *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := x.handshake(t.Context(), config)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	check(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	return conn
}

func (x *target) handshake(ctx context.Context, config *tls.Config) (*tls.Conn, error) {
	plain, err := x.guard.dial(ctx, "tcp", x.guard.server)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x.guard.roots
	config.ServerName, _, _ = net.SplitHostPort(x.guard.server)
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	return conn, nil
}

// get is the head and the end of a GET that would succeed.
func (x *target) get(path string) string {
	return fmt.Sprintf("GET %s?api-version=2021-04-01 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", path, x.guard.server, x.token)
}

// put is the first lines of a PUT that would make a resource group.
func (x *target) put(more ...string) string {
	head := fmt.Sprintf("PUT /subscriptions/%s/resourceGroups/evil?api-version=2021-04-01 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n",
		x.SubscriptionID, x.guard.server, x.token)
	return head + strings.Join(more, "")
}

// body is the length and the body of a PUT.
func length(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }

// patience is how long a server may take before it is told that there is nothing more to come.
const patience = 300 * time.Millisecond

const location = `{"location":"eastus"}`

// speak sends bytes on a connection of its own and reads one answer. A server that waits for more is
// told that nothing comes, but only then, because it takes that for the client's leaving.
func (x *target) speak(t *testing.T, bytes string) (status int, body string, err error) {
	t.Helper()
	conn := x.dial(t)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, bytes)
		sent <- err
	}()
	hangUp := time.AfterFunc(patience, func() { _ = conn.CloseWrite() })
	defer hangUp.Stop()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		_ = conn.Close()
		return 0, "", errors.Join(err, <-sent)
	}
	text, err := io.ReadAll(resp.Body)
	_ = conn.Close() // the server may have stopped reading
	<-sent
	return resp.StatusCode, string(text), err
}

// answers reads all answers on a connection, until the server closes it.
func answers(r io.Reader) (statuses []int, rest []byte) {
	text, _ := io.ReadAll(r) // a reset is as good as an end
	in := bufio.NewReader(bytes.NewReader(text))
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			rest, _ = io.ReadAll(in)
			return statuses, rest
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		statuses = append(statuses, resp.StatusCode)
	}
}

// armCode is the code in an error of ARM's shape, or empty.
func armCode(body string) string {
	var e struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal([]byte(body), &e) != nil || e.Error.Message == "" {
		return ""
	}
	return e.Error.Code
}
