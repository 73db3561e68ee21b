package arm

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// parser walks over the segments of a path, collecting the levels of an id. What it cannot make
// into a whole level stays behind: namespace (a provider without a type) and rest (a type, or an
// action, without a name).
type parser struct {
	segments  []string
	next      int
	spelled   string // the segments, joined
	folded    string // spelled, folded
	aligned   bool   // what stands at a place in spelled stands there in folded, too
	end       int    // how much of spelled the levels take
	levels    []level
	namespace string
	rest      string
}

// parse reads a path. With unescape, its segments are percent-decoded after cutting, so that an
// encoded slash cannot move a border.
func parse(path string, unescape bool) (p parser, err error) {
	if p.segments, p.spelled, err = split(path, unescape); err != nil {
		return parser{}, err
	}
	p.folded, p.aligned = Fold(p.spelled), isASCII(p.spelled)
	p.levels = make([]level, 0, 4)
	for p.next < len(p.segments) && p.rest == "" && p.namespace == "" {
		if strings.EqualFold(p.segments[p.next], "providers") {
			p.provider()
		} else {
			p.core()
		}
	}
	return p, nil
}

// split cuts a path into its segments and checks each. It also gives the path that the segments
// spell, without a trailing slash.
func split(path string, unescape bool) (segments []string, spelled string, err error) {
	switch {
	case len(path) > MaxID:
		return nil, "", fmt.Errorf("is longer than %d bytes", MaxID)
	case path == "" || path[0] != '/':
		return nil, "", errors.New("does not start with a slash")
	}
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return nil, "", nil
	}
	segments = strings.Split(path[1:], "/")
	if len(segments) > maxSegments {
		return nil, "", fmt.Errorf("has more than %d segments", maxSegments)
	}
	if unescape && strings.IndexByte(path, '%') >= 0 {
		for i, s := range segments {
			if segments[i], err = url.PathUnescape(s); err != nil {
				return nil, "", fmt.Errorf("segment %q is badly escaped", s)
			}
		}
		path = "/" + strings.Join(segments, "/")
	}
	for _, s := range segments {
		if err := CheckName(s); err != nil {
			return nil, "", fmt.Errorf("segment %q %w", s, err)
		}
	}
	return segments, path, nil
}

// core reads one "word/name" pair that belongs to ARM itself.
func (p *parser) core() {
	word := p.segments[p.next]
	if p.next+1 == len(p.segments) {
		p.rest = word
		return
	}
	name := p.segments[p.next+1]
	switch depth := len(p.levels); {
	case depth == 0 && strings.EqualFold(word, "subscriptions"):
		p.add(level{name: name, typ: TypeSubscription, typeKey: keySubscription, kind: kindSubscription}, 2)
	case depth == 1 && p.levels[0].kind == kindSubscription && strings.EqualFold(word, "resourceGroups"):
		p.add(level{name: name, typ: TypeResourceGroup, typeKey: keyResourceGroup, kind: kindGroup}, 2)
	default:
		typ := coreType(p.levels, word)
		p.add(level{name: name, typ: typ, typeKey: typ.Key(), kind: kindCore}, 2)
	}
}

// provider reads "providers/{namespace}" and the type/name pairs below it, up to the end or to the
// next "providers", which begins an extension of the resource read so far.
func (p *parser) provider() {
	if p.next+1 == len(p.segments) {
		p.rest = p.segments[p.next]
		return
	}
	p.namespace = p.segments[p.next+1]
	at := level{kind: kindResource}
	taken := 2
	for p.next+taken < len(p.segments) {
		word := p.segments[p.next+taken]
		if strings.EqualFold(word, "providers") && (taken == 0 || at.typ == "") {
			if at.typ == "" { // no type at all: what follows extends the provider itself
				p.addProvider()
			}
			return
		}
		if p.next+taken+1 == len(p.segments) {
			p.rest = word
			return
		}
		at.name = p.segments[p.next+taken+1]
		if at.typ == "" { // namespace and first type stand side by side in the path: no need to join them
			begin := p.end + len("/providers/")
			at.typ, at.typeKey = p.typeBetween(begin, begin+len(p.namespace)+1+len(word))
		} else {
			at.typ += Type("/" + word)
			at.typeKey = at.typ.Key()
		}
		p.add(at, taken+2)
		p.namespace, taken = "", 0
	}
}

// addProvider makes a level of the namespace that was read.
func (p *parser) addProvider() {
	p.add(level{name: p.namespace, typ: TypeProvider, typeKey: keyProvider, kind: kindProvider}, 2)
	p.namespace = ""
}

// typeBetween is a part of the path as a type, spelled and folded.
func (p *parser) typeBetween(begin, end int) (Type, string) {
	typ := Type(p.spelled[begin:end])
	if !p.aligned {
		return typ, typ.Key()
	}
	return typ, p.folded[begin:end]
}

// add appends a level that takes the next n segments.
func (p *parser) add(l level, n int) {
	for _, s := range p.segments[p.next : p.next+n] {
		p.end += 1 + len(s)
	}
	p.next += n
	l.rawEnd = p.end
	p.levels = append(p.levels, l)
}

// id closes the parsed levels into an id.
func (p *parser) id() ID {
	if len(p.levels) == 0 {
		return ID{}
	}
	raw := p.spelled[:p.end]
	for i := range p.levels {
		p.levels[i].keyEnd = p.levels[i].rawEnd
		if !p.aligned { // folding changes the length of some characters
			p.levels[i].keyEnd = len(Fold(raw[:p.levels[i].rawEnd]))
		}
	}
	return ID{raw: raw, key: p.folded[:p.levels[len(p.levels)-1].keyEnd], levels: p.levels}
}

// coreType names what ARM serves below its own scopes, as its RBAC actions do:
// Microsoft.Resources/subscriptions/locations, …/subscriptions/resourceGroups/resources.
func coreType(levels []level, word string) Type {
	typ := Type("Microsoft.Resources/")
	for _, l := range levels {
		switch l.kind {
		case kindSubscription:
			typ += "subscriptions/"
		case kindGroup:
			typ += "resourceGroups/"
		}
	}
	return typ + Type(word)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
