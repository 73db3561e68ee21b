package grant

import (
	"crypto/rand"
	"slices"
	"strings"
	"unicode"
)

// User codes use characters that are not confused with each other and form no words. There are 22^9, about
// 10^12, user codes; a few of them are valid at a time, each for 15 minutes.
const (
	userCodeAlphabet = "CDFGHJKLMNPQRTVWXY3479"
	userCodeLength   = 9
)

// newUserCode returns a random user code.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	for len(code) < userCodeLength {
		var b [2 * userCodeLength]byte
		rand.Read(b[:]) //nolint:errcheck // it never fails
		for _, one := range b {
			// Bytes above the last whole multiple of n are skipped: they would make some characters likelier.
			if n := len(userCodeAlphabet); int(one) < 256/n*n && len(code) < userCodeLength {
				code = append(code, userCodeAlphabet[int(one)%n])
			}
		}
	}
	return string(code)
}

// UserCode returns the user code in a typed or pasted text, in its stored spelling: upper case, without
// spaces, hyphens, punctuation and invisible characters. The text may be the whole message of the device,
// because the alphabet has no vowels and so no word looks like a code. UserCode returns "" if the text has
// no code or more than one, so that one submission is one guess. The result need not be a code that exists.
func UserCode(typed string) string {
	var whole, groups []string
	run := ""
	for _, word := range append(strings.FieldsFunc(typed, unicode.IsSpace), "end") {
		part := codePart(word)
		switch {
		case len(part) == userCodeLength:
			whole = append(whole, part)
		case part == "" && hasLetter(word):
			if len(run) == userCodeLength {
				groups = append(groups, run)
			}
			run = ""
			continue
		}
		run += part // a code may be typed in groups
	}
	if len(whole) == 0 {
		whole = groups
	}
	if slices.Sort(whole); len(slices.Compact(whole)) != 1 {
		return ""
	}
	return whole[0]
}

// codePart returns the characters of a word as a part of a user code, or "" if the word has a letter or a
// digit that no user code has.
func codePart(word string) string {
	var part strings.Builder
	for _, r := range word {
		switch {
		case 'a' <= r && r <= 'z': // user codes are ASCII, so no other letter is folded
			r += 'A' - 'a'
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			continue
		}
		if r > unicode.MaxASCII || strings.IndexByte(userCodeAlphabet, byte(r)) < 0 {
			return ""
		}
		part.WriteRune(r)
	}
	return part.String()
}

// hasLetter reports whether a word has a letter or a digit.
func hasLetter(word string) bool {
	return strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}
