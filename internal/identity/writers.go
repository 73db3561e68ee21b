package identity

import (
	"context"
	"net/http"
	"sync"
	"time"

	"midas/internal/arm"
)

// Writers refuse a write to the federated credentials of an identity while another one is in flight in this process, as
// Azure does. It is for laboratories, in which programs are tested with that refusal. Nil *Writers refuse nothing:
// writes then run one after the other, see PutFederated.
type Writers struct {
	// Least is how long a write is in flight at least. A write here ends so soon that concurrent ones would seldom meet.
	Least time.Duration

	// On reports whether concurrent writes are refused at the moment; nil means always.
	On func() bool

	mu      sync.Mutex
	writing map[string]struct{} // identities, by key; bounded by the number of requests in flight
}

// begin starts a write, which ends with a call of end. It returns a 409 if there is another one.
func (w *Writers) begin(ctx context.Context, identity arm.ID) (end func(), err error) {
	if w == nil || w.On != nil && !w.On() {
		return func() {}, nil
	}
	key := identity.Key()
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, busy := w.writing[key]; busy {
		return nil, errConcurrentWrites(identity)
	}
	if w.writing == nil {
		w.writing = map[string]struct{}{}
	}
	w.writing[key] = struct{}{}
	least := time.NewTimer(w.Least)
	return func() {
		defer least.Stop()
		select {
		case <-least.C:
		case <-ctx.Done():
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.writing, key)
	}, nil
}

// errConcurrentWrites has the id in lower case, as Azure's text has.
func errConcurrentWrites(identity arm.ID) error {
	return arm.Errorf(http.StatusConflict, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
		"Too many Federated Identity Credentials are written concurrently for the managed identity '%s'. Concurrent Federated Identity Credentials writes under the same managed identity are not supported.",
		arm.Fold(identity.String()))
}
