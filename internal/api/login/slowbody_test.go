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

// overdue is a body of which a part has come when the server's time to read it is over. The server ends
// the request's context with it.
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

// TestBodyReadTimeoutIsAClientError on all paths to which a form is posted.
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
