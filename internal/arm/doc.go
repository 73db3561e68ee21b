// Package arm is the language of Azure Resource Manager: resource ids, types and scopes, request
// paths, api-versions, page tokens, regions and the error body. It is pure: it knows no store, no
// caller and no HTTP server.
//
// ARM ids compare without regard to case, yet the caller's spelling must come back in answers. So
// an ID carries both: String is the spelling, Key the folded form under which everything is stored
// and compared. Fold is the only place in Midas where case is folded.
package arm

import "strings"

// Fold gives the form of a name under which ARM compares it.
func Fold(s string) string {
	var room [256]byte // strings.ToLower builds its answer byte by byte
	if len(s) > len(room) || !isASCII(s) {
		return strings.ToLower(s)
	}
	folded, changed := append(room[:0], s...), false
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			folded[i], changed = c+'a'-'A', true
		}
	}
	if !changed {
		return s
	}
	return string(folded)
}

// SameName reports whether ARM takes two names for the same.
func SameName(a, b string) bool { return a == b || Fold(a) == Fold(b) }
