package httpx_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"midas/internal/api/httpx"
)

const mebibyte = 1 << 20

// large answers each request with a new body, of 1 MiB by default. The header Caller becomes Event.Caller.
func large(served *atomic.Int64) httpx.Handler {
	return httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		served.Add(1)
		ev.Caller = r.Header.Get("Caller")
		size := mebibyte
		if given, err := strconv.Atoi(r.URL.Query().Get("size")); err == nil {
			size = given
		}
		w.Header()["Etag"] = []string{"x"}
		httpx.WriteBody(w, http.StatusOK, bytes.Repeat([]byte("x"), size))
	})
}

// budgeted serves a Handler over TLS with a budget.
func budgeted(t *testing.T, next httpx.Handler, budget *httpx.Budget, change func(*http.Server)) *httptest.Server {
	t.Helper()
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	server := httpx.Server(httpx.New(next, httpx.Options{
		Log: log, Metrics: metrics, Now: time.Now, NewID: func() string { return requestID }, Answers: budget,
	}), log)
	if change != nil {
		change(server)
	}
	s := httptest.NewUnstartedServer(nil)
	s.Config, s.EnableHTTP2 = server, true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// stalled is an HTTP/2 connection whose flow control lets the server send headers but no byte of a body.
type stalled struct {
	conn     net.Conn
	frames   *http2.Framer
	statuses map[uint32]string
	reset    map[uint32]http2.ErrCode
	limit    uint32 // SETTINGS_MAX_CONCURRENT_STREAMS of the server
	mu       sync.Mutex
}

func stall(t *testing.T, server *httptest.Server) *stalled {
	t.Helper()
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &stalled{conn: conn, frames: http2.NewFramer(conn, conn), statuses: map[uint32]string{}, reset: map[uint32]http2.ErrCode{}}
	c.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, _ = io.WriteString(conn, http2.ClientPreface)
	_ = c.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	go c.read()
	return c
}

func (c *stalled) read() {
	for {
		frame, err := c.frames.ReadFrame()
		if err != nil {
			return
		}
		c.mu.Lock()
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if n, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
				c.limit = n
			}
		case *http2.MetaHeadersFrame:
			c.statuses[f.StreamID] = f.PseudoValue("status")
		case *http2.RSTStreamFrame:
			c.reset[f.StreamID] = f.ErrCode
		}
		c.mu.Unlock()
	}
}

// ask opens n streams, each with a request of the caller.
func (c *stalled) ask(n int, caller string) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := range n {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", "/list"}, {"caller", caller}} {
			_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_ = c.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	}
}

// count returns the number of streams by status, and the number that the server has refused.
func (c *stalled) count() (statuses map[string]int, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	statuses = map[string]int{}
	for _, s := range c.statuses {
		statuses[s]++
	}
	for _, code := range c.reset {
		if code == http2.ErrCodeRefusedStream || code == http2.ErrCodeProtocol {
			refused++
		}
	}
	return statuses, refused
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestSlowReaderHoldsAtMostItsShareOfTheBudget opens 251 streams, on one connection and then on many, and reads
// nothing.
func TestSlowReaderHoldsAtMostItsShareOfTheBudget(t *testing.T) {
	const total = 40 * mebibyte
	budget := httpx.NewBudget(total)
	var served atomic.Int64
	s := budgeted(t, large(&served), budget, nil)
	before := heap()
	c := stall(t, s)
	c.ask(251, "alice")
	// A fifth of 40 MiB is 8 answers with 200. The server allows 100 concurrent streams; those with 429 end and
	// let others begin.
	eventually(t, "each of the 251 streams has an end or waits", func() bool {
		statuses, refused := c.count()
		return statuses["200"] == 8 && statuses["429"]+statuses["200"]+refused == 251
	})
	if c.limit != 100 {
		t.Errorf("%d streams on one connection", c.limit)
	}
	for range 5 {
		more := stall(t, s)
		more.ask(60, "alice")
		eventually(t, "60 streams are refused", func() bool { statuses, _ := more.count(); return statuses["429"] == 60 })
	}
	if held, callers := budget.Held(); held != 8*mebibyte || callers != 1 {
		t.Errorf("%d bytes for %d callers", held, callers)
	}
	if grown := int64(heap()) - int64(before); grown > 32*mebibyte {
		t.Errorf("the heap grew by %d MiB", grown/mebibyte)
	}
	// Another caller still gets large answers, and the same caller gets small ones.
	for caller, path := range map[string]string{"bob": "/list", "alice": "/list?size=1000"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Caller", caller)
		resp, err := s.Client().Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v %v", caller, resp, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		_ = resp.Body.Close()
	}
	_ = c.conn.Close()
	eventually(t, "all bytes are released", func() bool { held, callers := budget.Held(); return held == 0 && callers == 0 })
}

func TestManySlowReadersDoNotExhaustTheBudget(t *testing.T) {
	budget := httpx.NewBudget(60 * mebibyte)
	var served atomic.Int64
	s := budgeted(t, large(&served), budget, nil)
	last := 0
	for i := range 12 {
		c := stall(t, s)
		c.ask(30, "caller "+strconv.Itoa(i))
		eventually(t, "30 streams have an answer", func() bool { statuses, _ := c.count(); return statuses["200"]+statuses["429"] == 30 })
		statuses, _ := c.count()
		if last = statuses["200"]; last == 0 {
			t.Fatalf("caller %d has no answer with 200", i)
		}
	}
	if held, _ := budget.Held(); held > 58*mebibyte {
		t.Errorf("%d bytes held", held)
	}
}

func TestStalledStreamsAreReset(t *testing.T) {
	budget := httpx.NewBudget(60 * mebibyte)
	var served atomic.Int64
	s := budgeted(t, large(&served), budget, func(s *http.Server) { s.WriteTimeout = 300 * time.Millisecond })
	c := stall(t, s)
	c.ask(5, "alice")
	eventually(t, "5 requests are served", func() bool { return served.Load() == 5 })
	one, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	_, _ = io.WriteString(one, "GET /list?size=20000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	eventually(t, "6 requests are served", func() bool { return served.Load() == 6 })
	eventually(t, "all bytes are released although nobody reads", func() bool { held, callers := budget.Held(); return held == 0 && callers == 0 })
	eventually(t, "the streams are reset", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.reset) == 5 })
}

