package rbac

import (
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// evaluation is one iteration over the role assignments of a caller.
type evaluation struct {
	service *Service
	tx      store.Tx
	tenant  string // folded
	scope   arm.ID
	visit   func(grant) (more bool, err error)
	done    bool // visit wants no more

	above      []string // the keys of the management groups above the scope
	aboveKnown bool
}

// few is the number of index entries of a principal that one scan reads. Nearly every principal has fewer, so
// one scan, which the store caches, is enough for all scopes.
const few = 64

// effective calls visit with each assignment that applies to the caller at the scope, until visit returns
// false. It does not evaluate conditions.
func (s *Service) effective(tx store.Tx, caller Caller, scope arm.ID, visit func(grant) (more bool, err error)) error {
	e := evaluation{service: s, tx: tx, tenant: arm.Fold(caller.TenantID), scope: scope, visit: visit}
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

// principal visits the role assignments of one principal that apply at the scope.
func (e *evaluation) principal(id string) error {
	if id == "" || e.done {
		return nil
	}
	prefix := indexPrefix(id)
	entries, err := e.tx.Records(store.Range{Prefix: prefix, Limit: few})
	if err != nil {
		return err
	}
	for _, rec := range entries {
		applies, err := e.reaches(indexScope(rec.Key))
		if err == nil && applies {
			err = e.visitRecord(rec)
		}
		if err != nil {
			return err
		}
	}
	if len(entries) < few {
		return nil
	}
	return e.ancestors(prefix, entries[len(entries)-1].Key)
}

// ancestors continues after a key for a principal with many role assignments. It reads those at the scope and
// at each scope above it, and skips all others.
func (e *evaluation) ancestors(prefix, after string) error {
	if err := e.findAbove(); err != nil {
		return err
	}
	var scopes []string
	for up := range e.scope.Ancestors() {
		scopes = append(scopes, scopeKey(e.tenant, up))
	}
	for _, group := range e.above {
		scopes = append(scopes, group+"\x00"+e.tenant)
	}
	for _, scope := range scopes {
		for rec, err := range e.tx.Scan(store.Range{Prefix: prefix + scope + "\x00", After: after}) {
			if e.done {
				return nil
			}
			if err == nil {
				err = e.visitRecord(rec)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// visitRecord visits the assignment of an index entry, unless it is of another tenant.
func (e *evaluation) visitRecord(rec store.Record) (err error) {
	entry, ok := parseIndexEntry(rec)
	if e.done || !ok || !entry.isOf(e.tenant) {
		return nil
	}
	more, err := e.visit(entry.grant())
	e.done = !more
	return err
}

// reaches reports whether an assignment at a scope, in the form of scopeKey, applies at the scope of the
// evaluation: the scope is that scope, a part of it that ends before a slash, or a management group above it.
// The tenant in scopes outside of subscriptions is not compared here, but in visitRecord.
func (e *evaluation) reaches(scope string) (bool, error) {
	if scope == "" {
		return false, nil
	}
	base := baseScope(scope)
	if base == "/" || within(base, e.scope.Key()) {
		return true, nil
	}
	if !strings.HasPrefix(base, groupKeys) {
		return false, nil
	}
	err := e.findAbove()
	return slices.Contains(e.above, base), err
}

// groupKeys begins the keys of management groups.
const groupKeys = "/providers/microsoft.management/managementgroups/"

// findAbove finds the management groups above the scope.
func (e *evaluation) findAbove() error {
	if e.aboveKnown || e.service.Above == nil {
		return nil
	}
	above, err := e.service.Above(e.tx, e.tenant, e.scope)
	if err != nil {
		return err
	}
	for _, group := range above {
		e.above = append(e.above, group.Key())
	}
	e.aboveKnown = true
	return nil
}

// baseScope is the scope's key in a text of the form of scopeKey, without the tenant.
func baseScope(scope string) string {
	base, _, _ := strings.Cut(scope, "\x00")
	return base
}

// within reports whether a key is that of a scope or of one below it.
func within(scope, key string) bool {
	rest, below := strings.CutPrefix(key, scope)
	return below && (rest == "" || rest[0] == '/')
}
