package login_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// overdue is a body that is incomplete at the server's read deadline. The server cancels the request's context
// at that time.
type overdue struct {
	io.Reader
	end context.CancelFunc
}

func (b overdue) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.end()
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// TestBodyReadTimeoutIsAClientError tries the paths that accept a form.
func TestBodyReadTimeoutIsAClientError(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{tokenV2, "/" + tenant + "/oauth2/token", "/common/oauth2/v2.0/token", "/" + tenant + "/oauth2/v2.0/devicecode"} {
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, path, overdue{strings.NewReader("grant_type=client_credentials&cl"), cancel})
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if w := f.do(r); w.Code != http.StatusBadRequest || decode(t, w)["error"] != "invalid_request" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
