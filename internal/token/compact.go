package token

import (
	"encoding/base64"
	"strings"
)

// strictBase64 refuses stray bits at the end of a text. It accepts line breaks.
var strictBase64 = base64.RawURLEncoding.Strict()

// compact are the decoded parts of a token in the compact form (RFC 7515, 7.1).
type compact struct{ header, payload, signature []byte }

// decodeCompact decodes a token. It reports false unless the encoding is canonical. Decoders accept line breaks and
// stray bits at the end of a part, so one valid token would otherwise have many encodings, each with an entry in
// caches.
func decodeCompact(raw string) (c compact, ok bool) {
	if strings.IndexByte(raw, '\n') >= 0 || strings.IndexByte(raw, '\r') >= 0 {
		return compact{}, false
	}
	rest, more := raw, true
	for _, to := range []*[]byte{&c.header, &c.payload, &c.signature} {
		var part string
		var err error
		if part, rest, more = strings.Cut(rest, "."); part == "" {
			return compact{}, false
		}
		if *to, err = strictBase64.DecodeString(part); err != nil {
			return compact{}, false
		}
	}
	return c, !more
}
