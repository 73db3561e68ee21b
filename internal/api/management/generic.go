package management

import (
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
)

// generic has the operations for types that are not in the operation table, as Microsoft.Web/sites or
// Contoso.Apps/jobs. Such a resource is stored as given, and can have identities.
//
// If a namespace has any type in the table, its other types do not exist: a request for one gets 404. The
// exceptions are namespaces with Free types, whose other types are generic, and those of which Midas serves a
// part only (isPartial), whose other types are as those of namespaces that are not listed. Resources of
// namespaces that are not listed can be read and deleted, but not written. Otherwise a built-in role that allows all actions of
// some provider would allow its holders to create resources with identities.
type generic struct {
	routes   map[arm.Target]*route // for listed namespaces
	unlisted map[arm.Target]*route // for all other namespaces: the rows that only read or delete
	listed   namespaces
	spelled  map[string]string // the listed namespaces in their spelling, by folded namespace
}

func newGeneric(rows []Operation, listed []string) generic {
	g := generic{routes: map[arm.Target]*route{}, unlisted: map[arm.Target]*route{}, listed: newNamespaces(listed), spelled: map[string]string{}}
	for _, namespace := range listed {
		if ValidNamespace(namespace) {
			g.spelled[arm.Fold(namespace)] = namespace
		}
	}
	for i := range rows {
		rows[i].prepare()
		addRow(g.routes, &rows[i])
		if rows[i].Method != http.MethodPut && rows[i].Method != http.MethodPatch {
			addRow(g.unlisted, &rows[i])
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

// genericRoute returns the route for the path of a type that is not in the table, or nil.
func (t *table) genericRoute(path arm.Path) *route {
	namespace := arm.Fold(path.Type.Namespace())
	served := t.types[namespace]
	switch {
	case slices.ContainsFunc(served, path.Type.Is):
		return nil
	case isPartial(path.Type):
		return t.generic.unlisted[path.Target]
	case len(served) > 0 && !t.free[namespace]:
		return nil
	case t.generic.listed.has(namespace):
		return t.generic.routes[path.Target]
	case ValidNamespace(namespace):
		return t.generic.unlisted[path.Target]
	}
	return nil
}

// isPartial reports whether a type is of a provider of which Azure has many more types than Midas serves. What
// is not there is then a resource that does not exist, and not a type.
func isPartial(typ arm.Type) bool {
	for _, namespace := range []string{"Microsoft.Authorization", "Microsoft.Insights", "Microsoft.Resources"} {
		if arm.SameName(typ.Namespace(), namespace) {
			return !strings.HasPrefix(typ.Key(), "microsoft.resources/subscriptions/") // a core path, without a provider
		}
	}
	return false
}

// isUnlisted reports whether a route is for resources of a provider that is not listed.
func (t *table) isUnlisted(r *route, target arm.Target) bool {
	return r != nil && r == t.generic.unlisted[target]
}
