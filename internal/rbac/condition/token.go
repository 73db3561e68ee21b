package condition

// tokenKind is a kind of token.
type tokenKind byte

const (
	tokenEnd tokenKind = iota
	tokenOpen
	tokenClose
	tokenOpenSet
	tokenCloseSet
	tokenComma
	tokenAnd
	tokenOr
	tokenNot
	tokenWord      // an operator, a number, true, false, or a GUID
	tokenText      // a quoted string; the text is what stands between the quotation marks
	tokenAttribute // @Source[name]; the text is all of it
)

// token is a part of a condition's text.
type token struct {
	kind   tokenKind
	text   string
	offset int // in bytes
}

// String describes the token for an error message.
func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the condition"
	case tokenText:
		return "the string '" + clip(t.text) + "'"
	}
	return "'" + clip(t.text) + "'"
}

// clip shortens a text for an error message, to at most 64 bytes.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && s[end]&0xC0 == 0x80 { // do not cut a character
		end--
	}
	return s[:end] + "…"
}
