package serve_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"midas/internal/serve"
)

// limitedServer runs an HTTPS server with a limit of connections.
func limitedServer(t *testing.T, connections int, h http.Handler) (net.Listener, *tls.Config) {
	t.Helper()
	issued := httptest.NewTLSServer(nil) // only for its certificate
	config, client := issued.TLS.Clone(), issued.Client().Transport.(*http.Transport).TLSClientConfig
	config.NextProtos = []string{"h2", "http/1.1"}
	issued.Close()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := serve.NewLimit(connections, 10*connections, slog.New(slog.DiscardHandler)).Listener(inner)
	server := serve.Server{TLS: true, Listeners: []net.Listener{l}, Server: &http.Server{
		Handler: h, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0),
	}}
	var group errgroup.Group
	server.Start(&group)
	t.Cleanup(func() {
		_ = server.Close()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return inner, client
}

// request sends a request on a connection of its own, and keeps the connection open.
func request(t *testing.T, l net.Listener, config *tls.Config, path string) (*tls.Conn, error) {
	t.Helper()
	c := tls.Client(dial(t, l, "127.0.0.1"), &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"})
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: example.com\r\n\r\n", path); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return c, err
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// slow is a handler that waits for its client: for the end of a body, or to read an answer of many MB.
func slow(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/read2":
		if r.ProtoMajor != 2 {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
	case "/read":
		_, _ = io.Copy(io.Discard, r.Body)
	case "/long":
		for part := make([]byte, 1<<16); ; {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}
	ok(w, r)
}

// stalled sends a text on a connection of its own, and never reads the answer.
func stalled(text string) func(*testing.T, net.Listener, *tls.Config) {
	return func(t *testing.T, l net.Listener, config *tls.Config) {
		c := tls.Client(dial(t, l, "127.0.0.2"), &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"})
		_, _ = io.WriteString(c, text)
	}
}

// TestStalledStreamsDoNotKeepOthersOut takes all places with requests of HTTP/2 whose bodies never end.
func TestStalledStreamsDoNotKeepOthersOut(t *testing.T) {
	l, config := limitedServer(t, 8, http.HandlerFunc(slow))
	for range 12 {
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"}, ForceAttemptHTTP2: true,
		}}
		body, end := io.Pipe()
		t.Cleanup(func() { _ = end.Close() })
		go func() {
			resp, err := client.Post("https://"+l.Addr().String()+"/read2", "text/plain", body)
			if err == nil {
				_ = resp.Body.Close()
			}
		}()
		_, _ = end.Write([]byte("{"))
	}
	if _, err := request(t, l, config, "/"); err != nil {
		t.Error(err)
	}
}

// TestSilentConnectionsDoNotKeepOthersOut takes all places again and again, in the ways of an attacker, and sends
// a request after each round.
func TestSilentConnectionsDoNotKeepOthersOut(t *testing.T) {
	for name, begin := range map[string]func(t *testing.T, l net.Listener, config *tls.Config){
		"silent": func(t *testing.T, l net.Listener, _ *tls.Config) { dial(t, l, "127.0.0.2") },
		"a part of a handshake": func(t *testing.T, l net.Listener, _ *tls.Config) {
			_, _ = dial(t, l, "127.0.0.2").Write([]byte{22, 3, 1, 2, 0, 1})
		},
		"a handshake": func(t *testing.T, l net.Listener, config *tls.Config) {
			_ = tls.Client(dial(t, l, "127.0.0.2"), &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"}).Handshake()
		},
		"a part of a request": func(t *testing.T, l net.Listener, config *tls.Config) {
			_, _ = io.WriteString(tls.Client(dial(t, l, "127.0.0.2"), &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"}), "GET / HTTP/1.1\r\n")
		},
		"idle": func(t *testing.T, l net.Listener, config *tls.Config) {
			if _, err := request(t, l, config, "/"); err != nil {
				t.Error(err)
			}
		},
		"a part of a body":                    stalled("POST /read HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\n\r\n{"),
		"a part of a chunked body":            stalled("POST /read HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"),
		"a part of a body that is not wanted": stalled("GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\n\r\n{"),
		"requests for answers without end":    stalled("GET /long HTTP/1.1\r\nHost: example.com\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, config := limitedServer(t, 8, http.HandlerFunc(slow))
			for round := range 3 {
				for range 12 {
					begin(t, l, config)
				}
				if _, err := request(t, l, config, "/"); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			}
		})
	}
}

// TestOneSilentConnectionOfEachAddressKeepsNobodyOut has one silent connection for each of many addresses.
func TestOneSilentConnectionOfEachAddressKeepsNobodyOut(t *testing.T) {
	l, config := limitedServer(t, 8, http.HandlerFunc(ok))
	for i := range 12 {
		dial(t, l, fmt.Sprintf("127.0.1.%d", i+1))
	}
	if _, err := request(t, l, config, "/"); err != nil {
		t.Error(err)
	}
}

// TestClientWithOnePendingConnectionIsNotDisplaced begins a connection, and sends its request after another
// client has opened many.
func TestClientWithOnePendingConnectionIsNotDisplaced(t *testing.T) {
	l, config := limitedServer(t, 8, http.HandlerFunc(ok))
	slow := tls.Client(dial(t, l, "127.0.0.1"), &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"})
	for range 50 {
		dial(t, l, "127.0.0.2")
	}
	if err := slow.Handshake(); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		dial(t, l, "127.0.0.2")
	}
	if _, err := io.WriteString(slow, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(slow), nil); err != nil {
		t.Error(err)
	}
}

// TestFreshConnectionsDoNotProtectIdleOnes fills all places with idle connections and one that is silent, of another
// client and for less than the grace. A new connection displaces an idle one: all that are silent stay.
func TestFreshConnectionsDoNotProtectIdleOnes(t *testing.T) {
	l, config := limitedServer(t, 8, http.HandlerFunc(ok))
	for range 7 {
		if _, err := request(t, l, config, "/"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		silent := dial(t, l, fmt.Sprintf("127.0.1.%d", i+1))
		if _, err := request(t, l, config, "/"); err != nil {
			t.Error(err)
		}
		begun := tls.Client(silent, &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"})
		if err := begun.Handshake(); err != nil {
			t.Errorf("connection %d was displaced in favour of idle ones: %v", i, err)
		}
		_ = begun.Close()
	}
}

// TestClientMayOpenSomeConnectionsTogether fills all places in two ways. A client that then opens several connections
// before it sends a request displaces others and not its own.
func TestClientMayOpenSomeConnectionsTogether(t *testing.T) {
	const places = 64
	for name, fill := range map[string]func(t *testing.T, l net.Listener, config *tls.Config){
		"idle": func(t *testing.T, l net.Listener, config *tls.Config) {
			for range places {
				if _, err := request(t, l, config, "/"); err != nil {
					t.Fatal(err)
				}
			}
		},
		"silent": func(t *testing.T, l net.Listener, _ *tls.Config) {
			for i := range places {
				dial(t, l, fmt.Sprintf("127.0.1.%d", i+1))
			}
			time.Sleep(1100 * time.Millisecond) // longer than the grace of a silent connection
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, config := limitedServer(t, places, http.HandlerFunc(ok))
			fill(t, l, config)
			var together []*tls.Conn
			for range 4 {
				together = append(together, tls.Client(dial(t, l, "127.0.0.3"), &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com"}))
			}
			for range 2 { // each is accepted after those above
				if _, err := request(t, l, config, "/"); err != nil {
					t.Error(err)
				}
			}
			for i, c := range together {
				if err := c.Handshake(); err != nil {
					t.Errorf("connection %d: %v", i, err)
				}
			}
		})
	}
}

// TestConnectionsAtWorkAreNotDisplaced fills all places with requests that wait. A new connection gets the place
// of the first that becomes idle.
func TestConnectionsAtWorkAreNotDisplaced(t *testing.T) {
	begun, release := make(chan bool, 4), make(chan bool)
	l, config := limitedServer(t, 4, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			begun <- true
			<-release
		}
		ok(w, r)
	}))
	var group errgroup.Group
	for range 4 {
		group.Go(func() error { _, err := request(t, l, config, "/wait"); return err })
		<-begun
	}
	late := make(chan error, 1)
	go func() { _, err := request(t, l, config, "/"); late <- err }()
	select {
	case err := <-late:
		t.Fatalf("a fifth was served while four are at work: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	if err := group.Wait(); err != nil {
		t.Errorf("a request at work was cut off: %v", err)
	}
	if err := <-late; err != nil {
		t.Errorf("the fifth afterwards: %v", err)
	}
}

// TestServerEndsWhileAConnectionWaits ends a server at which a connection waits for a place.
func TestServerEndsWhileAConnectionWaits(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := serve.NewLimit(1, 9, slog.New(slog.DiscardHandler)).Listener(inner)
	begun, release := make(chan bool), make(chan bool)
	server := serve.Server{Listeners: []net.Listener{l}, Server: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- true
		<-release
	})}}
	var group errgroup.Group
	server.Start(&group)
	if _, err := io.WriteString(dial(t, inner, "127.0.0.1"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-begun
	waiting := dial(t, inner, "127.0.0.1")
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if n, err := waiting.Read(make([]byte, 1)); err == nil {
		t.Errorf("the waiting connection got %d bytes", n)
	}
	close(release)
}

func TestPlainRequestToATLSPortNamesTheURL(t *testing.T) {
	l, config := limitedServer(t, 8, http.HandlerFunc(ok))
	address := l.Addr().String()
	for name, c := range map[string]struct{ request, want string }{
		"a path":                 {"GET /subscriptions?api-version=1&secret=s HTTP/1.1\r\nHost: midas.test:8443\r\n\r\n", "https://midas.test:8443/subscriptions"},
		"another method":         {"DELETE /a%20b HTTP/1.1\r\nHost: localhost:8443\r\n\r\n", "https://localhost:8443/a%20b"},
		"a body":                 {"POST /t/oauth2/token HTTP/1.1\r\nHost: [::1]:8443\r\nContent-Length: 3\r\n\r\na=b", "https://[::1]:8443/t/oauth2/token"},
		"no host":                {"GET / HTTP/1.0\r\n\r\n", "https://" + address + "/"},
		"a host that is no host": {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "https://" + address + "/"},
		"no HTTP after all":      {"HELLO\r\n\r\n", "https://" + address + "/"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, l, "127.0.0.1")
			if _, err := io.WriteString(conn, c.request); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" ||
				!strings.HasSuffix(string(body), " "+c.want+"\n") {
				t.Errorf("%v, %s, %v, %q, want %s", err, resp.Status, resp.Header, body, c.want)
			}
		})
	}
	if _, err := request(t, l, config, "/"); err != nil {
		t.Errorf("TLS afterwards: %v", err)
	}
}
