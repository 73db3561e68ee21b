package arm

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// forbidden are the ASCII characters that names must not contain.
	forbidden = func() (set [utf8.RuneSelf]bool) {
		for c := range ' ' {
			set[c] = true
		}
		for _, c := range "<>%&:\\?/#\x7f" {
			set[c] = true
		}
		return set
	}()
	// wordChars are the ASCII characters that words may contain.
	wordChars = func() (set [utf8.RuneSelf]bool) {
		for c := range rune(utf8.RuneSelf) {
			set[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
		}
		return set
	}()
)

// CheckWord returns an error if a text cannot be a word of paths, types and actions: a provider's namespace, one
// part of a type, or a verb. A word consists of ASCII letters, digits, '.', '_' and '-', and begins with a
// letter or a digit.
func CheckWord(word string) error {
	if word == "" {
		return errors.New("is empty")
	}
	if strings.IndexByte("._-", word[0]) >= 0 {
		return fmt.Errorf("begins with %q, and not with a letter or a digit", word[0])
	}
	for i := range len(word) {
		if c := word[i]; c >= utf8.RuneSelf || !wordChars[c] {
			return errors.New("is neither a type nor a verb: these have only ASCII letters, digits, '.', '_' and '-'")
		}
	}
	return nil
}

// CheckName returns an error if a name cannot be part of any id. Outside of ASCII, a name may contain only
// characters that Unicode has assigned as letters, marks, numbers, punctuation or symbols, because a later
// version of Unicode may change the folding of other characters. It must not contain invisible characters:
// control and format characters, spaces of other widths, fillers and variation selectors.
func CheckName(name string) error {
	if plain(name) {
		return nil
	}
	switch {
	case name == "":
		return errors.New("is empty")
	case name == "." || name == "..":
		return errors.New("is a dot segment")
	case strings.TrimSpace(name) != name:
		return errors.New("begins or ends with a space")
	case !utf8.ValidString(name):
		return errors.New("is not UTF-8")
	case len(name) > maxName && utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("is longer than %d characters", maxName)
	}
	for _, c := range name {
		if c < utf8.RuneSelf && forbidden[c] || c >= utf8.RuneSelf && !visible(c) {
			return fmt.Errorf("contains the character %q", c)
		}
	}
	return nil
}

// plain reports whether a name is ASCII without special characters. It is the fast path of CheckName for nearly
// all names.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || c == ' ' || forbidden[c] {
			return false
		}
	}
	return name != "" && name[0] != '.' && len(name) <= maxName
}

// visible reports whether a character outside of ASCII may be part of a name. U+FFFD may not,
// because it replaces any bytes that could not be decoded.
func visible(c rune) bool {
	return unicode.IsPrint(c) && c != utf8.RuneError &&
		!unicode.In(c, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
