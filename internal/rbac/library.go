package rbac

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"midas/internal/arm"
)

// library is a list of built-in roles in the form of builtinText. Making one costs nothing; the first look-up
// finds the lines, and each role is decoded and compiled when it is used for the first time. It is safe for
// concurrent use.
//
// A library of imported roles has the embedded library as its base: its roles replace those of the base, unless
// the base has a later version, as after an update of Midas.
type library struct {
	base   *library
	shelf  func() *shelf
	sorted func() ([]Definition, error)
	names  func() (map[string]string, error)
	spoken func() (*vocabulary, error)
	sizes  func() ([]measured, error)

	actions func() (spelledActions, error)
}

// shelf has the lines of a library by the GUIDs of their roles.
type shelf struct {
	ids   []string // in the order of the lines
	roles map[string]*entry
}

// entry is a role of a library, which is decoded once.
type entry struct {
	decode func() (*role, error)
}

// newLibrary returns the library of a text. The base may be nil.
func newLibrary(text string, base *library) *library {
	l := &library{base: base}
	l.shelf = sync.OnceValue(func() *shelf { return readShelf(text) })
	l.sorted = sync.OnceValues(l.decodeAll)
	l.names = sync.OnceValues(l.indexNames)
	l.spoken = sync.OnceValues(l.indexActions)
	l.sizes = sync.OnceValues(l.measure)
	l.actions = sync.OnceValues(l.collectActions)
	return l
}

// linePrefix begins every line with a role; its GUID follows.
const linePrefix = `{"name":"`

// readShelf finds the lines of a text.
func readShelf(text string) *shelf {
	s := &shelf{roles: make(map[string]*entry)}
	for line := range strings.SplitSeq(text, "\n") {
		rest, found := strings.CutPrefix(line, linePrefix)
		if !found || len(rest) < lenGUID {
			continue
		}
		guid := rest[:lenGUID]
		s.ids = append(s.ids, guid)
		s.roles[guid] = &entry{decode: sync.OnceValues(func() (*role, error) {
			d, err := decodeLine(line)
			if err != nil {
				return nil, fmt.Errorf("decode role %s: %w", guid, err)
			}
			return compileRole(d), nil
		})}
	}
	return s
}

// role returns the role of a folded GUID, or nil.
func (l *library) role(guid string) (*role, error) {
	own, found := l.shelf().roles[guid]
	if !found && l.base == nil {
		return nil, nil
	}
	if !found {
		return l.base.role(guid)
	}
	r, err := own.decode()
	if err != nil || l.base == nil {
		return r, err
	}
	older, err := l.base.role(guid)
	if err == nil && older != nil && older.UpdatedOn.Truncate(precision).After(r.UpdatedOn) {
		return older, nil
	}
	return r, err
}

// holds reports whether the embedded roles have a folded GUID, as opposed to imported roles.
func (l *library) holds(guid string) bool {
	for l.base != nil {
		l = l.base
	}
	return l.shelf().roles[guid] != nil
}

// holdsAny reports whether the library or its base has a folded GUID.
func (l *library) holdsAny(guid string) bool {
	return l.shelf().roles[guid] != nil || l.base != nil && l.base.holdsAny(guid)
}

// all returns all roles in the order of their ids. The slice is shared and must not be modified.
func (l *library) all() ([]Definition, error) { return l.sorted() }

func (l *library) decodeAll() ([]Definition, error) {
	compiled, err := l.compiled()
	all := make([]Definition, len(compiled))
	for i, r := range compiled {
		all[i] = r.Definition
	}
	return all, err
}

// compiled returns all compiled roles in the order of their ids, in a slice of the caller's own.
func (l *library) compiled() ([]*role, error) {
	ids := slices.Clone(l.shelf().ids)
	if l.base != nil {
		ids = append(ids, l.base.shelf().ids...)
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	all := make([]*role, 0, len(ids))
	for _, guid := range ids {
		r, err := l.role(guid)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// own returns the roles of a library of imported roles without its base, by their GUIDs; none of the embedded one.
func (l *library) own() (map[string]Definition, error) {
	own := make(map[string]Definition)
	if l.base == nil {
		return own, nil
	}
	for guid, e := range l.shelf().roles {
		r, err := e.decode()
		if err != nil {
			return nil, err
		}
		own[guid] = r.Definition
	}
	return own, nil
}

// named returns the GUID of the role with a name, in any case; empty if there is none.
func (l *library) named(name string) (string, error) {
	ids, err := l.names()
	return ids[arm.Fold(name)], err
}

func (l *library) indexNames() (map[string]string, error) {
	all, err := l.all()
	ids := make(map[string]string, len(all))
	for _, d := range all {
		ids[arm.Fold(d.RoleName)] = d.ID
	}
	return ids, err
}

// vocabulary returns the actions that the roles mention.
func (l *library) vocabulary() (*vocabulary, error) { return l.spoken() }

func (l *library) indexActions() (*vocabulary, error) {
	all, err := l.all()
	v := newVocabulary()
	for _, d := range all {
		for _, p := range d.Permissions {
			v.add(v.control, p.Actions, p.NotActions)
			v.add(v.data, p.DataActions, p.NotDataActions)
		}
	}
	return v, err
}
