package management_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
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

// BenchmarkPutIdentity creates identities, each with its principal and its event, on a store in memory.
func BenchmarkPutIdentity(b *testing.B) {
	s := newStack(b)
	s.want(b, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	bearer := "Bearer " + s.token(b, "owner")
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w := &discard{header: http.Header{}}
		for pb.Next() {
			clear(w.header)
			r := httptest.NewRequest("PUT", "/subscriptions/"+sub+"/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"+
				strconv.FormatInt(next.Add(1), 10)+"?api-version=2023-01-31", strings.NewReader(`{"location":"eastus"}`))
			r.Header.Set("Authorization", bearer)
			r.Header.Set("Content-Type", "application/json")
			s.ServeHTTP(w, r)
			if w.status != 201 {
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
