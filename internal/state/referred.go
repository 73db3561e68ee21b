package state

import (
	"slices"

	"midas/internal/arm"
)

// referred returns the indexes of what declared objects need: what their ids and scopes are in, the identities of
// resources, the members of groups, and the principals and roles of role assignments. Without it a declared object
// would be deleted with what it is in, or lead to what does not exist any more.
func (p *Plan) referred() map[string]bool {
	kept, names := map[string]bool{}, map[string]bool{}
	for _, o := range p.declaration.objects {
		keepPath(kept, o.id)
		keepPath(kept, o.scope)
		if o.role != "" {
			names[arm.Fold(o.role)] = true
		}
		for _, r := range append(slices.Clone(o.uses), pointers(o.parent, o.to)...) {
			if r.guid != "" {
				names[r.guid] = true
				continue
			}
			kept[r.index()] = true
			keepIndex(kept, r.index())
		}
	}
	for index, principal := range p.world.principals {
		if names[principal] {
			kept[index] = true
			keepIndex(kept, index)
		}
	}
	for index, entry := range p.world.entries {
		if kind(index[0]-'A') == kindCustomRole && (names[index[1:]] || names[arm.Fold(textAt(entry, "name"))]) {
			kept[index] = true
		}
	}
	return kept
}

// keepIndex adds what an object of Resource Manager is in.
func keepIndex(kept map[string]bool, index string) {
	switch kind(index[0] - 'A') {
	case kindResourceGroup, kindIdentity, kindFederated, kindResource:
		if id, err := arm.ParseID(index[1:]); err == nil {
			keepPath(kept, id)
		}
	}
}

// keepPath adds an id and what it is in.
func keepPath(kept map[string]bool, id arm.ID) {
	for ; !id.IsRoot(); id = id.Parent() {
		if r := armReference(id, Position{}); r != nil {
			kept[r.index()] = true
		}
	}
}
