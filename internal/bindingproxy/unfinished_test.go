package bindingproxy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/bindingproxy"
)

// from makes a client at an address of the loopback network, with connections of its own.
func (w *world) from(t *testing.T, address string) *http.Client {
	t.Helper()
	transport := w.client.Transport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// endless sends the beginning of a token request on each of several HTTP/2 streams, and never the end. It returns how
// many of them were answered with each status so far.
func (w *world) endless(t *testing.T, client *http.Client, streams int) (statuses func(status int) int) {
	t.Helper()
	var mu sync.Mutex
	counts := map[int]int{}
	var all sync.WaitGroup
	for range streams {
		body, end := io.Pipe()
		t.Cleanup(func() { _ = end.Close() })
		all.Go(func() { _, _ = io.WriteString(end, "scope="+strings.Repeat("x", 512)) })
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL()+"/"+tenant+"/oauth2/v2.0/token", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		all.Go(func() {
			resp, err := client.Do(r)
			if err != nil {
				return // the test has ended
			}
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			counts[resp.StatusCode]++
		})
	}
	t.Cleanup(all.Wait)
	return func(status int) int { mu.Lock(); defer mu.Unlock(); return counts[status] }
}

// Bodies that do not end are read only a few at a time and not for long, so they take little memory. The others are
// turned away at once, and pods at other addresses are served meanwhile.
func TestBodiesWithoutAnEndAreBounded(t *testing.T) {
	w := start(t, func(c *bindingproxy.Config) { c.Timeout = 10 * time.Second })
	statuses := w.endless(t, w.from(t, "127.0.0.1"), 600)
	until(t, "a refusal", func() bool { return statuses(http.StatusTooManyRequests) > 0 })
	form := w.form()
	w.client = w.from(t, "127.0.1.2")
	if got := w.post(t, form); got.status != http.StatusOK {
		t.Errorf("another pod: %d %+v", got.status, got.body)
	}
	until(t, "the end of a request", func() bool { return statuses(http.StatusRequestTimeout) > 0 })
	if n := len(w.endpoint.requests()); n != 1 {
		t.Errorf("%d requests reached Midas", n)
	}
}

// A body that comes too slowly is refused in both versions of HTTP, and a request that waits long for the API server
// is not ended by the limit for bodies.
func TestBodiesHaveLessTimeThanRequests(t *testing.T) {
	w := start(t, func(c *bindingproxy.Config) { c.Timeout = 3 * time.Second })
	config := w.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	c, err := tls.Dial("tcp", strings.TrimPrefix(w.server.URL(), "https://"), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintf(c, "POST /%s/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nscope", tenant)
	if answer, _ := io.ReadAll(c); !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("%q", answer)
	}
	w.endpoint.answers(func(rw http.ResponseWriter, _ *http.Request) {
		time.Sleep(2 * time.Second) // more than the time of a body, less than that of the request
		_, _ = io.WriteString(rw, `{"access_token":"late"}`)
	})
	both := w.client.Transport.(*http.Transport)
	for _, version := range []int{1, 2} {
		transport := both.Clone()
		if version == 1 {
			transport.ForceAttemptHTTP2, transport.Protocols, transport.TLSClientConfig.NextProtos = false, new(http.Protocols), nil
			transport.Protocols.SetHTTP1(true)
		}
		w.client = &http.Client{Transport: transport}
		if got := w.post(t, w.form()); got.status != http.StatusOK || got.proto != version {
			t.Errorf("HTTP/%d: %d %+v", got.proto, got.status, got.body)
		}
		transport.CloseIdleConnections()
	}
}

// relay passes connections on to a server until it falls silent, as a machine does that has lost its power: what is sent
// on its connections is neither answered nor refused. New connections reach the server again.
type relay struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: listener}
	t.Cleanup(func() { _ = listener.Close(); r.silence() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, out)
			r.mu.Unlock()
			go func() { _, _ = io.Copy(out, in); _, _ = io.Copy(io.Discard, in); _ = in.Close() }()
			go func() { _, _ = io.Copy(in, out) }()
		}
	}()
	return r
}

func (r *relay) silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

// The proxy leaves a connection on which an API server or Midas does not answer any more, so the next request succeeds.
func TestConnectionsThatFallSilentAreLeft(t *testing.T) {
	var api, midas *relay
	w := start(t, func(c *bindingproxy.Config) {
		at := func(server string) string { u, _ := url.Parse(server); return u.Host }
		api, midas = startRelay(t, at(c.APIServer)), startRelay(t, at(c.Authority))
		c.APIServer, c.Authority, c.Timeout = "https://"+api.Addr().String(), "https://"+midas.Addr().String(), 2*time.Second
	})
	form := w.form()
	if got := w.post(t, form); got.status != http.StatusOK {
		t.Fatalf("%d %+v", got.status, got.body)
	}
	for name, r := range map[string]*relay{"the API server": api, "Midas": midas} {
		r.silence()
		if got := w.post(t, form); got.status != http.StatusServiceUnavailable && got.status != http.StatusOK {
			t.Errorf("%s: %d %+v", name, got.status, got.body)
		}
		if got := w.post(t, form); got.status != http.StatusOK {
			t.Errorf("%s, the next request: %d %+v", name, got.status, got.body)
		}
	}
}
