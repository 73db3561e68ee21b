package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

// A client that may get tokens can get any number of them, and long ones.
func TestCacheHasABoundOfTokensAndOfBytes(t *testing.T) {
	for _, payload := range []int{700, maxToken} {
		c := &cache{}
		for n := range uint64(4 * cacheSize) {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
			a := &accepted{claims: &Claims{payload: make([]byte, payload)}}
			c.put(sum, a)
			c.put(sum, a)
			if found, ok := c.get(sum); !ok || found != a {
				t.Fatal("a token that was just used is not known")
			}
		}
		tokens, bytes := len(c.young)+len(c.old), 0
		for _, generation := range []map[[sha256.Size]byte]*accepted{c.young, c.old} {
			for _, a := range generation {
				bytes += a.bytes()
			}
		}
		if tokens > cacheSize || bytes > cacheBytes || tokens < 300 {
			t.Errorf("payloads of %d bytes: %d tokens with %d bytes", payload, tokens, bytes)
		}
	}
}
