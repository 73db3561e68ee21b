package arm

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// split cuts a path into its segments and checks each. With unescape, the segments are
// percent-decoded after cutting, so that an encoded slash cannot move a border. It also gives the
// path that the segments spell, without a trailing slash.
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

// parser walks over the segments of a path, collecting the levels of an id. What it cannot make
// into a whole level stays behind: namespace (a provider without a type) and rest (a type, or an
// action, without a name).
type parser struct {
	segments  []string
	next      int
	spelled   string // the segments, joined
	end       int    // how much of spelled the levels take
	levels    []level
	namespace string
	rest      string
}

func parse(path string, unescape bool) (p parser, err error) {
	if p.segments, p.spelled, err = split(path, unescape); err != nil {
		return parser{}, err
	}
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
		p.add(kindSubscription, TypeSubscription, 2, name)
	case depth == 1 && p.levels[0].kind == kindSubscription && strings.EqualFold(word, "resourceGroups"):
		p.add(kindGroup, TypeResourceGroup, 2, name)
	default:
		p.add(kindCore, coreType(p.levels, word), 2, name)
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
	var typ Type
	taken := 2
	for p.next+taken < len(p.segments) {
		word := p.segments[p.next+taken]
		if taken == 0 && strings.EqualFold(word, "providers") {
			return
		}
		if p.next+taken+1 == len(p.segments) {
			p.rest = word
			return
		}
		if typ == "" { // namespace and first type stand side by side in the path: no need to join them
			begin := p.end + len("/providers/")
			typ = Type(p.spelled[begin : begin+len(p.namespace)+1+len(word)])
		} else {
			typ += Type("/" + word)
		}
		p.add(kindResource, typ, taken+2, p.segments[p.next+taken+1])
		p.namespace, taken = "", 0
	}
}

// add appends a level that takes the next n segments and carries a name.
func (p *parser) add(k kind, typ Type, n int, name string) {
	for _, s := range p.segments[p.next : p.next+n] {
		p.end += 1 + len(s)
	}
	p.next += n
	p.levels = append(p.levels, level{rawEnd: p.end, name: name, typ: typ, kind: k})
}

// id closes the parsed levels into an id.
func (p *parser) id() ID {
	if len(p.levels) == 0 {
		return ID{}
	}
	raw := p.spelled[:p.end]
	key := Fold(raw)
	for i := range p.levels {
		p.levels[i].keyEnd = p.levels[i].rawEnd
		if len(key) != len(raw) { // folding changed the length of some character
			p.levels[i].keyEnd = len(Fold(raw[:p.levels[i].rawEnd]))
		}
	}
	return ID{raw: raw, key: key, levels: p.levels}
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
