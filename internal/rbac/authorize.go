package rbac

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/store"
)

// Caller is the principal of a verified token.
type Caller struct {
	TenantID string
	ObjectID string
	AppID    string // client id, for applications
	Name     string // user principal name, for users
	Groups   []string
}

// Authorize reports whether the caller may perform an action, such as
// microsoft.managedidentity/userassignedidentities/read, at a scope. The action is folded. Only
// assignments of the caller's tenant are considered. The code that calls Authorize must have checked that
// the scope's subscription belongs to that tenant; it needs this check anyway, to refuse tokens of other
// tenants.
func (s *Service) Authorize(tx store.Tx, caller Caller, action string, scope arm.ID) (allowed bool, err error) {
	if !isASCII(action) {
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

// isASCII reports whether an action is ASCII. All actions are; a star must not match other text.
func isASCII(action string) bool {
	for i := range len(action) {
		if action[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Permissions returns the permissions of the caller's roles at a scope, in one entry for each assignment.
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

// few is the number of index entries of a principal that one scan reads. Nearly every principal has fewer, so
// one scan, which the store caches, is enough for all scopes.
const few = 64

// effective calls visit with the role of each assignment that applies to the caller at the scope, until
// visit returns false.
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

// evaluation is one iteration over the role assignments of a caller.
type evaluation struct {
	tx     store.Tx
	roles  map[string]*role
	tenant string // folded
	scope  arm.ID
	visit  func(*role) bool
	done   bool // visit has returned false
}

// principal visits the role assignments of one principal that apply at the scope.
func (e *evaluation) principal(id string) error {
	if id == "" || e.done {
		return nil
	}
	prefix, key := indexPrefix(id), e.scope.Key()
	entries, err := e.tx.Records(store.Range{Prefix: prefix, Limit: few})
	if err != nil {
		return err
	}
	for _, rec := range entries {
		if scope := indexScope(rec.Key); scope != "" && reaches(scope, key) {
			e.visitRecord(rec)
		}
	}
	if len(entries) < few {
		return nil
	}
	return e.ancestors(prefix, entries[len(entries)-1].Key)
}

// ancestors continues after a key for a principal with many role assignments. It reads those at the scope and
// at each ancestor, and skips all others.
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
			e.visitRecord(rec)
		}
	}
	return nil
}

// visitRecord is visitRole for a stored index entry.
func (e *evaluation) visitRecord(rec store.Record) {
	if entry, ok := parseIndexEntry(rec); ok {
		e.visitRole(entry)
	}
}

// visitRole visits the role of an assignment, unless the assignment is of another tenant or has a condition.
func (e *evaluation) visitRole(entry indexEntry) {
	if e.done || !entry.appliesIn(e.tenant) {
		return
	}
	if r := e.roles[entry.definition]; r != nil {
		e.done = !e.visit(r)
	}
}

// reaches reports whether an assignment at a scope, in the form of scopeKey, applies to a resource's key: the
// scope is the key, or a part of it that ends before a slash. The tenant in scopes outside of subscriptions
// is not compared here, but in visitRole.
func reaches(scope, key string) bool {
	scope, _, _ = strings.Cut(scope, "\x00")
	if scope == "/" {
		return true
	}
	rest, below := strings.CutPrefix(key, scope)
	return below && (rest == "" || rest[0] == '/')
}
