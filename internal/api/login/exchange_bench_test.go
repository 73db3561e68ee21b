package login_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"midas/internal/api/httpx"
)

// BenchmarkExchange exchanges an outside assertion whose issuer's keys are known for a token that is cached.
func BenchmarkExchange(b *testing.B) {
	e := newExchange(b)
	form := exchangeForm(e.foreign().sign(b))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, tokenV2, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := &discardWriter{header: http.Header{}}
		e.Serve(w, r, &httpx.Event{RequestID: request, ClientIP: "192.0.2.1"})
		if w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
	}
}
