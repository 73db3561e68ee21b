package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// Hasher computes hashes that nobody can compute without the master key (HMAC with SHA-256). It is for values
// that are only compared and of which there are few, such as addresses: from a plain hash they could be found
// by trying all of them. It is safe for concurrent use.
type Hasher struct{ key []byte }

// NewHasher derives the key of a purpose from a master key, or from the key with which a keyring seals now.
func NewHasher(from Source, purpose string) (*Hasher, error) {
	master := from.ring().Keys()[0]
	key, err := hkdf.Key(sha256.New, master[:], nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return &Hasher{key: key}, nil
}

// Sum returns the hash of a list of texts. The length of each text is hashed too, so that different lists
// have different hashes.
func (h *Hasher) Sum(texts ...string) []byte {
	mac := hmac.New(sha256.New, h.key)
	for _, text := range texts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		_, _ = mac.Write(length[:]) // a hash never returns an error
		_, _ = io.WriteString(mac, text)
	}
	return mac.Sum(nil)
}
