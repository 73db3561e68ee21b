package management_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkGetIdentity is a GET of one identity through the whole face, without a socket: path,
// version, verified token, RBAC, record, answer.
func BenchmarkGetIdentity(b *testing.B) {
	s := newStack(b)
	s.want(b, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(b, 201, "owner", "PUT", identities+"/app?api-version=2023-01-31", `{"location":"eastus"}`)
	r := httptest.NewRequest("GET", "/subscriptions/"+sub+"/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app?api-version=2023-01-31", nil)
	r.Header.Set("Authorization", "Bearer "+s.token(b, "mioperator"))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w := &discard{header: http.Header{}}
		for pb.Next() {
			clear(w.header)
			s.ServeHTTP(w, r)
			if w.status != 200 {
				b.Fatal(w.status)
			}
		}
	})
}

type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
