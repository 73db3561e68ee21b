package lock

import (
	"context"

	"midas/internal/arm"
	"midas/internal/odata"
	"midas/internal/store"
)

// Filter selects locks for a scope: those at the scope and above it and, unless AtScope is set, those below it.
type Filter struct {
	AtScope bool
	After   string // the Next of the page before; empty for the first page
	Limit   int    // the maximum number of locks, up to 1,000; 0 means 100
}

// ParseFilter parses the $filter of a list: an empty one, or atScope(). The error for other filters is an *arm.Error.
func ParseFilter(filter string) (Filter, error) {
	terms, err := odata.Parse(filter)
	if err != nil || len(terms) > 1 {
		return Filter{}, errFilter(filter)
	}
	for _, term := range terms {
		if term.Op != odata.Call || !arm.SameName(term.Name, "atScope") || term.Value != "" {
			return Filter{}, errFilter(filter)
		}
	}
	return Filter{AtScope: len(terms) == 1}, nil
}

// Page is one page of locks, the outermost first. Next is empty on the last page.
type Page struct {
	Locks []Lock
	Next  string
}

// List returns one page of the locks that a filter selects. The scope must be within a subscription.
func (s *Service) List(ctx context.Context, scope arm.ID, f Filter) (Page, error) {
	var all set
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.set(tx, scope)
		return err
	})
	if err != nil {
		return Page{}, err
	}
	found := all.reaching(scope)
	if !f.AtScope {
		found = append(found, all.below(store.LockKind.Keys+scope.Key()+"/")...)
	}
	return f.page(found), nil
}

// page returns the part of the locks that the filter asks for. They are in the order of their keys.
func (f Filter) page(all set) Page {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maximumPage)
	page := Page{Locks: []Lock{}}
	last := ""
	for _, l := range all {
		if l.key <= f.After {
			continue
		}
		if len(page.Locks) == limit {
			page.Next = last
			break
		}
		page.Locks, last = append(page.Locks, l.Lock), l.key
	}
	return page
}
