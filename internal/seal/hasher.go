package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// Hasher makes hashes that nobody can guess or compute without the master key (HMAC with SHA-256). It is
// for values that are only compared, such as addresses, and would be found from a plain hash by trying
// all of them. It is safe for concurrent use.
type Hasher struct{ key []byte }

// NewHasher derives the key of a purpose from the master key.
func NewHasher(master MasterKey, purpose string) (*Hasher, error) {
	key, err := hkdf.Key(sha256.New, master[:], nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return &Hasher{key: key}, nil
}

// Sum gives the hash of a list of texts. The length of each text is hashed too, so that no two lists
// have the same hash.
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
