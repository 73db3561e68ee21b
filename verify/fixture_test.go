package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/verify"
	"midas/verify/verifytest"
)

const audience = "api://orders"

// issuerOf is an issuer whose answers a test can change, and that counts the requests.
type issuerOf struct {
	*verifytest.Issuer

	mu      sync.Mutex
	answers map[string]func(*http.Request) (*http.Response, error) // by the end of the path
	asked   map[string]int
}

func newIssuer(t testing.TB) *issuerOf {
	t.Helper()
	return &issuerOf{Issuer: verifytest.New(t), answers: map[string]func(*http.Request) (*http.Response, error){}, asked: map[string]int{}}
}

// RoundTrip answers with what the test has set, or as the issuer does.
func (i *issuerOf) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	end := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	i.asked[end]++
	answer := i.answers[end]
	i.mu.Unlock()
	if answer != nil {
		return answer(r)
	}
	return i.Client().Transport.RoundTrip(r)
}

// answer sets the answer for the addresses with an end of the path: keys, revocations, openid-configuration. With
// nil the issuer answers itself again.
func (i *issuerOf) answer(end string, with func(*http.Request) (*http.Response, error)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answers[end] = with
}

// requests returns how many requests there were.
func (i *issuerOf) requests(end string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[end]
}

// verifier makes a Verifier of the issuer that ends with the test.
func (i *issuerOf) verifier(t testing.TB, options ...verify.Option) *verify.Verifier {
	t.Helper()
	v, err := i.open(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func (i *issuerOf) open(ctx context.Context, options ...verify.Option) (*verify.Verifier, error) {
	return verify.New(ctx, i.URL, audience, append([]verify.Option{verify.WithHTTPClient(&http.Client{Transport: i})}, options...)...)
}

// list signs a list of revocations. The changes replace members of the payload.
func (i *issuerOf) list(t testing.TB, kind string, changes map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	all := map[string]any{"iss": i.URL, "iat": now, "exp": now + 600, "version": 100, "refresh": 30, "revoked": []any{}}
	maps.Copy(all, changes)
	return i.Sign(t, map[string]any{"typ": kind}, marshal(t, all))
}

func text(body string) func(*http.Request) (*http.Response, error) {
	return status(http.StatusOK, body)
}

func status(code int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

var errOutage = errors.New("connection refused")

func outage(*http.Request) (*http.Response, error) { return nil, errOutage }

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wantErr fails the test unless err wraps want; nil means that there is no error.
func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		t.Errorf("the error is %v, want %v", err, want)
	}
}
