package trace_test

import (
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/trace"
	"midas/internal/trace/tracetest"
)

// batch records spans until the tracer sends them without waiting for more.
func batch(tracer *trace.Tracer, name string) {
	for range 512 {
		_, s := tracer.Serve(context.Background(), request, nil, false)
		s.Name(name)
		s.End()
	}
}

// TestEverySuccessOfACollectorCounts sends each batch once to gateways that answer otherwise than OTLP says.
func TestEverySuccessOfACollectorCounts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		status   int
		body     []byte
		exported float64
	}{
		{"200 with a text", http.StatusOK, []byte("ok"), 512},
		{"202", http.StatusAccepted, nil, 512},
		{"204", http.StatusNoContent, nil, 512},
		{"partial success of all", http.StatusOK, []byte{0x0a, 0x00}, 512},
		{"a warning", http.StatusOK, []byte{0x0a, 0x03, 0x12, 0x01, 'w'}, 512},
		{"two are rejected", http.StatusAccepted, []byte{0x0a, 0x02, 0x08, 0x02}, 510},
		{"more are rejected than were sent", http.StatusOK, []byte{0x0a, 0x03, 0x08, 0xff, 0x7f}, 0},
		{"a negative number is rejected", http.StatusOK, []byte{0x0a, 0x0b, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 512},
	} {
		t.Run(tt.name, func(t *testing.T) {
			collector, asked := tracetest.New(t), atomic.Int64{}
			collector.Answer(func(w http.ResponseWriter) bool {
				asked.Add(1)
				w.WriteHeader(tt.status)
				_, _ = w.Write(tt.body)
				return true
			})
			tracer := open(t, trace.Config{Endpoint: collector.URL})
			batch(tracer, "sent")
			_ = tracer.Close()
			got := dropped(t, tracer)
			if got["exported"] != tt.exported || got["rejected"] != 512-tt.exported || got["export"] != 0 || asked.Load() != 1 {
				t.Errorf("%d requests, %v", asked.Load(), got)
			}
		})
	}
}

// TestCollectorsSayWhenToAskAgain by a number of seconds or by a date, which the collector's clock measures.
func TestCollectorsSayWhenToAskAgain(t *testing.T) {
	const pause = 2500 * time.Millisecond // longer than the pause without an advice
	for name, advise := range map[string]func(http.Header){
		"seconds": func(h http.Header) { h.Set("Retry-After", "3") },
		"date": func(h http.Header) {
			h.Set("Retry-After", time.Now().Add(4*time.Second).UTC().Format(http.TimeFormat))
			h["Date"] = nil
		},
		"date of a clock that is wrong": func(h http.Header) {
			day := time.Now().UTC().Add(-24 * time.Hour)
			h.Set("Date", day.Format(http.TimeFormat))
			h.Set("Retry-After", day.Add(3*time.Second).Format(http.TimeFormat))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			collector := tracetest.New(t)
			var first time.Time
			collector.Answer(func(w http.ResponseWriter) bool {
				if !first.IsZero() {
					return false
				}
				first = time.Now()
				advise(w.Header())
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			})
			tracer := open(t, trace.Config{Endpoint: collector.URL})
			batch(tracer, "again")
			collector.Wait(t, func(s tracetest.Span) bool { return s.Name == "again" })
			if waited := time.Since(first); waited < pause {
				t.Errorf("asked again after %v", waited)
			}
		})
	}
}

// TestCollectorOfACertificateOfItsOwn is reached over HTTP/2 by its authority and by no other, and gets no header before.
func TestCollectorOfACertificateOfItsOwn(t *testing.T) {
	var sent atomic.Int64
	collector := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.ProtoMajor == 2 && r.Header.Get("Authorization") == "Bearer x" && r.Host == "tenant.example" {
			sent.Add(1)
		}
	}))
	collector.EnableHTTP2 = true
	collector.Config.ErrorLog = nil
	collector.StartTLS()
	defer collector.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: collector.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	headers := []trace.Field{{"Authorization", "Bearer x"}, {"Host", "tenant.example"}}
	for file, want := range map[string]float64{ca: 512, "": 0} {
		tracer := open(t, trace.Config{Endpoint: collector.URL, CA: file, Headers: headers})
		batch(tracer, "sealed")
		_ = tracer.Close()
		if got := dropped(t, tracer); got["exported"] != want {
			t.Errorf("ca %q: %v", file, got)
		}
	}
	if sent.Load() != 1 {
		t.Errorf("%d requests with all headers", sent.Load())
	}
}
