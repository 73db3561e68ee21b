package management

import (
	"net/http"
	"slices"

	"midas/internal/arm"
)

// generic are the rows for the types that the table does not know: Microsoft.Web/sites,
// Contoso.Apps/jobs. Such a resource is kept as it is given, and may carry identities.
//
// A namespace of which the table serves anything is served by the table alone, so that a type of
// Microsoft.ManagedIdentity that does not exist is told from one that does; the exception are
// namespaces of Free types, whose other types are generic. Of namespaces that are not listed, what is
// there already can be read and deleted, but nothing can be written: else the many roles that allow
// all of some provider would let their holders create resources with identities.
type generic struct {
	routes   map[arm.Target]*route // of the namespaces that are listed
	leftover map[arm.Target]*route // of all others: those of the rows that write nothing
	listed   namespaces
}

func newGeneric(rows []Operation, listed []string) generic {
	g := generic{routes: map[arm.Target]*route{}, leftover: map[arm.Target]*route{}, listed: newNamespaces(listed)}
	for i := range rows {
		rows[i].prepare()
		addRow(g.routes, &rows[i])
		if rows[i].Method != http.MethodPut && rows[i].Method != http.MethodPatch {
			addRow(g.leftover, &rows[i])
		}
	}
	return g
}

func addRow(routes map[arm.Target]*route, op *Operation) {
	r := routes[op.Target]
	if r == nil {
		r = &route{}
		routes[op.Target] = r
	}
	r.rows, r.at = append(r.rows, op), r.at|op.At
}

// genericRoute is where the path of a type leads that the table does not know, or nil.
func (t *table) genericRoute(path arm.Path) *route {
	namespace := arm.Fold(path.Type.Namespace())
	served := t.types[namespace]
	switch {
	case slices.ContainsFunc(served, path.Type.Is), len(served) > 0 && !t.free[namespace]:
		return nil
	case t.generic.listed.has(namespace):
		return t.generic.routes[path.Target]
	case ValidNamespace(namespace):
		return t.generic.leftover[path.Target]
	}
	return nil
}

// isLeftover reports whether a route leads to resources of a provider that is not listed.
func (t *table) isLeftover(r *route, target arm.Target) bool {
	return r != nil && r == t.generic.leftover[target]
}
