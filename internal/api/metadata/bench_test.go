package metadata_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"midas/internal/api/metadata"
)

// quiet is a ResponseWriter that does nothing.
type quiet struct{ h http.Header }

func (w quiet) Header() http.Header         { return w.h }
func (w quiet) Write(p []byte) (int, error) { return len(p), nil }
func (w quiet) WriteHeader(int)             {}

// BenchmarkWarmToken measures the endpoint without net/http and without the agent's cache.
func BenchmarkWarmToken(b *testing.B) {
	h := serve(b, metadata.NewIMDS(config(&source{})))
	r := httptest.NewRequest("GET", "http://127.0.0.1/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net", nil)
	r.Header.Set("Metadata", "true")
	w := quiet{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}
