package arm

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// parser reads the segments of a path and collects the levels of an id. Segments that do not form a whole level
// remain in namespace (a provider without a type) and rest (a type or an action without a name). All
// decisions depend on the folded segments only.
type parser struct {
	spelled, folded string // the path; folding neither adds nor removes slashes
	at              offset // the end of the segments that were read
	segments        int
	levels          []level
	namespace       segment
	namespaceEnd    offset
	rest            segment
}

// segment is one part of a path, as spelled and folded.
type segment struct{ name, key string }

// offset is a position in a path, as spelled and folded.
type offset struct{ raw, key int }

// parse parses a path. With unescape, it percent-decodes the segments after splitting the path, so that an
// encoded slash does not separate segments.
func parse(path string, unescape bool) (p parser, err error) {
	if p.spelled, err = clean(path, unescape); err != nil {
		return parser{}, err
	}
	if p.folded = Fold(p.spelled); len(p.folded) > MaxID {
		return parser{}, fmt.Errorf("is longer than %d bytes when its case is folded", MaxID)
	}
	p.levels = make([]level, 0, 4)
	for !p.ended() {
		if p.peek().key == "providers" {
			err = p.provider()
		} else {
			err = p.core()
		}
		if err != nil {
			return parser{}, err
		}
	}
	return p, nil
}

// clean returns the path without a trailing slash and, with unescape, percent-decoded. The root is the empty
// path.
func clean(path string, unescape bool) (string, error) {
	switch {
	case len(path) > MaxID:
		return "", fmt.Errorf("is longer than %d bytes", MaxID)
	case path == "" || path[0] != '/':
		return "", errors.New("does not start with a slash")
	}
	path = strings.TrimSuffix(path, "/")
	if !unescape || strings.IndexByte(path, '%') < 0 {
		return path, nil
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return "", fmt.Errorf("segment %q is badly escaped", s)
		}
		if strings.IndexByte(decoded, '/') >= 0 {
			return "", fmt.Errorf("segment %q contains an encoded slash", s)
		}
		segments[i] = decoded
	}
	return strings.Join(segments, "/"), nil
}

func (p *parser) ended() bool { return p.at.raw == len(p.spelled) }

// peek returns the next segment and does not read it.
func (p *parser) peek() segment {
	return segment{first(p.spelled[p.at.raw:]), first(p.folded[p.at.key:])}
}

// first returns the first segment of a path that begins with a slash.
func first(path string) string {
	path = path[1:]
	if end := strings.IndexByte(path, '/'); end >= 0 {
		return path[:end]
	}
	return path
}

// read reads the next segment. It returns an error if check does.
func (p *parser) read(check func(string) error) (segment, error) {
	s := p.peek()
	if p.segments++; p.segments > maxSegments {
		return segment{}, fmt.Errorf("has more than %d segments", maxSegments)
	}
	if err := check(s.name); err != nil {
		return segment{}, fmt.Errorf("segment %q %w", s.name, err)
	}
	p.at.raw += 1 + len(s.name)
	p.at.key += 1 + len(s.key)
	return s, nil
}

// core reads one "word/name" pair that belongs to ARM itself.
func (p *parser) core() error {
	word, err := p.read(CheckWord)
	if err != nil {
		return err
	}
	if p.ended() {
		p.rest = word
		return nil
	}
	name, err := p.read(CheckName)
	if err != nil {
		return err
	}
	l := level{name: name.name}
	switch depth := len(p.levels); {
	case depth == 0 && word.key == "subscriptions":
		l.typ, l.typeKey, l.kind = TypeSubscription, keySubscription, kindSubscription
	case depth == 1 && p.levels[0].kind == kindSubscription && word.key == "resourcegroups":
		l.typ, l.typeKey, l.kind = TypeResourceGroup, keyResourceGroup, kindGroup
	default:
		l.typ, l.kind = coreType(p.levels, word.name), kindCore
		l.typeKey = l.typ.Key()
	}
	p.add(l, p.at)
	return nil
}

// provider reads "providers/{namespace}" and the type/name pairs below it, up to the end or to the
// next "providers", which begins an extension of the resource read so far.
func (p *parser) provider() error {
	word, err := p.read(CheckWord)
	if err != nil {
		return err
	}
	if p.ended() {
		p.rest = word
		return nil
	}
	if p.namespace, err = p.read(CheckWord); err != nil {
		return err
	}
	p.namespaceEnd = p.at
	if !p.ended() && p.peek().key == "providers" { // no type: the next segments extend the provider itself
		p.addProvider()
		return nil
	}
	return p.resources()
}

// resources reads the type/name pairs of a provider.
func (p *parser) resources() error {
	at := level{kind: kindResource}
	for !p.ended() && (at.typ == "" || p.peek().key != "providers") {
		word, err := p.read(CheckWord)
		if err != nil {
			return err
		}
		end := p.at
		if p.ended() {
			p.rest = word
			return nil
		}
		name, err := p.read(CheckName)
		if err != nil {
			return err
		}
		at.name = name.name
		if at.typ == "" { // namespace and first type are adjacent in the path, so a slice of it is enough
			begin := offset{p.namespaceEnd.raw - len(p.namespace.name), p.namespaceEnd.key - len(p.namespace.key)}
			at.typ, at.typeKey = Type(p.spelled[begin.raw:end.raw]), p.folded[begin.key:end.key]
		} else {
			at.typ += Type("/" + word.name)
			at.typeKey += "/" + word.key
		}
		p.add(at, p.at)
		p.namespace = segment{}
	}
	return nil
}

// addProvider adds a level for the namespace that was read.
func (p *parser) addProvider() {
	p.add(level{name: p.namespace.name, typ: TypeProvider, typeKey: keyProvider, kind: kindProvider}, p.namespaceEnd)
	p.namespace = segment{}
}

// add appends a level that ends at an offset.
func (p *parser) add(l level, end offset) {
	l.rawEnd, l.keyEnd = end.raw, end.key
	p.levels = append(p.levels, l)
}

// id returns the id of the parsed levels.
func (p *parser) id() ID {
	if len(p.levels) == 0 {
		return ID{}
	}
	last := p.levels[len(p.levels)-1]
	return ID{raw: p.spelled[:last.rawEnd], key: p.folded[:last.keyEnd], levels: p.levels}
}

// coreType returns the type of a resource that ARM serves below its own scopes, spelled as in RBAC actions:
// Microsoft.Resources/subscriptions/locations, …/subscriptions/resourceGroups/resources,
// …/subscriptions/tagNames/tagValues.
func coreType(levels []level, word string) Type {
	typ := Type("Microsoft.Resources/")
	for _, l := range levels {
		switch l.kind {
		case kindSubscription:
			typ += "subscriptions/"
		case kindGroup:
			typ += "resourceGroups/"
		case kindCore:
			typ = l.typ + "/"
		}
	}
	return typ + Type(word)
}
