package verify

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys is how many keys of a key set count.
	maxKeys = 100

	// The sizes of an RSA key. A longer one would make each verification of a signature slow.
	minKeyBits, maxKeyBits = 2048, 8192

	// keysEvery is how often the keys are fetched. A key that the operator withdraws counts until then, or until a
	// token or a list of revocations names a key that is not known.
	keysEvery = 5 * time.Minute

	// maxWaiting is how many requests wait for keys at the same time. Others with unknown key ids are refused, or
	// invented key ids would keep any number of requests for as long as a fetch takes.
	maxWaiting = 256
)

// errBusy is why a request does not wait for keys.
var errBusy = fmt.Errorf("%d requests are waiting for new keys", maxWaiting)

// publicKey is a key that the issuer publishes. The object stays the same as long as the key is published, so that
// what it has signed is refused at once when it is removed.
type publicKey struct {
	id      string
	key     *rsa.PublicKey
	removed atomic.Bool
}

// keySet is what one fetch of the key set gave. It does not change.
type keySet struct {
	byID      map[string][]*publicKey
	confirmed time.Time
}

// keys are the signing keys of the issuer.
type keys struct {
	url     string
	fetcher *fetcher
	now     func() time.Time
	maxAge  time.Duration

	current atomic.Pointer[keySet]
	refresh *refresher
	waiting chan struct{} // holds a value for each request that waits
}

// publishes reports whether there is a key with an id.
func (k *keys) publishes(id string) bool { return len(k.current.Load().byID[id]) > 0 }

// learn fetches the keys again for a request, unless they were fetched a moment ago or too many requests wait.
func (k *keys) learn(ctx context.Context) error {
	select {
	case k.waiting <- struct{}{}:
	default:
		return &UnavailableError{Lacks: "set of signing keys", Since: k.current.Load().confirmed, Err: errBusy}
	}
	defer func() { <-k.waiting }()
	return k.refresh.again(ctx)
}

// fetch replaces the keys by those that the issuer publishes now.
func (k *keys) fetch(ctx context.Context) (time.Duration, error) {
	body, _, err := k.fetcher.get(ctx, request{url: k.url, limit: maxDocument})
	if err != nil {
		return 0, fmt.Errorf("fetch keys: %w", err)
	}
	published, err := parseKeys(body)
	if err != nil {
		return 0, fmt.Errorf("read keys of %s: %w", k.url, err)
	}
	k.replace(published)
	return keysEvery, nil
}

// replace sets the published keys. Keys that were published before keep their objects; the others are removed.
func (k *keys) replace(published []*publicKey) {
	next := &keySet{byID: map[string][]*publicKey{}, confirmed: k.now()}
	known := k.current.Load()
	kept := map[*publicKey]bool{}
	for _, key := range published {
		if known != nil {
			for _, old := range known.byID[key.id] {
				if old.key.Equal(key.key) {
					key = old
				}
			}
		}
		if !kept[key] {
			kept[key] = true
			next.byID[key.id] = append(next.byID[key.id], key)
		}
	}
	k.current.Store(next)
	if known == nil {
		return
	}
	for _, all := range known.byID {
		for _, old := range all {
			if !kept[old] {
				old.removed.Store(true)
			}
		}
	}
}

// fresh returns an error if the keys were not fetched for too long.
func (k *keys) fresh(now time.Time) error {
	if confirmed := k.current.Load().confirmed; elapsed(confirmed, now) > k.maxAge {
		k.refresh.nudge()
		return &UnavailableError{Lacks: "set of signing keys", Since: confirmed, Err: k.refresh.failure()}
	}
	return nil
}

// parseKeys reads a JSON Web Key Set (RFC 7517, 5). It skips keys that are not for RS256 signatures. A set without
// any usable key is an error, so that a broken answer does not end the keys that are known.
func parseKeys(body []byte) ([]*publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	var usable []*publicKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		if key, ok := parseKey(raw); ok {
			usable = append(usable, key)
		}
	}
	if len(usable) == 0 {
		return nil, errors.New("there is no RSA key for signatures")
	}
	return usable, nil
}

func parseKey(raw []byte) (*publicKey, bool) {
	var key jose.JSONWebKey
	if err := json.Unmarshal(raw, &key); err != nil {
		return nil, false
	}
	public, isRSA := key.Key.(*rsa.PublicKey)
	if !isRSA || key.KeyID == "" || key.Use != "sig" || key.Algorithm != "" && key.Algorithm != string(jose.RS256) {
		return nil, false
	}
	if bits := public.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return nil, false
	}
	return &publicKey{id: key.KeyID, key: public}, true
}
