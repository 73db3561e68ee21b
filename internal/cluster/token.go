//go:build cluster

package cluster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Token is what a joining machine needs to know: K10HASH::ID:SECRET. HASH is the SHA-256 of the public key by
// which it recognizes the cluster. It redacts itself.
type Token string

// String hides the token.
func (Token) String() string { return "[token]" }

// GoString hides the token from %#v.
func (Token) GoString() string { return "[token]" }

const (
	tokenPrefix = "K10"
	tokenKeys   = "/cluster/token/"

	// DefaultTokenLifetime and MaxTokenLifetime bound how long a token can be used.
	DefaultTokenLifetime = time.Hour
	MaxTokenLifetime     = 7 * 24 * time.Hour

	maxTokens = 100 // that wait for their use
)

// ErrToken means that a token is unknown, was used, or has expired.
var ErrToken = errors.New("the token is unknown, was used already, or has expired: make a new one with `midas cluster token` on a member of the cluster")

// parts are the parts of a token.
type parts struct{ pin, id, secret string }

func (t Token) parts() (p parts, err error) {
	wrong := errors.New("the token is not of the form K10HASH::ID:SECRET: copy the whole line that `midas cluster token` prints")
	rest, found := strings.CutPrefix(strings.TrimSpace(string(t)), tokenPrefix)
	if !found {
		return p, wrong
	}
	pin, rest, found := strings.Cut(rest, "::")
	id, secret, second := strings.Cut(rest, ":")
	if !found || !second || !isHex(pin, 32) || !isHex(id, 8) || !isHex(secret, 32) {
		return p, wrong
	}
	return parts{pin, id, secret}, nil
}

// isHex reports whether a text has the lower-case hexadecimal digits of size bytes.
func isHex(text string, size int) bool {
	return len(text) == 2*size && strings.Trim(text, "0123456789abcdef") == ""
}

// Pin is the hash of a certificate's public key in a token.
func Pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// storedToken is the record of a token. It has a hash of the secret only.
type storedToken struct {
	Hash []byte    `json:"hash"`
	Ends time.Time `json:"ends"`
}

// NewToken makes a token that one machine can use within a lifetime. The machine recognizes the cluster by the
// public key of pinned.
func (m *Member) NewToken(ctx context.Context, pinned *x509.Certificate, life time.Duration) (Token, error) {
	if life <= 0 || life > MaxTokenLifetime {
		return "", fmt.Errorf("a token lives for more than 0 and at most %s", MaxTokenLifetime)
	}
	waiting, err := m.client.Get(ctx, tokenKeys, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return "", unavailable(err)
	}
	if waiting.Count >= maxTokens {
		return "", fmt.Errorf("%d tokens wait for their use: wait until some have expired", maxTokens)
	}
	random := make([]byte, 40)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	id, secret := hex.EncodeToString(random[:8]), hex.EncodeToString(random[8:])
	sum := sha256.Sum256([]byte(secret))
	if err := m.putToken(ctx, id, storedToken{Hash: sum[:], Ends: m.now().Add(life)}); err != nil {
		return "", err
	}
	return Token(tokenPrefix + Pin(pinned) + "::" + id + ":" + secret), nil
}

// putToken writes a record that etcd removes when the token has expired.
func (m *Member) putToken(ctx context.Context, id string, t storedToken) error {
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("encode a token: %w", err)
	}
	lease, err := m.client.Grant(ctx, max(1, int64(t.Ends.Sub(m.now())/time.Second)))
	if err != nil {
		return unavailable(err)
	}
	if _, err := m.client.Put(ctx, tokenKeys+id, string(text), clientv3.WithLease(lease.ID)); err != nil {
		return unavailable(err)
	}
	return nil
}

// token reads the record of a token and its revision, and compares the secret.
func (m *Member) token(ctx context.Context, id, secret string) (t storedToken, revision int64, err error) {
	if !isHex(id, 8) || !isHex(secret, 32) {
		return t, 0, ErrToken
	}
	got, err := m.client.Get(ctx, tokenKeys+id)
	if err != nil {
		return t, 0, unavailable(err)
	}
	if len(got.Kvs) == 0 {
		return t, 0, ErrToken
	}
	if err := json.Unmarshal(got.Kvs[0].Value, &t); err != nil {
		return t, 0, fmt.Errorf("read a token: %w", err)
	}
	sum := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(sum[:], t.Hash) != 1 || !m.now().Before(t.Ends) {
		return t, 0, ErrToken
	}
	return t, got.Kvs[0].ModRevision, nil
}

// use removes a token. Of several machines with the same token, one succeeds.
func (m *Member) use(ctx context.Context, id string, revision int64) error {
	done, err := m.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(tokenKeys+id), "=", revision)).
		Then(clientv3.OpDelete(tokenKeys + id)).Commit()
	if err != nil {
		return unavailable(err)
	}
	if !done.Succeeded {
		return ErrToken
	}
	return nil
}
