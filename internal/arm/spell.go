package arm

import "strings"

// Spell is the id with ARM's own words in their usual spelling, whatever the caller's, and those of
// its type as typ has them. The names are the caller's.
func (id ID) Spell(typ Type) string {
	if id.IsRoot() {
		return "/"
	}
	words := strings.Split(string(typ), "/")
	chain := len(words) - 1 // how many levels, at the end, the type names
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

// segments is what stands before a name of this type in an id.
func (t Type) segments() string {
	if strings.Count(string(t), "/") == 1 {
		return "/providers/" + string(t) + "/"
	}
	return string(t[strings.LastIndexByte(string(t), '/'):]) + "/"
}
