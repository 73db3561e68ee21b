package trace

import "strings"

// Attr is an attribute of a span. Its key is one of OpenTelemetry's semantic conventions, or begins with "midas.".
type Attr struct {
	key    string
	text   string
	number int64
	isText bool
}

// String returns an attribute with a text, of which a span keeps the first 512 bytes.
func String(key, value string) Attr { return Attr{key: key, text: value, isText: true} }

// Int returns an attribute with a number.
func Int(key string, value int) Attr { return Attr{key: key, number: int64(value)} }

const (
	maxText  = 512 // bytes of the text of an attribute
	maxAttrs = 24  // attributes of a span
)

// clip bounds a text, and makes it valid UTF-8 as protobuf requires.
func clip(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
