package arm

import (
	"strconv"
	"strings"
	"unicode"
)

// Clip shortens a text of the client to about 256 bytes for an error message, so that an answer is not much longer than
// its request. It does not cut a character.
func Clip(text string) string {
	const most = 256
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// Printable writes characters as escapes that a terminal could obey or that cannot be seen, such as those that change the
// direction of text. The handlers of package slog do not escape all of them.
func Printable(text string) string {
	special := func(r rune) bool { return (r < ' ' || r > '~') && !unicode.IsPrint(r) }
	if !strings.ContainsFunc(text, special) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if special(r) {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
