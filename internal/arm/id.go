package arm

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Limits of an id.
const (
	MaxID       = 1600 // bytes; keeps every key that is built from ids within the store's limit
	maxName     = 260  // characters of one name, the limit of ARM's generic resources
	maxSegments = 40
)

// ID is a parsed resource id or scope: the tenant root "/", a subscription, a resource group, or a
// resource at any of these, nested or as an extension of another resource. The zero value is the
// root.
type ID struct {
	raw    string
	key    string
	levels []level // from the outermost ancestor to the id itself; empty for the root
}

// level is one ancestor of an id, or the id itself.
type level struct {
	rawEnd, keyEnd int // the end of the level in raw and key
	name           string
	typ            Type
	typeKey        string // typ, folded
	kind           kind
}

type kind uint8

const (
	kindSubscription kind = iota + 1
	kindGroup
	kindResource // type and name below a provider
	kindProvider // a bare provider, /subscriptions/{s}/providers/{namespace}
	kindCore     // a child of ARM without a provider, /subscriptions/{s}/operationresults/{name}
)

// ParseID parses a resource id or scope as clients write it in bodies and queries. It accepts only ids of
// instances: a type without a name at the end is an error. A trailing slash is ignored.
func ParseID(s string) (ID, error) {
	p, err := parse(s, false)
	if err != nil {
		return ID{}, err
	}
	if p.rest.name != "" || p.namespace.name != "" {
		return ID{}, fmt.Errorf("id %q names a type without a name", s)
	}
	return p.id(), nil
}

// CheckKey returns an error if an id does not belong to a key: the id cannot be parsed, it has another key, or
// the key has another structure. It is for checks of a whole store; code that reads single records uses
// SameName.
func CheckKey(spelled, key string) error {
	id, err := ParseID(spelled)
	if err != nil {
		return fmt.Errorf("%q is not an id: %w", spelled, err)
	}
	if id.Key() != key {
		return fmt.Errorf("the id %q has the key %q, not %q", spelled, id.Key(), key)
	}
	folded, err := ParseID(key)
	if err != nil || !slices.EqualFunc(id.levels, folded.levels, level.alike) {
		return fmt.Errorf("the id %q has another structure than its key", spelled)
	}
	return nil
}

// alike reports whether two levels of ids with one key have the same kind, type, name and end.
func (l level) alike(other level) bool {
	return l.kind == other.kind && l.typeKey == other.typeKey && l.keyEnd == other.keyEnd && SameName(l.name, other.name)
}

// String returns the id as the caller spelled it, without a trailing slash.
func (id ID) String() string {
	if id.IsRoot() {
		return "/"
	}
	return id.raw
}

// Key returns the folded form. Two ids are the same resource if and only if their keys are equal.
func (id ID) Key() string {
	if id.IsRoot() {
		return "/"
	}
	return id.key
}

// IsRoot reports whether the id is the tenant root, "/".
func (id ID) IsRoot() bool { return len(id.levels) == 0 }

// Type returns the resource's type in the caller's spelling; TypeTenant for the root.
func (id ID) Type() Type {
	if id.IsRoot() {
		return TypeTenant
	}
	return id.levels[len(id.levels)-1].typ
}

// TypeKey returns the key of the id's type.
func (id ID) TypeKey() string {
	if id.IsRoot() {
		return keyTenant
	}
	return id.levels[len(id.levels)-1].typeKey
}

// Name returns the last name of the id; empty for the root.
func (id ID) Name() string {
	if id.IsRoot() {
		return ""
	}
	return id.levels[len(id.levels)-1].name
}

// Subscription returns the subscription's id as spelled, or empty outside of subscriptions.
func (id ID) Subscription() string { return id.nameOf(kindSubscription) }

// ResourceGroup returns the group's name as spelled, or empty outside of groups.
func (id ID) ResourceGroup() string { return id.nameOf(kindGroup) }

// IsSubscription reports whether the id is that of a subscription.
func (id ID) IsSubscription() bool { return id.isKind(kindSubscription) }

