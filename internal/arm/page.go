package arm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrPageToken says that a page token was not made by this server for this list.
var ErrPageToken = errors.New("the skip token is not valid for this request")

// PageBytes is how many bytes the entries of one page of a list have at most, by estimate; an entry that
// is larger alone is a page of its own. A client's page size bounds the number of entries besides.
const PageBytes = 1 << 20

// Pages seals the place at which the next page of a list begins. A token is opaque, cannot be
// forged, and opens only for the list that it was made for.
type Pages struct{ aead cipher.AEAD }

// NewPages makes the sealer from the server's master key, so that tokens outlive a restart and are
// good on every replica.
func NewPages(master [32]byte) (*Pages, error) {
	key, err := hkdf.Key(sha256.New, master[:], nil, "midas page tokens", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the page token key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the page token cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the page token cipher: %w", err)
	}
	return &Pages{aead: aead}, nil
}

// Seal hides the last key of a page. The list is named by whatever must not change between pages:
// its scope, its type, its filter.
func (p *Pages) Seal(list, last string) string {
	nonce := make([]byte, p.aead.NonceSize(), p.aead.NonceSize()+len(last)+p.aead.Overhead())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(p.aead.Seal(nonce, nonce, []byte(last), []byte(list)))
}

// Open gives the last key back, or ErrPageToken. An empty token is the first page.
func (p *Pages) Open(list, token string) (last string, err error) {
	if token == "" {
		return "", nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(sealed) < p.aead.NonceSize() {
		return "", ErrPageToken
	}
	n := p.aead.NonceSize()
	plain, err := p.aead.Open(nil, sealed[:n], sealed[n:], []byte(list))
	if err != nil {
		return "", ErrPageToken
	}
	return string(plain), nil
}
