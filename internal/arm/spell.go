package arm

import "strings"

// Spell returns the id with the words of ARM in their usual spelling and its type spelled as typ. The names keep
// the caller's spelling.
func (id ID) Spell(typ Type) string {
	if id.IsRoot() {
		return "/"
	}
	words := strings.Split(string(typ), "/")
	chain := len(words) - 1 // the number of levels at the end that typ spells
	if !typ.Is(id.Type()) {
		chain = 0
	}
	var b strings.Builder
	for i, l := range id.levels {
		switch l.kind {
		case kindSubscription:
			b.WriteString("/subscriptions/")
		case kindGroup:
			b.WriteString("/resourceGroups/")
		case kindResource:
			of := l.typ
			if nth := i - (len(id.levels) - chain); nth >= 0 {
				of = Type(strings.Join(words[:nth+2], "/"))
			}
			b.WriteString(of.segments())
		default:
			return id.raw
		}
		b.WriteString(l.name)
	}
	return b.String()
}

// segments returns the segments before a name of this type in an id.
func (t Type) segments() string {
	if strings.Count(string(t), "/") == 1 {
		return "/providers/" + string(t) + "/"
	}
	return string(t[strings.LastIndexByte(string(t), '/'):]) + "/"
}
