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
const linear = 4

// grants are the role assignments of a caller, or of one principal in a part of the hierarchy. They are computed
// once and shared, so they do not change.
type grants struct {
	tenant string   // as in the caller
	groups []string // of the caller

	list     []*grant    // in the order of the principals
	index    *scopeIndex // of the list; nil if it is short
	inGroups bool        // a grant is at a management group or below one

	large   []large // the principals with more than few assignments
	partial bool    // the list has the grants at a scope, but not those below it

	denyKey string // of the count record of the tenant's deny assignments; empty if the tenant has none
}

// large is a principal whose assignments in subscriptions are not in the list, because they are many.
type large struct {
	principal string
	outside   bool // those outside of subscriptions are many, too: the list has only those at the root
}

// size estimates the memory of grants in bytes.
func (g *grants) size() int {
	n := 256 + 16*len(g.groups) + 24*len(g.large) + 8*len(g.list)
	if g.index != nil {
		n += 9 * len(g.index.tags)
	}
	return n
}

// wholeSize is size with the memory of each grant, for grants that share none with others.
func (g *grants) wholeSize() int {
	n := g.size()
	for _, one := range g.list {
		n += 256 + len(one.scope)
		if one.condition != nil {
			n += one.condition.Size()
		}
	}
	return n
}

// grantsOf returns the grants of a caller and of its groups.
func (s *Service) grantsOf(tx store.Tx, caller *Caller) (*grants, error) {
	return s.byCaller.Of(tx, caller.ObjectID, func(kept *grants) bool {
		return kept.tenant == caller.TenantID && slices.Equal(kept.groups, caller.Groups)
	}, func(tx store.Tx) (*grants, error) { return s.readGrants(tx, caller) })
}

func (s *Service) readGrants(tx store.Tx, caller *Caller) (*grants, error) {
	g := &grants{tenant: caller.TenantID, groups: slices.Clone(caller.Groups)}
	denied, err := s.hasDenies(tx, caller.TenantID)
	if err != nil {
		return nil, err
	}
	if denied {
		g.denyKey = denyCountKey(caller.TenantID)
	}
	var list []*grant
	for i := -1; i < len(g.groups); i++ {
		principal := caller.ObjectID
		if i >= 0 {
			principal = g.groups[i]
		}
		if principal == "" || slices.Contains(g.groups[:max(i, 0)], principal) {
			continue
		}
		own, err := s.grantsTo(tx, caller.TenantID, principal)
		if err == nil && own.partial {
			own, err = s.grantsIn(tx, caller.TenantID, principal, "")
			if err == nil {
				g.large = append(g.large, large{principal, own.partial})
			}
		}
		if err != nil {
			return nil, err
		}
		list = append(list, own.list...)
	}
	return s.fill(g, list), nil
}

// grantsTo returns the grants of one principal, which its own decisions share with those of its members. They are
// partial and empty if there are too many.
func (s *Service) grantsTo(tx store.Tx, tenant, principal string) (*grants, error) {
	return s.byBranch.Of(tx, tenant+"\x00"+principal, nil, func(tx store.Tx) (*grants, error) {
		r := grantReader{service: s, tx: tx, tenant: arm.Fold(tenant)}
		all, err := r.read(indexPrefix(principal), few)
		return &grants{partial: !all, list: r.list}, err
	})
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
		return s.fill(&grants{partial: !all}, r.list), nil
	})
}

// fill sets the list of new grants.
func (s *Service) fill(g *grants, list []*grant) *grants {
	g.list = slices.Clip(list)
	g.inGroups = slices.ContainsFunc(list, func(one *grant) bool { return strings.HasPrefix(one.scope, groupKeys) })
	if len(list) > linear {
		g.index = newScopeIndex(s.seed, list)
	}
	return g
}
