// Package seal encrypts what lies outside of the process and must be readable to the server only. Each
// Sealer has a key of its own, derived from the master key for one purpose (HKDF, RFC 5869), so that
// what was sealed for one purpose opens for no other.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// ErrSealed says that something was not sealed by this Sealer, or not for this context.
var ErrSealed = errors.New("not sealed here")

// Sealer encrypts and authenticates with AES-256-GCM and random nonces. It is safe for concurrent use.
type Sealer struct{ aead cipher.AEAD }

// New derives the key of a purpose from the master key. The same master key and purpose open what was
// sealed before a restart, or by another replica.
func New(master [32]byte, purpose string) (*Sealer, error) {
	key, err := hkdf.Key(sha256.New, master[:], nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
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

// Seal encrypts plain. It opens in the same context only: the key of the record that it is kept in, so
// that it cannot be moved to another one.
func (s *Sealer) Seal(context string, plain []byte) []byte {
	return s.aead.Seal(nil, nil, plain, []byte(context))
}

// Open gives what Seal has encrypted in this context, or ErrSealed.
func (s *Sealer) Open(context string, sealed []byte) ([]byte, error) {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}
