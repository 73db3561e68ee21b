package httpx_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"midas/internal/api/httpx"
)

const requestID = "11111111-2222-4333-8444-555555555555"

// setup wraps a Handler. All dependencies are injected; log receives the lines as JSON.
func setup(t testing.TB, next httpx.Handler, log io.Writer) (http.Handler, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	metrics, err := httpx.NewMetrics(reg)
	if err != nil {
		t.Fatal(err)
	}
	return httpx.New(next, httpx.Options{
		Log:     slog.New(slog.NewJSONHandler(log, nil)),
		Metrics: metrics,
		Now:     time.Now,
		NewID:   func() string { return requestID },
		MaxBody: 16,
	}), reg
}

// line is the one log line of a request, without what differs from run to run.
func line(t *testing.T, log *bytes.Buffer) map[string]any {
	t.Helper()
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Fatalf("%d log lines, want one:\n%s", n, log)
	}
	var got map[string]any
	if err := json.Unmarshal(log.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	delete(got, "duration")
	return got
}

func TestRequestIsLoggedInOneLineWithoutSecrets(t *testing.T) {
	var log bytes.Buffer
	h, reg := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		_, _ = io.ReadAll(r.Body)
		ev.API, ev.Operation, ev.Caller, ev.ErrorCode = "management", "groups/write", "oid", "AuthorizationFailed"
		ev.Err = errors.New("no role")
		if err := httpx.WriteJSON(w, http.StatusForbidden, map[string]string{"a": "<&>"}); err != nil {
			t.Error(err)
		}
	}), &log)
	r := httptest.NewRequest("PUT", "/a%2Fb?sig=QUERYSECRET", strings.NewReader("BODYSECRET"))
	r.Header.Set("Authorization", "Bearer TOKENSECRET")
	r.Header.Set("X-Ms-Correlation-Request-Id", "mine-1")
	r.Header.Set("X-Ms-Client-Request-Id", "client 1")
	r.Header.Set("Client-Request-Id", "client-2")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)

	if strings.Contains(log.String(), "SECRET") {
		t.Errorf("a secret is in the log: %s", &log)
	}
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "PUT", "path": "/a%2Fb", "status": 403.0, "bytes": 11.0,
		"request": requestID, "correlation": "mine-1", "client_request": "client-2", "client": "192.0.2.1",
		"api": "management", "operation": "groups/write", "caller": "oid", "code": "AuthorizationFailed", "cause": "no role",
	}
	if diff := cmp.Diff(want, line(t, &log)); diff != "" {
		t.Error(diff)
	}
	if got := w.Header().Get("X-Ms-Request-Id"); got != requestID {
		t.Errorf("x-ms-request-id: %q", got)
	}
	if w.Body.String() != `{"a":"<&>"}` {
		t.Errorf("body %q", w.Body)
	}
	wantMetrics := `
# HELP midas_http_requests_in_flight Requests being served.
# TYPE midas_http_requests_in_flight gauge
midas_http_requests_in_flight 0
# HELP midas_http_requests_total Requests served, by API, operation and status.
# TYPE midas_http_requests_total counter
midas_http_requests_total{api="management",operation="groups/write",status="403"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(wantMetrics), "midas_http_requests_in_flight", "midas_http_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestContentLengthIsSetForEveryBody(t *testing.T) {
	for _, size := range []int{0, 1, 2046, 2047, 2048, 2049, 100_000} {
		h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) {
			httpx.WriteBody(w, http.StatusOK, make([]byte, size))
		}), io.Discard)
		resp, err := http.Get(serve(t, h))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.ContentLength != int64(size) || len(body) != size {
			t.Errorf("a body of %d bytes came with length %d, and has %d (%v)", size, resp.ContentLength, len(body), err)
		}
	}
}

func TestInvalidCorrelationIDsAreReplaced(t *testing.T) {
	for name, c := range map[string]struct {
		sent []string
		want string
	}{
		"absent":     {nil, requestID},
		"guid":       {[]string{"0A0b0c0d-1111-2222-3333-444444444444"}, "0A0b0c0d-1111-2222-3333-444444444444"},
		"64 bytes":   {[]string{strings.Repeat("a", 64)}, strings.Repeat("a", 64)},
		"65 bytes":   {[]string{strings.Repeat("a", 65)}, requestID},
		"empty":      {[]string{""}, requestID},
		"space":      {[]string{"a b"}, requestID},
		"line break": {[]string{"a\nb"}, requestID},
		"markup":     {[]string{"<script>"}, requestID},
		"not ASCII":  {[]string{"é"}, requestID},
		"twice":      {[]string{"a", "b"}, requestID},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			h, _ := setup(t, httpx.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, ev *httpx.Event) {
				got = ev.CorrelationID
			}), io.Discard)
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["X-Ms-Correlation-Request-Id"] = c.sent
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPanicBecomesPlain500WhoseCauseIsOnlyLogged(t *testing.T) {
	var log bytes.Buffer
	h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) {
		w.Header().Set("Content-Length", "99999")
		panic("CAUSE")
	}), &log)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "CAUSE") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var body struct{ Error struct{ Code string } }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error.Code != "InternalServerError" {
		t.Errorf("body %s: %v", w.Body, err)
	}
	got := line(t, &log)
	stack, _ := got["stack"].(string)
	if got["cause"] != "panic: CAUSE" || got["level"] != "ERROR" || !strings.Contains(stack, "httpx_test.go") {
		t.Errorf("log line %v", got)
	}
}

// serve runs h on a real connection and returns the server's URL.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = httpx.Server(h, slog.New(slog.DiscardHandler))
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func TestPanicAfterTheFirstByteClosesTheConnection(t *testing.T) {
	for _, cause := range []any{"late", http.ErrAbortHandler} {
		h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(cause)
		}), io.Discard)
		resp, err := http.Get(serve(t, h))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("after panic(%v) the client took %q for whole", cause, body)
		}
		_ = resp.Body.Close()
	}
}

func TestAbortBeforeTheFirstByteAnswersNothing(t *testing.T) {
	h, _ := setup(t, httpx.HandlerFunc(func(http.ResponseWriter, *http.Request, *httpx.Event) {
		panic(http.ErrAbortHandler)
	}), io.Discard)
	if resp, err := http.Get(serve(t, h)); err == nil {
		_ = resp.Body.Close()
		t.Errorf("got an answer: %s", resp.Status)
	}
}

func TestHandlerGetsMaxBytesErrorForALargeBody(t *testing.T) {
	h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, _ *httpx.Event) {
		_, err := io.ReadAll(r.Body)
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}), io.Discard)
	url := serve(t, h)
	for size, want := range map[int]int{16: 200, 17: 413, 1 << 20: 413} {
		resp, err := http.Post(url, "", io.MultiReader(bytes.NewReader(make([]byte, size)))) // chunked
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", size, resp.StatusCode, want)
		}
	}
}

func TestRefusalDoesNotWaitForAnExpectContinueBody(t *testing.T) {
	h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) {
		w.WriteHeader(http.StatusUnauthorized)
	}), io.Discard)
	conn, err := net.Dial("tcp", strings.TrimPrefix(serve(t, h), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil { // less than the server's own
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 401 ") {
		t.Errorf("%q, %v", line, err)
	}
}

// teapot is a Refuser with an error body of its own.
type teapot struct{ httpx.Handler }

func (teapot) Refuse(w http.ResponseWriter, _ *http.Request, ev *httpx.Event, status int) {
	ev.ErrorCode = "Mine"
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "mine")
}

func TestLongURIIs414InTheFormOfTheAPI(t *testing.T) {
	next := httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) { w.WriteHeader(204) })
	for name, c := range map[string]struct {
		next   httpx.Handler
		length int
		status int
		body   string
	}{
		"at the limit":   {next, httpx.MaxURI, 204, ""},
		"over, plain":    {next, httpx.MaxURI + 1, 414, `{"error":{"code":"UriTooLong","message":"The request's URI is too long."}}`},
		"over, worded":   {teapot{next}, httpx.MaxURI + 1, 414, "mine"},
		"30 KiB, worded": {teapot{next}, 30 << 10, 414, "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := setup(t, c.next, io.Discard)
			resp, err := http.Get(serve(t, h) + "/" + strings.Repeat("a", c.length-1))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != c.status || string(body) != c.body {
				t.Errorf("%d %q %v, want %d %q", resp.StatusCode, body, err, c.status, c.body)
			}
		})
	}
}

func TestLargeHeadersAre431InTheFormOfTheAPIUpToALimit(t *testing.T) {
	reached := 0
	next := httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) { reached++ })
	h, _ := setup(t, teapot{next}, io.Discard)
	url := serve(t, h)
	for size, want := range map[int]struct {
		status, reached int
		body            string
	}{
		httpx.MaxHeaders / 2:   {200, 1, ""},
		httpx.MaxHeaders:       {431, 0, "mine"},
		3 * httpx.MaxHeaders:   {431, 0, "431 Request Header Fields Too Large"},
		100 * httpx.MaxHeaders: {431, 0, "431 Request Header Fields Too Large"},
	} {
		reached = 0
		r, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Huge", strings.Repeat("a", size))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want.status || reached != want.reached || string(body) != want.body {
			t.Errorf("%d bytes: %d %q %v, reached %d times, want %+v", size, resp.StatusCode, body, err, reached, want)
		}
	}
}

// A request with Content-Length and chunks may be request smuggling: a proxy may have used the length.
func TestConnectionClosesAfterAChunkedRequest(t *testing.T) {
	for name, next := range map[string]httpx.HandlerFunc{
		"answered": func(w http.ResponseWriter, _ *http.Request, _ *httpx.Event) { w.WriteHeader(204) },
		"panicked": func(http.ResponseWriter, *http.Request, *httpx.Event) { panic("cause") },
	} {
		t.Run(name, func(t *testing.T) {
			reached := 0
			h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
				reached++
				next(w, r, ev)
			}), io.Discard)
			conn, err := net.Dial("tcp", strings.TrimPrefix(serve(t, h), "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(conn)
			if err != nil || reached != 1 || strings.Count(string(text), "HTTP/1.1 ") != 1 {
				t.Errorf("%d requests were seen, answers %q %v", reached, text, err)
			}
		})
	}
}

func TestCanceledRequestHasStatus499(t *testing.T) {
	var log bytes.Buffer
	h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		ev.Err = r.Context().Err()
		w.WriteHeader(500)
	}), &log)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	if got := line(t, &log); got["status"] != 499.0 || got["level"] != "INFO" {
		t.Errorf("log line %v", got)
	}
}

func TestWriteJSONWritesNothingWhenEncodingFails(t *testing.T) {
	w := httptest.NewRecorder()
	if err := httpx.WriteJSON(w, 200, func() {}); err == nil {
		t.Error("a function was encoded")
	}
	if err := httpx.WriteJSON(w, 500, "x"); err != nil || w.Code != 500 || w.Body.String() != `"x"` {
		t.Errorf("%d %s %v", w.Code, w.Body, err)
	}
}

func TestSuccessfulRoutineRequestsAreNotLogged(t *testing.T) {
	for status, want := range map[int]int{200: 0, 404: 1, 503: 1} {
		var log bytes.Buffer
		h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, ev *httpx.Event) {
			ev.Routine = true
			w.WriteHeader(status)
		}), &log)
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/healthz", nil))
		if got := strings.Count(log.String(), "\n"); got != want {
			t.Errorf("%d: %d lines, want %d", status, got, want)
		}
	}
}

// quiet is a ResponseWriter that does nothing, so that the benchmark measures httpx alone.
type quiet struct{ h http.Header }

func (w quiet) Header() http.Header         { return w.h }
func (w quiet) Write(p []byte) (int, error) { return len(p), nil }
func (w quiet) WriteHeader(int)             {}

func BenchmarkOverhead(b *testing.B) {
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	next := httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, ev *httpx.Event) {
		ev.API, ev.Operation = "management", "Microsoft.ManagedIdentity/userAssignedIdentities/read"
		w.WriteHeader(200)
	})
	h := httpx.New(next, httpx.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now, NewID: func() string { return requestID },
	})
	r := httptest.NewRequest("GET", "/subscriptions/x/resourceGroups/y", nil)
	w := quiet{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
