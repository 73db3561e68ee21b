package truststore

import (
	"bytes"
	"crypto/sha1" // the format requires it
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"time"
	"unicode/utf16"
)

// The constants of a JKS file, the format of key stores that every version of Java reads.
const (
	jksMagic       = 0xfeedfeed
	jksVersion     = 2
	jksCertificate = 2 // the tag of an entry with a trusted certificate
	jksSalt        = "Mighty Aphrodite"

	// JKSPassword is the password of the files that JKS makes: that of Java's own trust store. It protects
	// nothing, because certificates are public.
	JKSPassword = "changeit"
)

// JKS returns a Java key store with the certificates of a PEM file as trusted authorities. Java cannot read PEM.
func JKS(certificates []byte, now time.Time) []byte {
	var entries bytes.Buffer
	count := uint32(0)
	for block, rest := pem.Decode(certificates); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		count++
		entries.Write(binary.BigEndian.AppendUint32(nil, jksCertificate))
		writeJKSText(&entries, fmt.Sprintf("ca%d", count))
		entries.Write(binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli())))
		writeJKSText(&entries, "X.509")
		entries.Write(binary.BigEndian.AppendUint32(nil, uint32(len(block.Bytes))))
		entries.Write(block.Bytes)
	}
	store := binary.BigEndian.AppendUint32(nil, jksMagic)
	store = binary.BigEndian.AppendUint32(store, jksVersion)
	store = binary.BigEndian.AppendUint32(store, count)
	store = append(store, entries.Bytes()...)
	sum := sha1.New()
	for _, unit := range utf16.Encode([]rune(JKSPassword)) {
		sum.Write(binary.BigEndian.AppendUint16(nil, unit))
	}
	sum.Write([]byte(jksSalt))
	sum.Write(store)
	return sum.Sum(store)
}

// writeJKSText writes an ASCII text with its length.
func writeJKSText(to *bytes.Buffer, text string) {
	to.Write(binary.BigEndian.AppendUint16(nil, uint16(len(text))))
	to.WriteString(text)
}
