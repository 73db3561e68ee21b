package management

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/lock"
	"midas/internal/store"
)

// Operation is one row of the operation table.
type Operation struct {
	Method string     // "PUT"
	Type   arm.Type   // Microsoft.ManagedIdentity/userAssignedIdentities
	Target arm.Target // Instance, Collection or Action
	Verb   string     // the last segment of an Action's path; empty for the action of one provider (see providerAction)
	At     arm.Level  // the levels at which the type may stand

	// Perform is the RBAC action that the caller must be allowed; "{namespace}" and "{type}" stand
	// for the provider and the type in the path. If it is empty, every authenticated caller may call, and
	// the operation returns only entries that the caller may read.
	Perform string
	// Visible allows the operation to every caller with any role in the subscription, as ARM does for
	// the subscription itself. Perform then only names the action in a refusal.
	Visible bool
	// Filtered marks a list of resources. A caller with a role below the listed scope may call too, and gets only
	// the entries that it may read. Perform is the right to all entries.
	Filtered bool
	// Delegable is set if conditions of role assignments may read attributes that only the body or the stored object
	// has. Such an operation is admitted if RBAC would allow it with some attributes. The package that serves it
	// decides again, with the attributes, in the transaction of the write.
	Delegable bool
	// Own reports whether the caller owns the addressed object. An owner needs no role. Nil means that
	// objects of the type have no owner.
	Own func(store.Tx, *Request) (bool, error)
	// OwnOnly allows the operation to the owner only. Perform then only names the action in a refusal.
	OwnOnly bool

	// Locks is what the operation is for locks, where its method does not tell: lock.Read for an action that changes
	// nothing and gives no secrets, lock.Delete for one that ends its scope. Zero means what the method says.
	Locks lock.Operation

	// WhileReadOnly allows a POST in a subscription that is cancelled, because it changes nothing in it or ends
	// that state.
	WhileReadOnly bool

	// Versions are the api-versions of the operation. If Free is true, the operation accepts every other
	// well-formed version too, and types of its namespace without rows are served by the generic
	// operations: see generic.go.
	Versions []arm.Version
	Free     bool
	Serve    func(context.Context, *Request) (*Response, error)

	// Set by prepare.
	label     string // the operation's name in metrics and logs: it comes from the table, never from a request
	performed string // Perform, folded; empty if Perform has placeholders
}

// prepare sets the fields that are the same for all requests.
func (op *Operation) prepare() {
	op.label = op.Perform
	if op.Perform == "" {
		op.label = op.Method + " " + string(op.Type)
	}
	if op.Locks == 0 {
		op.Locks = lock.OperationOf(op.Method)
	}
	if !strings.Contains(op.Perform, "{") {
		op.performed = arm.Fold(op.Perform)
	}
}

// route has the operations of a path, one for each method. A type may have different rows at different
// levels: Microsoft.Resources/providers has, at the tenant and in a subscription.
type route struct {
	at   arm.Level
	rows []*Operation
}

// row returns the operation of a method at a level, or nil.
func (r *route) row(method string, at arm.Level) *Operation {
	for _, op := range r.rows {
		if op.Method == method && op.At&at != 0 {
			return op
		}
	}
	return nil
}

// table is the operation table. It does not change after newTable.
type table struct {
	operations []Operation
	routes     map[routeKey]*route
	types      map[string][]arm.Type // by folded namespace, in table order
	free       map[string]bool       // folded namespaces with Free types
	generic    generic
	catalogue  map[string][]catalogueType // by folded namespace

	dataActions func() map[string][]string // by folded namespace; computed when it is first asked for
}

// newTable indexes the operations. Two rows for one method and path are an error.
func newTable(operations []Operation, rest generic) (*table, error) {
	t := &table{operations: operations, routes: map[routeKey]*route{}, types: map[string][]arm.Type{}, free: map[string]bool{}, generic: rest, dataActions: sync.OnceValue(dataActions)}
	var err error
	if t.catalogue, err = parseCatalogue(catalogueText); err != nil {
		return nil, err
	}
	for i := range operations {
		op := &operations[i]
		op.prepare()
		key := keyOf(op.Type.Key(), op.Target, op.Verb)
		r := t.routes[key]
		if r == nil {
			r = &route{}
			t.routes[key] = r
		}
		if r.row(op.Method, op.At) != nil {
			return nil, fmt.Errorf("two operations for %s %v", op.Method, key)
		}
		r.rows = append(r.rows, op)
		r.at |= op.At
		namespace := arm.Fold(op.Type.Namespace())
		if namespace == anyNamespace {
			continue
		}
		t.free[namespace] = t.free[namespace] || op.Free
		if !slices.Contains(t.types[namespace], op.Type) {
			t.types[namespace] = append(t.types[namespace], op.Type)
		}
	}
	return t, nil
}

// routeKey identifies a route. Type and verb are folded.
type routeKey struct {
	typ    string
	target arm.Target
	verb   string
}

func keyOf(typeKey string, target arm.Target, verb string) routeKey {
	return routeKey{typeKey, target, arm.Fold(verb)}
}

