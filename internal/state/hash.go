package state

import (
	"encoding/binary"
	"math/bits"
)

// uniqueString returns the 13 characters of the template function of that name: a hash of the text in base 32.
func uniqueString(text string) string {
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	hash, out := hash64([]byte(text)), make([]byte, 13)
	for i := range out {
		out[i] = digits[hash>>59]
		hash <<= 5
	}
	return string(out)
}

// hash64 is the variant of MurmurHash with two halves of 32 bits that Resource Manager uses.
func hash64(data []byte) uint64 {
	const c1, c2 = 0x239b961b, 0xab0e9789
	var h1, h2 uint32
	rest := data
	for ; len(rest) >= 8; rest = rest[8:] {
		k1, k2 := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
		h1 ^= bits.RotateLeft32(k1*c1, 15) * c2
		h1 = (bits.RotateLeft32(h1, 19)+h2)*5 + 0x561ccd1b
		h2 ^= bits.RotateLeft32(k2*c2, 17) * c1
		h2 = (bits.RotateLeft32(h2, 13)+h1)*5 + 0x0bcaa747
	}
	var tail [8]byte
	copy(tail[:], rest)
	h1 ^= bits.RotateLeft32(binary.LittleEndian.Uint32(tail[:])*c1, 15) * c2
	h2 ^= bits.RotateLeft32(binary.LittleEndian.Uint32(tail[4:])*c2, 17) * c1
	length := uint32(len(data)) //nolint:gosec // templates are small
	h1, h2 = h1^length, h2^length
	h1 += h2
	h2 += h1
	h1, h2 = mix(h1), mix(h2)
	h1 += h2
	h2 += h1
	return uint64(h2)<<32 | uint64(h1)
}

func mix(h uint32) uint32 {
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}
