package rbac

import (
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// few is the number of index entries that one branch may have. Nearly every principal has fewer, so one branch
// has them all.
const few = 64

// linear is the number of grants that the evaluation compares one by one. It looks up more by their scopes.
const linear = 6

// grants are the role assignments of a caller, or of one principal in a part of the hierarchy. They are computed
// once and shared, so they do not change.
type grants struct {
	tenant string   // as in the caller
	groups []string // of the caller

	list     []grant             // in the order of the principals
	at       map[string][]*grant // the list by scope without the tenant; nil for a short list
	inGroups bool                // a grant is at a management group or below one

	large   []string // the principals with more than few assignments, which are not in the list
	partial bool     // the list has the grants at a scope, but not those below it
}

// size estimates the memory of grants in bytes.
func (g *grants) size() int {
	n := 256 + 64*(len(g.groups)+len(g.large))
	for i := range g.list {
		n += 256 + len(g.list[i].scope)
	}
	return n + len(g.at)*256
}

// grantsOf returns the grants of a caller and of its groups.
func (s *Service) grantsOf(tx store.Tx, caller *Caller) (*grants, error) {
	return s.byCaller.Of(tx, caller.ObjectID, func(kept *grants) bool {
		return kept.tenant == caller.TenantID && slices.Equal(kept.groups, caller.Groups)
	}, func(tx store.Tx) (*grants, error) { return s.readGrants(tx, caller) })
}

func (s *Service) readGrants(tx store.Tx, caller *Caller) (*grants, error) {
	g := &grants{tenant: caller.TenantID, groups: slices.Clone(caller.Groups)}
	r := grantReader{service: s, tx: tx, tenant: arm.Fold(caller.TenantID)}
	for i := -1; i < len(g.groups); i++ {
		principal := caller.ObjectID
		if i >= 0 {
			principal = g.groups[i]
		}
		if principal == "" || slices.Contains(g.groups[:max(i, 0)], principal) {
			continue
		}
		before := len(r.list)
		all, err := r.read(indexPrefix(principal), few)
		if err != nil {
			return nil, err
		}
		if !all {
			r.list, g.large = r.list[:before], append(g.large, principal)
		}
	}
	return g.with(r.list), nil
}

// grantsIn returns the grants of one principal with many: those at a scope, and those below it unless they are
// too many. The scope is the key of a subscription or of a scope in one, or empty for all scopes outside of
// subscriptions.
func (s *Service) grantsIn(tx store.Tx, tenant, principal, scope string) (*grants, error) {
	key := tenant + "\x00" + principal + "\x00" + scope
	return s.byBranch.Of(tx, key, nil, func(tx store.Tx) (*grants, error) {
		r, prefix := grantReader{service: s, tx: tx, tenant: arm.Fold(tenant)}, indexPrefix(principal)
		at, below := prefix+scope+"\x00", prefix+scope+"/"
		if scope == "" {
			at, below = prefix+"/\x00", prefix+"/providers/"
		}
		if _, err := r.read(at, 0); err != nil {
			return nil, err
		}
		exact := len(r.list)
		all, err := r.read(below, few)
		if err != nil {
			return nil, err
		}
		if !all {
			r.list = r.list[:exact]
		}
		return (&grants{partial: !all}).with(r.list), nil
	})
}

// with sets the list of new grants.
func (g *grants) with(list []grant) *grants {
	g.list = slices.Clip(list)
	if len(list) > linear {
		g.at = make(map[string][]*grant)
	}
	for i := range g.list {
		scope := baseScope(g.list[i].scope)
		g.inGroups = g.inGroups || strings.HasPrefix(scope, groupKeys)
		if g.at != nil {
			g.at[scope] = append(g.at[scope], &g.list[i])
		}
	}
	return g
}
