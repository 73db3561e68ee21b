package federation

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"midas/internal/arm"
)

// Difference is the kind of difference between a value of a token and what is expected.
type Difference string

// The differences between two texts.
const (
	Missing   Difference = "Missing"   // the token has no value
	Spaces    Difference = "Spaces"    // at the beginning or the end
	Quotes    Difference = "Quotes"    // around one of them
	Invisible Difference = "Invisible" // characters that cannot be seen
	LookAlike Difference = "LookAlike" // characters that look alike, or the same ones in another Unicode form
	Case      Difference = "Case"      // upper and lower case only
	Escaped   Difference = "Escaped"   // one of them is percent-encoded
	Other     Difference = "Other"     // another value
)

// differ returns how a token's value differs from the one of a credential, and says it in sentences. The difference is
// empty if they are equal.
func differ(presented, configured string) (Difference, string) {
	switch {
	case presented == configured:
		return "", ""
	case presented == "":
		return Missing, "The token has none."
	case configured == "":
		return Other, "The credential has none."
	case strings.TrimSpace(presented) == strings.TrimSpace(configured):
		return Spaces, sides(presented, configured, spaced, "a space or a line break at its beginning or end")
	case unquoted(presented) == unquoted(configured):
		return Quotes, sides(presented, configured, func(s string) bool { return unquoted(s) != s }, "quotation marks around its value")
	case visible(presented) == visible(configured):
		return Invisible, "They differ only in characters that cannot be seen. " + strange(presented, configured)
	case arm.SameName(presented, configured):
		return Case, "It differs only in case, and the comparison is case-sensitive."
	case skeleton(presented) == skeleton(configured):
		return LookAlike, "They look alike and have different characters. " + strange(presented, configured)
	case arm.SameName(skeleton(presented), skeleton(configured)):
		return LookAlike, "They differ in case and in characters that look alike. " + strange(presented, configured)
	case unescaped(presented) == unescaped(configured):
		return Escaped, "One of them is percent-encoded."
	}
	return Other, ""
}

// alike reports whether two values differ so little that one of them is probably a mistake.
func (d Difference) alike() bool { return d != "" && d != Missing && d != Other }

// sides says which of two values has something.
func sides(presented, configured string, has func(string) bool, what string) string {
	switch p, c := has(presented), has(configured); {
	case p && c:
		return "Both have " + what + "."
	case p:
		return "The token has " + what + "."
	}
	return "The credential has " + what + "."
}

func spaced(s string) bool { return strings.TrimSpace(s) != s }

func unquoted(s string) string {
	for _, q := range []string{`"`, "'", "`"} {
		if len(s) > 2 && strings.HasPrefix(s, q) && strings.HasSuffix(s, q) {
			return s[1 : len(s)-1]
		}
	}
	return s
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// visible removes the characters that cannot be seen, and makes all spaces the same.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case hidden(r):
			return -1
		}
		return r
	}, s)
}

// hidden reports whether nothing is seen of a character.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// skeleton replaces characters by those which they look like. Unicode's compatibility composition does so for the
// full-width forms and for the forms with accents, and the table for the letters of other scripts.
func skeleton(s string) string { return strings.Map(lookAlike, norm.NFKC.String(visible(s))) }

// strange names the characters outside of ASCII, and those that cannot be seen, at the first place where two texts
// differ.
func strange(presented, configured string) string {
	at := common(presented, configured)
	var parts []string
	for _, side := range []struct{ name, text string }{{"the token", presented}, {"the credential", configured}} {
		r, _ := utf8.DecodeRuneInString(side.text[at:])
		if side.text[at:] != "" {
			parts = append(parts, fmt.Sprintf("%s has %s", side.name, character(r)))
		} else {
			parts = append(parts, side.name+" ends")
		}
	}
	return fmt.Sprintf("At character %d, %s.", utf8.RuneCountInString(presented[:at])+1, strings.Join(parts, " and "))
}

// character names a character by its code point, and by its script or kind.
func character(r rune) string {
	if ' ' < r && r <= '~' {
		return strconv.QuoteRune(r)
	}
	name := fmt.Sprintf("U+%04X", r)
	switch {
	case r == ' ':
		return "a space"
	case unicode.IsSpace(r):
		return name + " (a space)"
	case hidden(r):
		return name + " (it cannot be seen)"
	case unicode.Is(unicode.Mn, r):
		return name + " (a combining mark)"
	}
	for script, ranges := range unicode.Scripts {
		if script != "Common" && script != "Latin" && unicode.Is(ranges, r) {
			return name + " (of the script " + script + ")"
		}
	}
	return name
}

// common returns how many bytes two texts have in common at their beginnings. It does not cut a character.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	for n > 0 && (n < len(a) && !utf8.RuneStart(a[n]) || n < len(b) && !utf8.RuneStart(b[n])) {
		n--
	}
	return n
}

// maxShown is how many bytes of a value an explanation has: more than a credential can have.
const maxShown = 2048

// shown quotes a value. Characters outside of ASCII, and those that cannot be seen, are written as escapes, so that
// values that differ look different.
func shown(s string) string { return strconv.QuoteToASCII(clip(s)) }

// clip shortens a value to maxShown. It does not cut a character.
func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	end := maxShown
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
