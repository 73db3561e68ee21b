package arm

import "strings"

// Clip shortens a text of the client to about 256 bytes for an error message, so that an answer is not much longer than
// its request. It does not cut a character.
func Clip(text string) string {
	const most = 256
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
