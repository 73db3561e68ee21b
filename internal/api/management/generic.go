package management

import (
	"slices"
	"strings"

	"midas/internal/arm"
)

// generic are the rows for the types that the table does not know: Microsoft.Web/sites,
// Contoso.Apps/jobs. Such a resource is kept as it is given, and may carry identities.
//
// A namespace of which the table serves anything is served by the table alone, so that a type of
// Microsoft.ManagedIdentity that does not exist is told from one that does; the exception are
// namespaces of Free types, whose other types are generic.
type generic struct {
	routes     map[arm.Target]*route
	namespaces map[string]bool // folded; empty means all
}

func newGeneric(rows []Operation, namespaces []string) generic {
	g := generic{routes: map[arm.Target]*route{}, namespaces: map[string]bool{}}
	for i := range rows {
		rows[i].prepare()
		r := g.routes[rows[i].Target]
		if r == nil {
			r = &route{}
			g.routes[rows[i].Target] = r
		}
		r.rows, r.at = append(r.rows, &rows[i]), r.at|rows[i].At
	}
	for _, namespace := range namespaces {
		g.namespaces[arm.Fold(namespace)] = true
	}
	return g
}

// isGeneric reports whether a type is one that the generic rows serve.
func (t *table) isGeneric(typ arm.Type) bool {
	namespace := arm.Fold(typ.Namespace())
	served := t.types[namespace]
	if slices.ContainsFunc(served, typ.Is) {
		return false
	}
	return (len(served) == 0 || t.free[namespace]) && t.generic.takes(namespace)
}

// takes reports whether a folded namespace has the form of one, and may be used.
func (g generic) takes(namespace string) bool {
	if len(g.namespaces) > 0 {
		return g.namespaces[namespace]
	}
	return ValidNamespace(namespace)
}

// ValidNamespace reports whether a text can be the namespace of a resource provider: words of
// letters and digits, two at least, with dots between them.
func ValidNamespace(namespace string) bool {
	words := strings.Split(namespace, ".")
	return len(words) > 1 && len(namespace) <= 128 && !slices.ContainsFunc(words, func(word string) bool {
		return strings.ContainsFunc(word, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
		}) || word == ""
	})
}
