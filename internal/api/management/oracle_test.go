package management_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"midas/internal/oracle"
)

// leastCovered is how many answers of a whole run must have been held against Microsoft's files, so
// that a witness that sees nothing is not taken for one that finds nothing.
var leastCovered = map[string]int{
	"Microsoft.ManagedIdentity": 1100, "Microsoft.Authorization": 150, "Microsoft.Resources": 400, "Microsoft.Insights": 10, "Microsoft.Compute": 150,
}

// witness is the oracle of this run, or nil where the files are not there, and what it has seen.
var witness = sync.OnceValues(func() (*oracle.Oracle, error) {
	dir, present := oracle.Folder()
	if !present {
		return nil, nil
	}
	return oracle.Open(filepath.Join(dir, "specs"))
})

var covered = struct {
	sync.Mutex
	answers map[string]int
}{answers: map[string]int{}}

func TestMain(m *testing.M) {
	code := m.Run()
	if o, _ := witness(); o != nil && code == 0 && wholeRun() {
		for provider, least := range leastCovered {
			if covered.answers[provider] < least {
				fmt.Fprintf(os.Stderr, "only %d answers of %s were held against its files\n", covered.answers[provider], provider)
				code = 1
			}
		}
	}
	os.Exit(code)
}

func wholeRun() bool {
	for _, name := range []string{"run", "skip", "list", "fuzz", "bench"} {
		if flag.Lookup("test."+name).Value.String() != "" {
			return false
		}
	}
	return true
}

// witnessed lets the oracle see every answer of a handler and fails the test for those that are
// wrong. Fuzz targets and benchmarks are left alone: they cannot be failed from inside a handler.
func witnessed(t testing.TB, next http.Handler) http.Handler {
	t.Helper()
	o, err := witness()
	must(t, err)
	if _, isTest := t.(*testing.T); !isTest || o == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := httptest.NewRecorder()
		next.ServeHTTP(seen, r)
		op, err := o.Check(oracle.Answer{Method: r.Method, URL: r.URL, Status: seen.Code, Header: seen.Header(), Body: seen.Body.Bytes()})
		if err != nil && !errors.Is(err, oracle.ErrNotCovered) {
			t.Errorf("%s %s is not as Microsoft's files have it: %v", r.Method, r.URL, err)
		}
		covered.Lock()
		covered.answers[op.Provider]++
		covered.Unlock()
		maps.Copy(w.Header(), seen.Header())
		w.WriteHeader(seen.Code)
		_, _ = w.Write(seen.Body.Bytes())
	})
}
