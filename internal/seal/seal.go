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
	"sync/atomic"
)

// ErrSealed means that a value was not sealed by this Sealer, or was sealed in another context.
var ErrSealed = errors.New("seal: the value was not sealed with this key and context")

// maxText is the longest sealed text that OpenText decodes, in bytes.
const maxText = 16 << 10

// Sealer encrypts and authenticates with AES-256-GCM and random nonces. It is safe for concurrent use.
type Sealer struct {
	keys   *Keyring
	derive func(MasterKey) (cipher.AEAD, error)
	last   atomic.Pointer[ciphers]
}

// ciphers are the derived keys of one content of a Keyring.
type ciphers struct {
	of  *[]MasterKey
	all []cipher.AEAD
}

// New derives the keys of a purpose from a master key or a keyring. The same keys and purpose give the same
// derived keys after a restart and at another replica.
func New(from Source, purpose string) (*Sealer, error) {
	return newSealer(from, func(key MasterKey) (cipher.AEAD, error) {
		derived, err := hkdf.Key(sha256.New, key[:], nil, purpose, 32)
		if err != nil {
			return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
		}
		return newCipher(derived, purpose)
	})
}

// NewUnderived makes the Sealer whose key is the master key itself. Only signing keys are sealed with it:
// the stores of all versions of Midas hold them in this form.
func NewUnderived(from Source) (*Sealer, error) {
	return newSealer(from, func(key MasterKey) (cipher.AEAD, error) { return newCipher(key[:], "signing keys") })
}

func newSealer(from Source, derive func(MasterKey) (cipher.AEAD, error)) (*Sealer, error) {
	s := &Sealer{keys: from.ring(), derive: derive}
	_, err := s.ciphers()
	return s, err
}

// ciphers returns the derived keys of the current content of the keyring.
func (s *Sealer) ciphers() ([]cipher.AEAD, error) {
	keys := s.keys.keys.Load()
	if last := s.last.Load(); last != nil && last.of == keys {
		return last.all, nil
	}
	made := &ciphers{of: keys}
	for _, key := range *keys {
		aead, err := s.derive(key)
		if err != nil {
			return nil, err
		}
		made.all = append(made.all, aead)
	}
	s.last.Store(made)
	return made.all, nil
}

func newCipher(key []byte, purpose string) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the cipher for %s: %w", purpose, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher for %s: %w", purpose, err)
	}
	return aead, nil
}

// Seal encrypts plain. The result opens in the same context only. For a record of the store the context
// is its key, so that nobody can move the value to another record.
func (s *Sealer) Seal(context string, plain []byte) []byte {
	all, err := s.ciphers()
	if err != nil {
		panic(err) // the same derivation from keys of the same length has succeeded in New
	}
	return all[0].Seal(nil, nil, plain, []byte(context))
}

// Open decrypts a value that Seal has encrypted in this context, or returns ErrSealed.
func (s *Sealer) Open(context string, sealed []byte) ([]byte, error) {
	all, err := s.ciphers()
	if err != nil {
		return nil, err
	}
	for _, aead := range all {
		if plain, err := aead.Open(nil, nil, sealed, []byte(context)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}

// Reseal returns the value sealed with the key with which this Sealer seals now, or nil if it is already sealed with
// it. It returns ErrSealed if none of the keys opens the value.
func (s *Sealer) Reseal(context string, sealed []byte) (fresh []byte, err error) {
	all, err := s.ciphers()
	if err != nil {
		return nil, err
	}
	if _, err := all[0].Open(nil, nil, sealed, []byte(context)); err == nil {
		return nil, nil
	}
	plain, err := s.Open(context, sealed)
	if err != nil {
		return nil, err
	}
	return s.Seal(context, plain), nil
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
