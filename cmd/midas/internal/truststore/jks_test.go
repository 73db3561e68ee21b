package truststore_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"testing"
	"time"

	"midas/cmd/midas/internal/truststore"
)

// jksReader reads a key store as Java does.
type jksReader struct {
	t    *testing.T
	rest []byte
}

func (r *jksReader) bytes(n uint64) []byte {
	r.t.Helper()
	if uint64(len(r.rest)) < n {
		r.t.Fatalf("%d bytes are left, want %d", len(r.rest), n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *jksReader) number(size uint64) (n uint64) {
	for _, b := range r.bytes(size) {
		n = n<<8 | uint64(b)
	}
	return n
}

func TestJKSHasTheCertificatesOfAPEMFile(t *testing.T) {
	want := [][]byte{{1, 2, 3}, bytes.Repeat([]byte{4}, 70000), {5}}
	text := []byte("# a comment\n")
	for _, der := range want {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{9}})...)
	}
	now := time.UnixMilli(1_800_000_000_123)
	file := truststore.JKS(text, now)
	r := &jksReader{t, file}
	if magic, version, count := r.number(4), r.number(4), r.number(4); magic != 0xfeedfeed || version != 2 || count != 3 {
		t.Fatalf("magic %x, version %d, %d entries", magic, version, count)
	}
	names := map[string]bool{}
	for i, der := range want {
		tag, name := r.number(4), string(r.bytes(r.number(2)))
		at, kind, got := r.number(8), string(r.bytes(r.number(2))), r.bytes(r.number(4))
		if tag != 2 || names[name] || at != uint64(now.UnixMilli()) || kind != "X.509" || !bytes.Equal(got, der) {
			t.Errorf("entry %d: tag %d, %s, %d, %s, %d bytes", i, tag, name, at, kind, len(got))
		}
		names[name] = true
	}
	signed := file[:len(file)-len(r.rest)]
	var key []byte
	for _, c := range truststore.JKSPassword {
		key = binary.BigEndian.AppendUint16(key, uint16(c))
	}
	if sum := sha1.Sum(append(append(key, "Mighty Aphrodite"...), signed...)); !bytes.Equal(sum[:], r.rest) {
		t.Errorf("the digest is %x, want %x", r.rest, sum)
	}
}
