package witness_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"testing"

	"midas/internal/oracle"
)

var files = oracle.Witness{Least: map[string]int{
	"Microsoft.ManagedIdentity": 900, "Microsoft.Authorization": 120, "Microsoft.Resources": 80, "Microsoft.Compute": 35,
}}

func TestMain(m *testing.M) { os.Exit(files.Run(m)) }

// hold holds the server's answer against Microsoft's files, where they are there and know of it. The
// answer can be read again afterwards.
func hold(req *http.Request, resp *http.Response) error {
	o, err := files.Oracle()
	if err != nil || o == nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	if err != nil {
		return nil // the client's request has ended, so there is no whole answer to check
	}
	return files.See(oracle.Answer{Method: req.Method, URL: req.URL, Status: resp.StatusCode, Header: resp.Header, Body: body})
}

// The check must fail for an answer that the OpenAPI files do not allow.
func TestAnswersOutsideTheOpenAPIFilesFail(t *testing.T) {
	if o, err := files.Oracle(); err != nil || o == nil {
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
