package login_test

import (
	"context"
	"testing"

	"midas/internal/store"
)

// failing is a store whose writes fail.
type failing struct {
	store.Store
	err error
}

func (f failing) Update(context.Context, func(store.Tx) error) (store.Revision, error) {
	return 0, f.err
}

// TestStoreWithoutWritesGives503 expects a 503 with Retry-After, after which Entra's clients try again.
func TestStoreWithoutWritesGives503(t *testing.T) {
	for err, wait := range map[error]string{store.ErrUnavailable: "10", store.ErrConflict: "1", store.ErrClosed: "1"} {
		f := newFixture(t)
		f.Grants.Store = failing{f.store, err}
		w := f.post("/"+tenant+"/oauth2/v2.0/devicecode", clientCredentialsForm())
		body := decode(t, w)
		if w.Code != 503 || w.Header().Get("Retry-After") != wait || body["error"] != "temporarily_unavailable" {
			t.Errorf("%v: %d %v %s", err, w.Code, w.Header(), w.Body)
		}
		if w := f.post(tokenV2, clientCredentialsForm()); w.Code != 200 {
			t.Errorf("a token, which writes nothing: %d %s", w.Code, w.Body)
		}
	}
}