// route returns the route of a path, or nil if there is none at the path's level.
func (t *table) route(path arm.Path) *route {
	r := t.routes[keyOf(path.TypeKey(), path.Target, path.Verb)]
	if own := t.providerAction(path); own != nil {
		r = own
	}
	if r == nil {
		r = t.providerRoute(path)
	}
	if r == nil {
		r = t.genericRoute(path)
	}
	if r == nil || r.at&path.Level() == 0 {
		return nil
	}
	return r
}

// providerAction returns the route of an action of one provider, POST {scope}/providers/{namespace}/{verb}, or nil.
// Its row has the type "{namespace}/{verb}", the target Action and no Verb. Rows with the type TypeProvider and a
// Verb are for the actions that every provider has, such as register.
func (t *table) providerAction(path arm.Path) *route {
	if path.Target != arm.Action || path.TypeKey() != keyProvider {
		return nil
	}
	return t.routes[keyOf(arm.Fold(path.ID.Name()+"/"+path.Verb), arm.Action, "")]
}

// keyProvider is the key of arm.TypeProvider.
const keyProvider = "microsoft.resources/providers"

// anyNamespace is the placeholder for the namespace in the types of rows that hold for every provider.
const anyNamespace = "{namespace}"

// providerRoute returns the route of a collection that every provider has, such as {namespace}/operations, or nil.
// In a subscription, the operations refuse a provider that Midas does not serve.
func (t *table) providerRoute(path arm.Path) *route {
	if path.Target != arm.Collection || strings.Contains(path.Type.Path(), "/") {
		return nil
	}
	if _, known := t.providerOf(path.Type.Namespace()); !known && path.Level() != arm.AtSubscription {
		return nil
	}
	r := t.routes[keyOf(anyNamespace+"/"+arm.Fold(path.Type.Path()), path.Target, "")]
	if r == nil || r.at&path.Level() == 0 {
		return nil
	}
	return r
}

// find returns the operation and the api-version of a request. With an error of the version it returns the
// operation too.
func (t *table) find(method string, path arm.Path, asked []string) (*Operation, arm.Version, error) {
	r, at := t.route(path), path.Level()
	if r == nil {
		if methods := t.methodsOf(path); path.Target == arm.Action && methods != "" {
			return nil, "", errMethod(method, methods)
		}
		return nil, "", t.errUnknown(path, asked)
	}
	op := r.row(method, at)
	if op == nil && t.isUnlisted(r, path.Target) && (method == http.MethodPut || method == http.MethodPatch) {
		return nil, "", t.errUnknown(path, asked)
	}
	if op == nil {
		return nil, "", errMethod(method, r.allowed(at))
	}
	if len(asked) == 0 || asked[0] == "" {
		return op, "", arm.Errorf(http.StatusBadRequest, "MissingApiVersionParameter",
			"The api-version query parameter (?api-version=) is required for all requests.")
	}
	if version, known := arm.Find(op.Versions, asked[0]); known && len(asked) == 1 {
		return op, version, nil
	}
	if op.Free {
		if len(asked) == 1 && arm.WellFormed(asked[0]) {
			return op, arm.Version(asked[0]), nil
		}
		return op, "", arm.Errorf(http.StatusBadRequest, "InvalidApiVersionParameter",
			"The api-version '%s' is invalid. It must be a date, as in 2024-07-01, perhaps with a suffix such as -preview.", strings.Join(asked, ","))
	}
	if methods := r.allowedIn(at, asked[0]); len(asked) == 1 && methods != "" {
		return op, "", errMethod(method, methods)
	}
	return op, "", errVersion(op, strings.Join(asked, ","))
}

// methodsOf returns the methods of a path if its last segment is a name and not a verb, or empty. A POST to
// a collection needs this: its path parses as an action. It returns empty for types that are not in the table:
// of these, ARM calls an action that it does not know a type that does not exist.
func (t *table) methodsOf(path arm.Path) string {
	as, err := arm.ParsePath(http.MethodGet, strings.TrimSuffix(path.ID.String(), "/")+"/"+path.Verb)
	if err != nil {
		return ""
	}
	if r := t.routes[keyOf(as.TypeKey(), as.Target, as.Verb)]; r != nil && r.at&as.Level() != 0 {
		return r.allowed(as.Level())
	}
	return ""
}

