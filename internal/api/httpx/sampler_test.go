package httpx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/api/httpx"
)

// TestExcessRefusalsAreSummarizedInTheLog sends requests that are refused, and others whose lines must all be
// logged.
func TestExcessRefusalsAreSummarizedInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
			ev.API = "management"
			status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
			w.WriteHeader(status)
		}), &log)
		const each = 1000
		statuses := []int{200, 201, 204, 400, 401, 403, 404, 409, 429, 500, 503}
		for range each {
			for _, status := range statuses {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("PUT", "/"+strconv.Itoa(status), nil))
			}
		}
		lines, summed := map[int]int{}, map[int]int{}
		read := func() {
			t.Helper()
			for text := range strings.Lines(log.String()) {
				var line struct {
					Msg              string
					Status, Requests int
				}
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatal(err)
				}
				if line.Msg == "request" {
					lines[line.Status]++
				} else {
					summed[line.Status] += line.Requests
				}
			}
			log.Reset()
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		read()
		for _, status := range statuses {
			if refused := status >= 400 && status < 500; !refused && lines[status] != each || refused && (lines[status] != 20 || summed[status] != each-20) {
				t.Errorf("%d: %d lines, %d counted", status, lines[status], summed[status])
			}
		}
		// Later refusals are logged one by one again, without a summary.
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("PUT", "/403", nil))
		time.Sleep(15 * time.Second)
		synctest.Wait()
		clear(summed)
		if read(); lines[403] != 21 || len(summed) != 0 {
			t.Errorf("afterwards: %d lines, %v", lines[403], summed)
		}
	})
}

func TestLogFieldsAreTruncated(t *testing.T) {
	var log bytes.Buffer
	long := strings.Repeat("ä", 30<<10)
	h, _ := setup(t, httpx.HandlerFunc(func(w http.ResponseWriter, _ *http.Request, ev *httpx.Event) {
		ev.API, ev.Operation, ev.Caller, ev.ErrorCode, ev.Err = "management", long, long, long, errors.New(long)
		ev.ClientIP, ev.CorrelationID, ev.ClientRequestID = long, long, long
		w.WriteHeader(http.StatusInternalServerError)
	}), &log)
	r := httptest.NewRequest("GET", "/", nil)
	r.Method, r.URL.Path = strings.Repeat("M", 30<<10), "/"+long
	h.ServeHTTP(httptest.NewRecorder(), r)
	if got := line(t, &log); len(got) < 10 {
		t.Errorf("only %v", got)
	} else {
		for name, value := range got {
			if text, ok := value.(string); ok && len(text) > 1100 {
				t.Errorf("%s has %d bytes", name, len(text))
			}
		}
	}
}
