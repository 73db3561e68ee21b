package rbac

import (
	"midas/internal/arm"
	"midas/internal/store"
)

// grantReader reads the index entries of role assignments of one tenant, and completes them to grants.
type grantReader struct {
	service *Service
	tx      store.Tx
	tenant  string // folded
	list    []*grant
}

// read adds the grants of the index entries with a prefix to the list. If there are more than most of them, it adds
// none and returns false. 0 means no limit.
func (r *grantReader) read(prefix string, most int) (all bool, err error) {
	limit := 0
	if most > 0 {
		limit = most + 1
	}
	entries, err := r.tx.Records(store.Range{Prefix: prefix, Limit: limit})
	if err != nil || most > 0 && len(entries) > most {
		return false, err
	}
	for _, rec := range entries {
		g, ok, err := r.grant(rec)
		if err != nil {
			return false, err
		}
		if ok {
			r.list = append(r.list, &g)
		}
	}
	return true, nil
}

// each calls visit with the grants of the index entries with a prefix, until visit returns false. It reads a few at
// a time, in scans that the store caches.
func (r *grantReader) each(prefix string, visit func(*grant) (more bool)) (more bool, err error) {
	page := store.Range{Prefix: prefix, Limit: few}
	for {
		entries, err := r.tx.Records(page)
		if err != nil {
			return false, err
		}
		for _, rec := range entries {
			g, ok, err := r.grant(rec)
			if err != nil {
				return false, err
			}
			if ok && !visit(&g) {
				return false, nil
			}
			page.After = rec.Key
		}
		if len(entries) < few {
			return true, nil
		}
	}
}

// grant returns the grant of an index entry. ok is false for an entry of another tenant and for one that cannot be
// read: it grants nothing.
func (r *grantReader) grant(rec store.Record) (g grant, ok bool, err error) {
	entry, ok := parseIndexEntry(rec)
	if !ok || !entry.isOf(r.tenant) {
		return grant{}, false, nil
	}
	scope, err := arm.ParseID(baseScope(entry.scope))
	if err != nil || scopeKey(r.tenant, scope) != entry.scope {
		return grant{}, false, nil
	}
	g = entry.grant()
	err = r.service.complete(r.tx, r.tenant, &g)
	return g, err == nil, err
}
