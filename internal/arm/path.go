package arm

import (
	"fmt"
	"net/http"
	"strings"
)

// Target says whether a request addresses an instance, a collection or an action of a type.
type Target uint8

// The targets of an ARM request.
const (
	Instance   Target = iota + 1 // /…/{type}/{name}
	Collection                   // /…/{type}
	Action                       // POST /…/{type}/{name}/{verb}
)

func (t Target) String() string {
	switch t {
	case Instance:
		return "instance"
	case Collection:
		return "collection"
	case Action:
		return "action"
	}
	return "unknown"
}

// Path is the parsed path of an ARM request.
type Path struct {
	Type   Type
	Target Target
	Verb   string // the last segment of an Action
	ID     ID     // the instance, also of an Action, or the scope of a Collection

	typeKey  string
	unscoped bool
}

// Unscoped reports whether the path begins with neither a subscription nor a provider.
func (p Path) Unscoped() bool { return p.unscoped }

// TypeKey returns the key of the path's type.
func (p Path) TypeKey() string {
	if p.typeKey == "" {
		return p.Type.Key()
	}
	return p.typeKey
}

// ParsePath parses the escaped path of a request. If the path ends with a type without a name, it is a
// collection, or for POST an action on the id before the last segment. ParsePath does not check that the
// type exists; the operation table does.
func ParsePath(method, escaped string) (Path, error) {
	p, err := parse(escaped, true)
	if err != nil {
		return Path{}, fmt.Errorf("the request path %w", err)
	}
	if p.namespace.name != "" && (p.rest.name == "" || method == http.MethodPost) {
		return p.providerPath(), nil
	}
	return p.path(method), nil
}

// path returns the Path of parsed segments that are not those of a provider.
func (p *parser) path(method string) Path {
	id := p.id()
	path := Path{ID: id, unscoped: id.isUnscoped() && (!id.IsRoot() || p.namespace.name == "")}
	switch {
	case p.rest.name == "":
		path.Type, path.Target, path.typeKey = id.Type(), Instance, id.TypeKey()
	case method == http.MethodPost:
		path.Type, path.Target, path.Verb, path.typeKey = id.Type(), Action, p.rest.name, id.TypeKey()
	default:
		path.Type, path.Target = p.collectionType(id), Collection
	}
	return path
}

// providerPath returns the Path of /{scope}/providers/{namespace}, or of an action on it such as register.
func (p *parser) providerPath() Path {
	p.addProvider()
	path := Path{Type: TypeProvider, Target: Instance, ID: p.id()}
	if p.rest.name != "" {
		path.Target, path.Verb = Action, p.rest.name
	}
	return path
}

// collectionType returns the type whose instances a collection path lists.
func (p *parser) collectionType(id ID) Type {
	switch {
	case p.namespace.name != "":
		return Type(p.namespace.name + "/" + p.rest.name)
	case id.IsResource():
		return id.Type() + Type("/"+p.rest.name)
	case p.rest.key == "providers":
		return TypeProvider
	case id.IsRoot() && p.rest.key == "subscriptions":
		return TypeSubscription
	case id.IsRoot() && p.rest.key == "tenants":
		return TypeTenant
	case id.IsSubscription() && p.rest.key == "resourcegroups":
		return TypeResourceGroup
	}
	return coreType(id.levels, p.rest.name)
}

// Level returns the level of the scope below which the path's outermost type is: for an identity and its
// federated credentials a group, for a role assignment the scope that it extends.
func (p Path) Level() Level {
	switch {
	case p.Target == Collection && strings.Count(string(p.Type), "/") > 1:
		return p.ID.Base().Level()
	case p.Target == Collection:
		return p.ID.Level()
	case p.ID.IsResource():
		return p.ID.Base().Level()
	}
	up := p.ID.Parent()
	for up.isKind(kindCore) {
		up = up.Parent()
	}
	return up.Level()
}
