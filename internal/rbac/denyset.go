package rbac

import (
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// denySet has the compiled deny assignments of a tenant. It does not change.
type denySet struct {
	all     []*deny               // in the order of their keys
	at      map[string]*denyScope // by the key of the scope
	groups  bool                  // some are at management groups
	audited bool                  // some have the effect Audit
}

// denies returns the deny assignments of a tenant, or nil if it has none. It reads one record, and all deny
// assignments only after one of them was changed. In an Update, the caller runs again if one is changed meanwhile.
func (s *Service) denies(tx store.Tx, tenant string) (*denySet, error) {
	return s.deniesAt(tx, tenant, denyCountKey(tenant))
}

// deniesAt is denies with the key of the count record.
func (s *Service) deniesAt(tx store.Tx, tenant, key string) (*denySet, error) {
	rec, err := tx.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the deny assignments of tenant %s: %w", tenant, err)
	}
	set, err := s.denySets.Of(rec, func(store.Record) (*denySet, error) { return s.readDenies(tx, arm.Fold(tenant)) })
	if err != nil {
		return nil, fmt.Errorf("read the deny assignments of tenant %s: %w", tenant, err)
	}
	return set, nil
}

// readDenies reads and compiles the deny assignments of a tenant, which is folded. A record that cannot be decoded is
// an error: without it, the set would deny less than it should. Only those that have changed are decoded again.
func (s *Service) readDenies(tx store.Tx, tenant string) (*denySet, error) {
	set := &denySet{at: map[string]*denyScope{}}
	for row, err := range tx.Scan(store.Range{Prefix: store.DenyAssignmentKind.Keys}) {
		if err != nil {
			return nil, err
		}
		row.Key = strings.Clone(row.Key) // it is kept longer than the scan
		d, err := s.denyRows.Of(row, decodeDeny)
		if err != nil {
			return nil, err
		}
		if d.TenantID != tenant {
			continue
		}
		set.all = append(set.all, d)
		if set.at[d.scope] == nil {
			set.at[d.scope] = &denyScope{of: map[string][]*deny{}}
		}
		set.at[d.scope].add(d)
		set.groups = set.groups || strings.HasPrefix(d.scope, groupKeys)
		set.audited = set.audited || d.Effect == Audit
	}
	return set, nil
}

func decodeDeny(row store.Record) (*deny, error) {
	a, err := denyAssignments.Decode(row)
	if err != nil {
		return nil, err
	}
	return compileDeny(row.Key, a), nil
}

// named returns the deny assignment with a name, or nil.
func (set *denySet) named(name string) *deny {
	if set == nil {
		return nil
	}
	for _, d := range set.all {
		if arm.SameName(d.Name, name) {
			return d
		}
	}
	return nil
}

// displayed returns the deny assignment at a scope with a display name, or nil.
func (set *denySet) displayed(scope, displayName string) *deny {
	if set == nil || set.at[scope] == nil {
		return nil
	}
	for _, d := range set.at[scope].all {
		if arm.SameName(d.DisplayName, displayName) {
			return d
		}
	}
	return nil
}

// below returns the deny assignments below a scope.
func (set *denySet) below(scope arm.ID) (found []*deny) {
	if set == nil {
		return nil
	}
	for _, d := range set.all {
		if d.scope != scope.Key() && (scope.IsRoot() || within(scope.Key(), d.scope)) {
			found = append(found, d)
		}
	}
	return found
}
