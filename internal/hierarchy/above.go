package hierarchy

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// chainKey identifies the answer of Above for a tenant and a subscription or a group. Both are folded.
type chainKey struct{ tenant, below string }

// chain is an answer of Above. It is valid while the tree has the revision.
type chain struct {
	revision store.Revision // 0 while the tenant has no tree
	groups   []arm.ID
}

// Above returns the ids of the management groups above a scope, nearest first, ending with the tenant's root
// group: for a scope in a subscription the groups above the subscription, and for a management group, or a scope
// below it, the groups above that group. A subscription or a group that does not exist counts as one below the
// root group. The answer for all other scopes, and for the root group, is empty.
//
// The answer is exact for the transaction's state of the store. If the hierarchy has not changed since the last
// call for the same subscription or group, Above reads one record. Callers share the answer and must not modify it.
func (s *Service) Above(tx store.Tx, tenant string, scope arm.ID) ([]arm.ID, error) {
	below := anchor(scope)
	if below.IsRoot() {
		return nil, nil
	}
	tenant = arm.Fold(tenant)
	rec, err := tx.Get(treeKey(tenant))
	stored := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read the management groups above %s: %w", scope, err)
	}
	key := chainKey{tenant, below.Key()}
	if kept, found := s.chains.Get(key); found && kept.revision == rec.Revision && (rec.Revision != 0 || !stored) {
		return kept.groups, nil
	}
	groups, err := s.climb(tx, tenant, below)
	if err != nil {
		return nil, fmt.Errorf("read the management groups above %s: %w", scope, err)
	}
	if rec.Revision != 0 || !stored { // a transaction's own write has no revision yet
		s.chains.Put(key, chain{rec.Revision, groups})
	}
	return groups, nil
}

// anchor returns the subscription or the management group that contains a scope, or the root if there is none.
func anchor(scope arm.ID) arm.ID {
	if scope.Subscription() != "" {
		return scope.SubscriptionScope()
	}
	for up := range scope.Ancestors() {
		if IsGroup(up) {
			return up
		}
	}
	return arm.ID{}
}

// climb reads the groups above a subscription or a group.
func (s *Service) climb(tx store.Tx, tenant string, below arm.ID) (groups []arm.ID, err error) {
	parent := tenant
	if below.IsSubscription() {
		parent, err = placeOf(tx, tenant, below.Subscription())
	} else {
		var g Group
		g, err = load(tx, tenant, below.Name())
		switch {
		case errors.Is(err, store.ErrNotFound):
			err = nil
		case g.IsRoot():
			return nil, err
		default:
			parent = g.Parent
		}
	}
	for err == nil {
		var g Group
		if g, err = load(tx, tenant, parent); err != nil {
			return nil, fmt.Errorf("read the management group %s: %w", parent, err)
		}
		groups = append(groups, g.ID())
		if g.IsRoot() {
			return groups, nil
		}
		if len(groups) > MaxDepth {
			return nil, fmt.Errorf("more than %d management groups are above %s", MaxDepth, below)
		}
		parent = g.Parent
	}
	return nil, err
}
