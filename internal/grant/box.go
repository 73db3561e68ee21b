package grant

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrSealed says that something was not sealed here, or for another purpose.
var ErrSealed = errors.New("grant: not sealed here")

// maxSealed is the longest sealed text that is looked at, in bytes.
const maxSealed = 16 << 10

// Box seals what clients and browsers keep for the server, so that they can neither read nor change
// it. It is safe for concurrent use.
type Box struct {
	aead cipher.AEAD
	mac  []byte // the key of digest
}

// NewBox makes the box from the server's master key, so that what it has sealed outlives a restart
// and is good at every replica.
func NewBox(master [32]byte) (*Box, error) {
	key, err := hkdf.Key(sha256.New, master[:], nil, "midas sign-in", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key for sealing: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive the key for sealing: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("derive the key for sealing: %w", err)
	}
	mac, err := hkdf.Key(sha256.New, master[:], nil, "midas sign-in digest", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key for digests: %w", err)
	}
	return &Box{aead: aead, mac: mac}, nil
}

// digest is a hash of texts that nobody can guess or make without the master key (HMAC with SHA-256).
func (b *Box) digest(purpose string, texts ...string) []byte {
	h := hmac.New(sha256.New, b.mac)
	for _, text := range append([]string{purpose}, texts...) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		_, _ = h.Write(length[:]) // hashes never fail
		_, _ = io.WriteString(h, text)
	}
	return h.Sum(nil)
}

// Seal gives v as text that is safe in URLs, forms and cookies. It opens for the same purpose only.
func (b *Box) Seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal a %s: %w", purpose, err)
	}
	return base64.RawURLEncoding.EncodeToString(b.aead.Seal(nil, nil, plain, []byte(purpose))), nil
}

// Open reads into v what Seal has made, or gives ErrSealed.
func (b *Box) Open(purpose, sealed string, v any) error {
	if len(sealed) > maxSealed || strings.ContainsAny(sealed, "\r\n") { // which the decoder would skip
		return ErrSealed
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return ErrSealed
	}
	plain, err := b.aead.Open(nil, nil, data, []byte(purpose))
	if err != nil {
		return ErrSealed
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("open a %s: %w", purpose, err)
	}
	return nil
}
