package condition

import (
	"strings"

	"midas/internal/arm"
)

// Operand is one side of a comparison: an attribute, a value, or a set of values.
type Operand struct {
	// Of an attribute. The name has the spelling of the text; the key is its attributeKey.
	isAttribute bool
	source      Source
	name, key   string

	// Of values: one for each token. The values have the type of the operator, and are folded if it ignores case.
	set      bool // the values stand in braces
	tokens   []token
	values   []Value
	patterns []like // of Like, on the right
}

// Attribute returns the source and the name of the attribute; ok is false for values.
func (o *Operand) Attribute() (source Source, name string, ok bool) {
	return o.source, o.name, o.isAttribute
}

// Is reports whether the operand is an attribute of this name, from any source. Case is ignored as in comparisons.
func (o *Operand) Is(name string) bool { return o.isAttribute && o.key == attributeKey(name) }

// Values returns the values that stand in the condition; none for an attribute. Do not change them.
func (o *Operand) Values() []Value { return o.values }

// String returns the operand in the language.
func (o *Operand) String() string { return string(o.append(nil)) }

func (o *Operand) append(b []byte) []byte {
	if o.isAttribute {
		b = append(append(b, '@'), o.source.String()...)
		return append(append(append(b, '['), o.name...), ']')
	}
	switch {
	case o.set:
		return appendSet(b, o.tokens)
	case len(o.tokens) == 0:
		return b // Exists has no right side
	}
	return o.tokens[0].append(b)
}

// appendSet appends values in braces.
func appendSet(b []byte, tokens []token) []byte {
	b = append(b, '{')
	for i, t := range tokens {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = t.append(b)
	}
	return append(b, '}')
}

// append appends a value.
func (t token) append(b []byte) []byte {
	if t.kind != tokenText {
		return append(b, t.text...)
	}
	return append(append(append(b, '\''), t.text...), '\'')
}

// unescape returns the string of a quoted token. A backslash is part of the string unless a quotation mark or another
// backslash follows it.
func unescape(quoted string) string {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		if quoted[i] == '\\' && i+1 < len(quoted) && strings.IndexByte(`\'`, quoted[i+1]) >= 0 {
			i++
		}
		b.WriteByte(quoted[i])
	}
	return b.String()
}

// newAttribute makes the operand for an attribute's token.
func newAttribute(text string, t token) (Operand, *SyntaxError) {
	word, name, _ := strings.Cut(strings.TrimSuffix(t.text[1:], "]"), "[")
	source, known := parseSource(word)
	if !known {
		return Operand{}, faultAt(text, t.offset, "the source '@%s' is not known; the sources are @Request, @Resource, @Principal and @Environment", clip(word))
	}
	switch {
	case strings.TrimSpace(name) != name || name == "":
		return Operand{}, faultAt(text, t.offset, "the name of an attribute is empty or has white space around it")
	case strings.ContainsAny(name, "'[{}\n\r\t"):
		return Operand{}, faultAt(text, t.offset, "the name of the attribute '%s' has a character that no name has", clip(name))
	}
	return Operand{isAttribute: true, source: source, name: name, key: attributeKey(name)}, nil
}

// compile gives the values the type of an operator.
func (o *Operand) compile(text string, op *operator, right bool) *SyntaxError {
	for _, t := range o.tokens {
		v, ok := t.value(op.kind)
		if !ok {
			return faultAt(text, t.offset, "%s compares values of type %s, and %s is not one", op.name, op.kind, t)
		}
		if op.ignoreCase {
			v.text = arm.Fold(v.text)
		}
		o.values = append(o.values, v)
		if right && op.relation == relLike {
			o.patterns = append(o.patterns, compileLike(t.text, op.ignoreCase))
		}
	}
	return nil
}

// value reads a token as a value of a type. Strings stand in quotation marks, numbers do not. GUIDs, times and
// Booleans may stand in quotation marks.
func (t token) value(kind Kind) (Value, bool) {
	quoted := t.kind == tokenText
	switch kind {
	case KindText:
		return Text(unescape(t.text)), quoted
	case KindNumber:
		v, ok := parseNumber(t.text)
		return v, ok && !quoted
	case KindBool:
		return Bool(arm.SameName(t.text, "true")), arm.SameName(t.text, "true") || arm.SameName(t.text, "false")
	}
	return Text(t.text).as(kind)
}
