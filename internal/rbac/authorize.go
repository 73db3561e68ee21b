package rbac

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/store"
)

// Caller is who asks: the principal of a verified token.
type Caller struct {
	TenantID string
	ObjectID string
	AppID    string // client id, for applications
	Name     string // user principal name, for users
	Groups   []string
}

// Authorize reports whether the caller may perform an action, such as
// microsoft.managedidentity/userassignedidentities/read, at a scope. The action is folded. Only
// assignments of the caller's own tenant count. That the scope's subscription belongs to that tenant is
// for whoever calls Authorize to have checked, as it must anyway to refuse the tokens of other tenants.
func (s *Service) Authorize(tx store.Tx, caller Caller, action string, scope arm.ID) (allowed bool, err error) {
	if !plain(action) {
		return false, nil
	}
	err = s.effective(tx, caller, scope, func(r *role) bool {
		allowed = r.allows(action)
		return !allowed
	})
	if err != nil {
		return false, fmt.Errorf("authorize %s for %s: %w", action, caller.ObjectID, err)
	}
	return allowed, nil
}

// plain reports whether an action is ASCII, as all are. Nothing else must be matched by a star.
func plain(action string) bool {
	for i := range len(action) {
		if action[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Permissions gives what the caller's roles at a scope allow, in one entry for each assignment.
func (s *Service) Permissions(ctx context.Context, caller Caller, scope arm.ID) ([]Permission, error) {
	var all []Permission
	err := s.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		return s.effective(tx, caller, scope, func(r *role) bool {
			all = append(all, r.Permissions...)
			return true
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the permissions of %s: %w", caller.ObjectID, err)
	}
	return all, nil
}

// few is how many grants of one principal are read in one go. Nearly every principal has fewer, and
// then one scan, which the store's cache keeps, answers for every resource there is.
const few = 64

// effective calls visit with the role of each assignment that holds for the caller at the scope,
// until visit wants no more.
func (s *Service) effective(tx store.Tx, caller Caller, scope arm.ID, visit func(*role) bool) error {
	e := evaluation{tx: tx, roles: s.roles, tenant: arm.Fold(caller.TenantID), scope: scope, visit: visit}
	if err := e.principal(caller.ObjectID); err != nil {
		return err
	}
	for _, group := range caller.Groups {
		if err := e.principal(group); err != nil {
			return err
		}
	}
	return nil
}

// evaluation is one walk over the grants of a caller.
type evaluation struct {
	tx     store.Tx
	roles  map[string]*role
	tenant string // folded
	scope  arm.ID
	visit  func(*role) bool
	done   bool // visit wants no more
}

// principal visits the grants of one principal that reach the scope.
func (e *evaluation) principal(id string) error {
	if id == "" || e.done {
		return nil
	}
	prefix, key := grantsOf(id), e.scope.Key()
	grants, err := e.tx.Records(store.Range{Prefix: prefix, Limit: few})
	if err != nil {
		return err
	}
	for _, rec := range grants {
		if granted := rec.Key[len(prefix):]; len(granted) > lenGUID && reaches(granted[:len(granted)-lenGUID-1], key) {
			e.grant(rec)
		}
	}
	if len(grants) < few {
		return nil
	}
	return e.ancestors(prefix, grants[len(grants)-1].Key)
}

// ancestors goes on after a key where a principal has many grants: it reads those at the scope and
// at each ancestor, whatever else the principal has elsewhere.
func (e *evaluation) ancestors(prefix, after string) error {
	for up := range e.scope.Ancestors() {
		if e.done {
			return nil
		}
		exact := prefix + scopeKey(e.tenant, up) + "\x00"
		for rec, err := range e.tx.Scan(store.Range{Prefix: exact, After: after}) {
			if err != nil {
				return err
			}
			e.grant(rec)
		}
	}
	return nil
}

// grant visits the role of a grant, unless it belongs to another tenant or has a condition.
func (e *evaluation) grant(rec store.Record) {
	tenant, v := len(e.tenant), rec.Value
	if len(v) <= tenant || v[tenant] != ' ' || string(v[:tenant]) != e.tenant {
		return
	}
	if end := len(v) - len(conditional); end > 0 && string(v[end:]) == conditional {
		return
	}
	if r := e.roles[rec.Key[len(rec.Key)-lenGUID:]]; r != nil && !e.done {
		e.done = !e.visit(r)
	}
}

// reaches reports whether a grant at a scope, as written in keys, reaches a resource's key: the
// same or a part of it that ends before a slash. What lies outside of subscriptions carries a
// tenant, which grant compares.
func reaches(scope, key string) bool {
	scope, _, _ = strings.Cut(scope, "\x00")
	if scope == "/" {
		return true
	}
	rest, below := strings.CutPrefix(key, scope)
	return below && (rest == "" || rest[0] == '/')
}
