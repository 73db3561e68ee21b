//go:build cluster

package postgres

import "testing"

// Keys are bytes: a prefix that ends in the middle of a character, or in the highest byte, has its own end.
func TestPrefixesEndAtTheNextBytes(t *testing.T) {
	for prefix, end := range map[string]string{
		"a":            "b",
		"a\xc3":        "a\xc4",
		"a\xfe":        "a\xff",
		"a\xff":        "b",
		"a\xc3\xff":    "a\xc4",
		"a\xff\xff":    "b",
		"\xff":         "",
		"r/x/\x00":     "r/x/\x01",
		"d/\xc3\xa9":   "d/\xc3\xaa",
		"d/\xff\xfe/a": "d/\xff\xfe/b",
	} {
		if got := prefixed(prefix); got != (interval{prefix, end}) {
			t.Errorf("prefixed(%q) = %q, want its end at %q", prefix, got, end)
		}
	}
}