// wordy is a Refuser with an error body of its own.
type wordy struct{ httpx.Handler }

func (wordy) Refuse(w http.ResponseWriter, _ *http.Request, ev *httpx.Event, status int) {
	code, _ := httpx.Refusal(status)
	ev.ErrorCode = code
	_ = httpx.WriteJSON(w, status, map[string]string{"mine": code})
}

func TestAnswersOverTheBudgetAreRefusedInTheFormOfTheAPI(t *testing.T) {
	var served atomic.Int64
	for name, c := range map[string]struct {
		next httpx.Handler
		want string
	}{
		"Refuser":       {wordy{large(&served)}, `{"mine":"TooManyRequests"}`},
		"not a Refuser": {large(&served), `{"error":{"code":"TooManyRequests","message":"Too many answers to this caller have not been read yet. Read them, or ask again later."}}`},
	} {
		s := budgeted(t, c.next, httpx.NewBudget(mebibyte), nil)
		resp, err := s.Client().Get(s.URL + "/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "5" || resp.Header.Get("Etag") != "" || string(body) != c.want || !json.Valid(body) {
			t.Errorf("%s: %s %v %s", name, resp.Status, resp.Header, body)
		}
		// A POST may have changed something, so it must not be refused afterwards.
		if resp, err := s.Client().Post(s.URL+"/", "", strings.NewReader("")); err == nil {
			t.Errorf("%s: a POST over the budget answers %s", name, resp.Status)
		}
	}
}

// TestConcurrentListsAreBounded opens 400 streams that read nothing. The number of pages that are made at once is
// bounded, and pages that are made but not read do not count.
func TestConcurrentListsAreBounded(t *testing.T) {
	most := 4 * runtime.GOMAXPROCS(0)
	budget := httpx.NewBudget(1 << 40)
	var made, highest atomic.Int64
	proceed := make(chan struct{})
	next := httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		if err := ev.MakeList(r.Context()); err != nil {
			ev.Err = err
			return
		}
		_ = ev.MakeList(r.Context()) // a second call takes no second turn
		<-proceed
		highest.Store(max(highest.Load(), int64(budget.Making())))
		made.Add(1)
		httpx.WriteBody(w, http.StatusOK, bytes.Repeat([]byte("x"), mebibyte/16))
	})
	s := budgeted(t, next, budget, nil)
	gone := stall(t, s)
	gone.ask(100, "gone")
	eventually(t, "all turns are taken", func() bool { return budget.Making() == most })
	if err := gone.conn.Close(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		stall(t, s).ask(100, "slow")
	}
	close(proceed)
	eventually(t, "all are made although nobody reads", func() bool { return made.Load() >= 400 && budget.Making() == 0 })
	if h := highest.Load(); h > int64(most) {
		t.Errorf("%d were made at once, want %d at most", h, most)
	}
}

// TestFailedListEndsItsTurn covers a Handler that panics, an answer over the budget and one without a body.
func TestFailedListEndsItsTurn(t *testing.T) {
	budget := httpx.NewBudget(1 << 20)
	next := httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		if err := ev.MakeList(r.Context()); err != nil {
			t.Error(err)
		}
		switch r.URL.Path {
		case "/panic":
			panic("a list")
		case "/too-large":
			httpx.WriteBody(w, http.StatusOK, make([]byte, 2<<20))
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	s := budgeted(t, next, budget, nil)
	for _, path := range []string{"/panic", "/too-large", "/empty"} {
		answer, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if n := budget.Making(); n != 0 {
			t.Errorf("%s: %d lists are being made", path, n)
		}
	}
}