// IsResourceGroup reports whether the id is that of a resource group.
func (id ID) IsResourceGroup() bool { return id.isKind(kindGroup) }

// IsResource reports whether the id is that of a resource of a provider.
func (id ID) IsResource() bool { return id.isKind(kindResource) }

// isUnscoped reports whether the id is the root, or begins with neither a subscription nor a provider.
func (id ID) isUnscoped() bool { return len(id.levels) == 0 || id.levels[0].kind == kindCore }

// Parent returns the id one level up: the parent resource, the extended resource, the group, the subscription
// or the root. The parent of the root is the root.
func (id ID) Parent() ID {
	if len(id.levels) < 2 {
		return ID{}
	}
	up := id.levels[:len(id.levels)-1]
	last := up[len(up)-1]
	return ID{raw: id.raw[:last.rawEnd], key: id.key[:last.keyEnd], levels: up}
}

// Ancestors yields the id itself, then each parent, and the root last.
func (id ID) Ancestors() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for ; ; id = id.Parent() {
			if !yield(id) || id.IsRoot() {
				return
			}
		}
	}
}

// SubscriptionScope returns the id of the subscription that contains the id, or the root.
func (id ID) SubscriptionScope() ID { return id.upTo(kindSubscription) }

// GroupScope returns the id of the resource group that contains the id, or the root.
func (id ID) GroupScope() ID { return id.upTo(kindGroup) }

// Base returns the scope below which the outermost type of a resource is: for an identity and its federated
// credentials the group, for a role assignment the resource that it extends.
func (id ID) Base() ID {
	for id.IsResource() {
		outermost := strings.Count(string(id.Type()), "/") == 1
		id = id.Parent()
		if outermost {
			break
		}
	}
	return id
}

// Level returns the level of a scope in the hierarchy.
func (id ID) Level() Level {
	switch {
	case id.IsRoot():
		return AtTenant
	case id.IsSubscription():
		return AtSubscription
	case id.IsResourceGroup():
		return AtGroup
	case id.IsResource():
		return AtResource
	}
	return 0
}

// Level is a set of levels of the hierarchy.
type Level uint8

// The levels of the hierarchy. Extension resources may be at AnyLevel.
const (
	AtTenant Level = 1 << iota
	AtSubscription
	AtGroup
	AtResource
	AnyLevel = AtTenant | AtSubscription | AtGroup | AtResource
)

// Contains reports whether other is the id itself or lies below it. It compares whole segments:
// /…/rg1 never contains /…/rg10.
func (id ID) Contains(other ID) bool {
	if id.IsRoot() {
		return true
	}
	rest, found := strings.CutPrefix(other.key, id.key)
	return found && (rest == "" || rest[0] == '/')
}

// Child returns the id of a resource with a type and a name below this id: a nested resource if the type extends
// this id's type, and a resource of a provider otherwise.
func (id ID) Child(typ Type, name string) (ID, error) {
	prefix := strings.TrimSuffix(id.String(), "/")
	if nested := strings.HasPrefix(typ.Key(), id.TypeKey()+"/"); nested && id.IsResource() {
		return ParseID(prefix + string(typ[len(id.Type()):]) + "/" + name) // only ASCII folds to the ASCII of a type
	}
	return ParseID(prefix + "/providers/" + string(typ) + "/" + name)
}

func (id ID) nameOf(k kind) string {
	for i := range id.levels {
		if id.levels[i].kind == k {
			return id.levels[i].name
		}
	}
	return ""
}

func (id ID) upTo(k kind) ID {
	for i := range id.levels {
		if l := id.levels[i]; l.kind == k {
			return ID{raw: id.raw[:l.rawEnd], key: id.key[:l.keyEnd], levels: id.levels[:i+1]}
		}
	}
	return ID{}
}

func (id ID) isKind(k kind) bool {
	return len(id.levels) > 0 && id.levels[len(id.levels)-1].kind == k
}
