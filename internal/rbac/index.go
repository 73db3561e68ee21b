package rbac

import (
	"bytes"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// An index entry of a role assignment is what Authorize reads. Its key is
// g/<principal>\x00<scope>\x00<role definition>, so it also guards that a principal has a role at a scope once.
// Its value is "<tenant> <name of the assignment>", followed by " conditional" if the assignment has a
// condition. Only this file knows this format.

const (
	lenGUID     = 36
	lenPrefix   = len("g/") // of store.AssignmentByPrincipalIndex
	conditional = " conditional"
)

// indexPrefix is the prefix of the index entries of a principal.
func indexPrefix(principal string) string {
	return store.AssignmentByPrincipalIndex.Keys + arm.Fold(principal) + "\x00"
}

// indexKey is the key of an assignment's index entry. The scope has the form of scopeKey.
func indexKey(principal, scope, definition string) string {
	return indexPrefix(principal) + scope + "\x00" + arm.Fold(definition)
}

// indexValue is the value of an assignment's index entry.
func (a *Assignment) indexValue() []byte {
	value := arm.Fold(a.TenantID) + " " + arm.Fold(a.Name)
	if a.Condition != nil {
		value += conditional
	}
	return []byte(value)
}

// indexEntry is an index entry whose key is parsed. Its parts share the memory of the record.
type indexEntry struct {
	principal, scope, definition string // the scope has the form of scopeKey
	value                        []byte
}

// indexScope is the scope in the key of an index entry, in the form of scopeKey; empty if the key is invalid.
func indexScope(key string) string {
	const begin, end = lenPrefix + lenGUID + 1, lenGUID + 1 // the ids of principals and roles are GUIDs
	if len(key) <= begin+end {
		return ""
	}
	return key[begin : len(key)-end]
}

// parseIndexEntry parses an index entry.
func parseIndexEntry(rec store.Record) (e indexEntry, ok bool) {
	scope := indexScope(rec.Key)
	if scope == "" {
		return indexEntry{}, false
	}
	principal, definition := rec.Key[lenPrefix:lenPrefix+lenGUID], rec.Key[len(rec.Key)-lenGUID:]
	return indexEntry{principal: principal, scope: scope, definition: definition, value: rec.Value}, true
}

// isOf reports whether the assignment is of a tenant, which is folded.
func (e indexEntry) isOf(tenant string) bool {
	n := len(tenant)
	return len(e.value) > n && e.value[n] == ' ' && string(e.value[:n]) == tenant
}

// grant returns the assignment of the entry as the evaluation sees it.
func (e indexEntry) grant() grant {
	return grant{
		principal: e.principal, scope: e.scope, base: baseScope(e.scope), definition: e.definition, name: e.name(),
		conditional: bytes.HasSuffix(e.value, []byte(conditional)),
	}
}

// name is the folded name of the assignment.
func (e indexEntry) name() string {
	_, name, _ := strings.Cut(strings.TrimSuffix(string(e.value), conditional), " ")
	return name
}
