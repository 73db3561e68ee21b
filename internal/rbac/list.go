package rbac

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// Assignment returns one assignment by its scope and name. The tenant is used only for scopes outside of
// subscriptions. If there is no such assignment, the error is an *arm.Error, RoleAssignmentNotFound.
func (s *Service) Assignment(ctx context.Context, tenant string, scope arm.ID, name string) (Assignment, error) {
	if !arm.IsGUID(name) {
		return Assignment{}, errNotFound(name)
	}
	var a Assignment
	err := s.Store.View(ctx, func(tx store.Tx) error {
		var err error
		a, err = load(tx, rowKey(scopeKey(tenant, scope), name))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return Assignment{}, errNotFound(name)
	}
	if err != nil {
		return Assignment{}, fmt.Errorf("read role assignment %s: %w", name, err)
	}
	return a, nil
}

// Sizes of a page of assignments.
const (
	defaultPage = 500
	maxPage     = 1000
)

// Filter selects assignments for a scope. Without PrincipalID and AssignedTo it selects those of all
// principals. It selects the assignments at the scope and above it, also at management groups, and unless AtScope
// is set, those below it. For the root and for a management group, it selects assignments below it only if a
// principal is set.
type Filter struct {
	TenantID string

	AtScope     bool
	PrincipalID string   // given to exactly this principal
	AssignedTo  string   // given to this principal or to one of Groups
	Groups      []string // the groups that AssignedTo is in, directly or not

	After string // the Next of the page before; empty for the first page
	Limit int    // the maximum number of assignments, up to 1,000; 0 means 500
}

// AssignmentPage is one page of assignments. Assignments at the root come first. Next is empty on the last page.
type AssignmentPage struct {
	Assignments []Assignment
	Next        string
}

// ListAssignments returns one page of the assignments that a filter selects at a scope.
func (s *Service) ListAssignments(ctx context.Context, scope arm.ID, f Filter) (AssignmentPage, error) {
	var page AssignmentPage
	err := s.Store.View(ctx, func(tx store.Tx) error {
		var err error
		page, err = s.listPage(tx, scope, f)
		return err
	})
	if err != nil {
		return AssignmentPage{}, fmt.Errorf("list role assignments at %s: %w", scope, err)
	}
	return page, nil
}

// listPage reads the key ranges of a list. They are in ascending order, so the key of the last assignment is
// enough to continue after a page.
func (s *Service) listPage(tx store.Tx, scope arm.ID, f Filter) (AssignmentPage, error) {
	reach, err := s.reachOf(tx, scope, f)
	if err != nil {
		return AssignmentPage{}, err
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	var page AssignmentPage
	last, size := f.After, 0
	for _, prefix := range reach.ranges() {
		examined := 0
		for rec, err := range tx.Scan(store.Range{Prefix: prefix, After: f.After, Limit: limit + 1}) {
			if err != nil {
				return AssignmentPage{}, err
			}
			if len(page.Assignments) == limit {
				page.Next = last
				return page, nil
			}
			a, err := assignmentOf(tx, rec)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return AssignmentPage{}, err
			}
			found := err == nil
			if found {
				if found, err = reach.selects(tx, a); err != nil {
					return AssignmentPage{}, err
				}
			}
			if found {
				if size += a.size(); size > arm.PageBytes && len(page.Assignments) > 0 {
					page.Next = last
					return page, nil
				}
				page.Assignments = append(page.Assignments, a)
			}
			examined++
			last = rec.Key
		}
		if examined > limit { // some were not selected
			page.Next = last
			return page, nil
		}
	}
	return page, nil
}

// principals returns the selected principals without duplicates, in the order of their keys. None means all.
func (f Filter) principals() []string {
	wanted := []string{f.PrincipalID, f.AssignedTo}
	if f.AssignedTo != "" {
		wanted = append(wanted, f.Groups...)
	}
	for i := range wanted {
		wanted[i] = arm.Fold(wanted[i])
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	return slices.DeleteFunc(wanted, func(p string) bool { return p == "" })
}

// assignmentOf returns the assignment of a record, which is the assignment itself or its index entry.
func assignmentOf(tx store.Tx, rec store.Record) (Assignment, error) {
	if !store.AssignmentByPrincipalIndex.Holds(rec.Key) {
		return assignments.Decode(rec)
	}
	entry, ok := parseIndexEntry(rec)
	if !ok {
		return Assignment{}, fmt.Errorf("malformed index entry %q", rec.Key)
	}
	return load(tx, rowKey(entry.scope, entry.name()))
}
