package witness_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"midas/internal/oracle"
)

// leastCovered is how many answers of a whole run must have been held against Microsoft's files, so
// that an oracle that sees nothing is not taken for one that finds nothing.
var leastCovered = map[string]int{
	"Microsoft.ManagedIdentity": 900, "Microsoft.Authorization": 120, "Microsoft.Resources": 80, "Microsoft.Compute": 35,
}

// files are Microsoft's OpenAPI files, or nil where they are not there.
var files = sync.OnceValues(func() (*oracle.Oracle, error) {
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
	if o, _ := files(); o != nil && code == 0 && wholeRun() {
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

// hold holds the server's answer against Microsoft's files, where they are there and know of it. The
// answer can be read again afterwards.
func hold(req *http.Request, resp *http.Response) error {
	o, err := files()
	if err != nil || o == nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	if err != nil {
		return nil // the client's request has ended: that is the client's to see
	}
	op, err := o.Check(oracle.Answer{Method: req.Method, URL: req.URL, Status: resp.StatusCode, Header: resp.Header, Body: body})
	if err != nil && !errors.Is(err, oracle.ErrNotCovered) {
		return fmt.Errorf("%s %s is not as Microsoft's files have it: %w", req.Method, req.URL, err)
	}
	covered.Lock()
	covered.answers[op.Provider]++
	covered.Unlock()
	return nil
}

// An answer that passes everything would prove nothing.
func TestForeignAnswersAreNoticed(t *testing.T) {
	if o, err := files(); err != nil || o == nil {
		t.Skip("../shared/azure is not there")
	}
	target := "https://localhost/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app?api-version=2023-01-31"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	check(t, err)
	const body = `{"name":"app","surprise":1}`
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewBufferString(body))}
	if err := hold(req, resp); err == nil {
		t.Error("it passes")
	}
	if again, err := io.ReadAll(resp.Body); err != nil || string(again) != body {
		t.Errorf("the client reads %q, %v", again, err)
	}
}

// failing is the end of what could be read, with the reason.
type failing struct{ error }

func (f failing) Read([]byte) (int, error) {
	if f.error == nil {
		return 0, io.EOF
	}
	return 0, f.error
}