// allowed returns the methods of a route at a level, as in the Allow header.
func (r *route) allowed(at arm.Level) string {
	var methods []string
	for _, op := range r.rows {
		if op.At&at != 0 {
			methods = append(methods, op.Method)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

// allowedIn returns the methods of a route at a level in one version, or empty if the version has none.
func (r *route) allowedIn(at arm.Level, version string) string {
	var rows []*Operation
	for _, op := range r.rows {
		if _, known := arm.Find(op.Versions, version); known {
			rows = append(rows, op)
		}
	}
	return (&route{rows: rows}).allowed(at)
}

func errMethod(method, allowed string) error {
	err := arm.Errorf(http.StatusMethodNotAllowed, "HttpMethodNotSupported",
		"The HTTP method '%s' is not supported here. Supported are: %s.", method, allowed)
	err.Header = http.Header{"Allow": {allowed}}
	return err
}

// errUnknown names what is missing or unknown: the subscription, the provider, or the type within it.
func (t *table) errUnknown(path arm.Path, asked []string) error {
	namespace := path.Type.Namespace()
	if path.ID.Subscription() == "" && (path.Unscoped() || t.isKnown(path)) {
		return arm.ErrMissingSubscription()
	}
	if t.types[arm.Fold(namespace)] == nil && !t.generic.listed.has(arm.Fold(namespace)) {
		return errNamespace(namespace)
	}
	version := ""
	if len(asked) > 0 {
		version = asked[0]
	}
	if _, known := arm.Find(coreVersions(), version); !known && version != "" && arm.SameName(namespace, arm.TypeTenant.Namespace()) {
		return errCoreVersion(coreVersions(), version)
	}
	return arm.ErrInvalidResourceType(namespace, version)
}

// isKnown reports whether the type of a path is served at another level than the path's.
func (t *table) isKnown(path arm.Path) bool {
	return t.routes[keyOf(path.TypeKey(), path.Target, path.Verb)] != nil || t.generic.listed.has(arm.Fold(path.Type.Namespace()))
}

// errNamespace names a provider that Midas does not serve. The operator may be the one who reads it.
func errNamespace(namespace string) error {
	if !ValidNamespace(namespace) {
		return arm.ErrInvalidResourceNamespace(namespace, "")
	}
	return arm.ErrInvalidResourceNamespace(namespace, "It is none of those that the server's setting 'namespaces' lists.")
}

// errVersion refuses an api-version. As in Azure, the error of ARM's own types differs from that of
// providers' types.
func errVersion(op *Operation, asked string) error {
	if arm.SameName(op.Type.Namespace(), arm.TypeTenant.Namespace()) {
		return errCoreVersion(op.Versions, asked)
	}
	return arm.Errorf(http.StatusBadRequest, "NoRegisteredProviderFound",
		"No registered resource provider found for location '' and API version '%s' for type '%s'. The supported api-versions are '%s'. The supported locations are ''.",
		asked, op.Type.Path(), join(op.Versions, ", "))
}

// errCoreVersion refuses an api-version of ARM's own paths.
func errCoreVersion(supported []arm.Version, asked string) error {
	return arm.Errorf(http.StatusBadRequest, "InvalidApiVersionParameter",
		"The api-version '%s' is invalid. The supported versions are '%s'.", asked, join(supported, ","))
}

func join(versions []arm.Version, separator string) string {
	texts := make([]string, len(versions))
	for i, v := range versions {
		texts[i] = string(v)
	}
	return strings.Join(texts, separator)
}

// coreVersions returns the versions of ARM's own types. Old versions are among them because old clients are
// in use; the fields that Midas has are the same in all of them.
func coreVersions() []arm.Version {
	return []arm.Version{
		"2014-04-01", "2015-01-01", "2015-11-01", "2016-02-01", "2016-06-01", "2016-07-01", "2016-09-01",
		"2017-03-01", "2017-05-10", "2018-01-01", "2018-02-01", "2018-05-01", "2018-06-01", "2018-07-01", "2018-08-01",
		"2019-03-01", "2019-05-01", "2019-05-10", "2019-06-01", "2019-07-01", "2019-08-01", "2019-09-01", "2019-10-01", "2019-11-01",
		"2020-01-01", "2020-05-01", "2020-06-01", "2020-07-01", "2020-08-01", "2020-09-01", "2020-10-01",
		"2021-01-01", "2021-04-01", "2022-01-01", "2022-05-01", "2022-06-01", "2022-09-01", "2022-12-01",
		"2023-03-01", "2023-07-01", "2024-03-01", "2024-07-01", "2024-08-01", "2024-11-01", "2025-03-01", "2025-04-01",
	}
}

func authorizationVersions() []arm.Version {
	return []arm.Version{
		"2015-05-01-preview", "2015-06-01", "2015-07-01", "2016-07-01", "2017-05-01", "2017-09-01", "2017-10-01-preview", "2018-01-01-preview",
		"2018-07-01", "2018-07-01-preview", "2018-09-01-preview", "2018-12-01-preview", "2019-04-01-preview",
		"2020-03-01-preview", "2020-04-01-preview", "2020-08-01-preview", "2020-10-01-preview", "2022-01-01-preview",
		"2022-04-01", "2022-05-01-preview",
	}
}

func insightsVersions() []arm.Version {
	return []arm.Version{"2014-04-01", "2015-04-01", "2017-03-01-preview"}
}

func identityVersions() []arm.Version {
	return wire.Versions(func(wire.Gate) bool { return true })
}

// action returns the RBAC action that a request performs.
func (op *Operation) action(r *Request) string {
	if op.performed != "" || op.Perform == "" {
		return op.Perform
	}
	return strings.NewReplacer("{namespace}", r.ID().Name(), string(anyType), string(r.Type)).Replace(op.Perform)
}

// actionKey returns the request's action, folded.
func (op *Operation) actionKey(r *Request) string {
	if op.performed != "" {
		return op.performed
	}
	return arm.Fold(r.Action)
}
