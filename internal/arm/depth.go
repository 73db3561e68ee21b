package arm

// MaxDepth is the maximum nesting of a JSON body. Fields that Midas does not interpret are stored and returned
// inside of other objects. Without a limit far below that of encoding/json, Midas could accept a body that
// no program can decode again.
const MaxDepth = 128

// TooDeep reports whether a JSON text is nested deeper than MaxDepth. It does not check that the text is
// JSON.
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
