// Package seal encrypts values that leave the process and that only the server may read: secrets in the
// store, and values that clients and browsers send back to the server. Each Sealer has its own key, derived
// from the master key for one purpose (HKDF, RFC 5869), so that a value opens only for the purpose for which
// it was sealed.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrSealed means that a value was not sealed by this Sealer, or was sealed in another context.
var ErrSealed = errors.New("seal: the value was not sealed with this key and context")

// maxText is the longest sealed text that OpenText decodes, in bytes.
const maxText = 16 << 10

// Sealer encrypts and authenticates with AES-256-GCM and random nonces. It is safe for concurrent use.
type Sealer struct{ aead cipher.AEAD }

// New derives the key of a purpose from the master key. The same master key and purpose give the same key
// after a restart and at another replica.
func New(master MasterKey, purpose string) (*Sealer, error) {
	key, err := hkdf.Key(sha256.New, master[:], nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return newSealer(key, purpose)
}

// NewUnderived makes the Sealer whose key is the master key itself. Only signing keys are sealed with it:
// the stores of all versions of Midas hold them in this form.
func NewUnderived(master MasterKey) (*Sealer, error) { return newSealer(master[:], "signing keys") }

func newSealer(key []byte, purpose string) (*Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the cipher for %s: %w", purpose, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher for %s: %w", purpose, err)
	}
	return &Sealer{aead: aead}, nil
}

// Seal encrypts plain. The result opens in the same context only. For a record of the store the context
// is its key, so that nobody can move the value to another record.
func (s *Sealer) Seal(context string, plain []byte) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(context))
}

// Open decrypts a value that Seal has encrypted in this context, or returns ErrSealed.
func (s *Sealer) Open(context string, sealed []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// SealText is Seal with a result that is safe in URLs, forms and cookies (base64url without padding).
func (s *Sealer) SealText(context string, plain []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.Seal(context, plain))
}

// OpenText decrypts a text that SealText has encrypted in this context, or returns ErrSealed. It accepts only
// the canonical encoding, because Go's decoder skips line breaks and ignores trailing bits.
func (s *Sealer) OpenText(context, sealed string) ([]byte, error) {
	if len(sealed) > maxText || strings.ContainsAny(sealed, "\r\n") {
		return nil, ErrSealed
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return nil, ErrSealed
	}
	return s.Open(context, data)
}
