package management_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"midas/internal/oracle"
)

var witness = oracle.Witness{Least: map[string]int{
	"Microsoft.ManagedIdentity": 900, "Microsoft.Authorization": 150, "Microsoft.Resources": 400, "Microsoft.Insights": 10, "Microsoft.Compute": 150,
}}

func TestMain(m *testing.M) { os.Exit(witness.Run(m)) }

// witnessed lets the oracle see every answer of a handler and fails the test for those that are
// wrong. Fuzz targets and benchmarks are left alone: they cannot be failed from inside a handler.
func witnessed(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	o, err := witness.Oracle()
	must(t, err)
	if _, isTest := t.(*testing.T); !isTest || o == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := httptest.NewRecorder()
		next.ServeHTTP(seen, r)
		if err := witness.See(oracle.Answer{Method: r.Method, URL: r.URL, Status: seen.Code, Header: seen.Header(), Body: seen.Body.Bytes()}); err != nil {
			t.Error(err)
		}
		maps.Copy(w.Header(), seen.Header())
		w.WriteHeader(seen.Code)
		_, _ = w.Write(seen.Body.Bytes())
	})
}
