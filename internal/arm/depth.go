package arm

// MaxDepth is how deep a JSON body may be nested. What is kept as it is given is stored, and answered,
// within other objects: without a limit far below that of encoding/json, a body could be taken that
// nobody can read again.
const MaxDepth = 128

// TooDeep tells whether a JSON text is nested deeper than MaxDepth. Whether it is one is for the
// decoder to say.
func TooDeep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
