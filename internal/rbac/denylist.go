package rbac

import (
	"context"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/odata"
	"midas/internal/store"
)

// DenyFilter selects deny assignments for a scope: those at the scope and above it and, unless AtScope is set, those
// below it. The other fields select among these; empty fields select everything.
type DenyFilter struct {
	TenantID string

	AtScope     bool
	DisplayName string
	PrincipalID string   // in the principals
	Concerned   string   // gdprExportPrincipalId: in the principals or among the excluded ones
	AssignedTo  string   // in the principals, itself or by one of Groups, and not excluded
	Groups      []string // the groups that AssignedTo is in, directly or not

	After string // the Next of the page before; empty for the first page
	Limit int    // the maximum number of deny assignments, up to 1,000; 0 means 500
}

// ParseDenyFilter parses the $filter of a list of deny assignments. The error is an *arm.Error, UnsupportedQuery (400).
func ParseDenyFilter(filter string) (f DenyFilter, err error) {
	const supported = "'atScope()', 'denyAssignmentName eq '{value}'', 'principalId eq '{value}'', 'gdprExportPrincipalId eq '{value}'' and 'assignedTo('{value}')'"
	terms, err := odata.Parse(filter)
	if err != nil {
		return DenyFilter{}, errFilter(filter, supported)
	}
	for _, term := range terms {
		id, isGUID := arm.ParseGUID(term.Value)
		switch isGUID = isGUID && term.Quoted; {
		case is(term, "atScope", odata.Call) && term.Value == "" && !f.AtScope:
			f.AtScope = true
		case is(term, "denyAssignmentName", "eq") && term.Quoted && term.Value != "" && f.DisplayName == "":
			f.DisplayName = term.Value
		case is(term, "principalId", "eq") && isGUID && f.PrincipalID == "":
			f.PrincipalID = id
		case is(term, "gdprExportPrincipalId", "eq") && isGUID && f.Concerned == "":
			f.Concerned = id
		case is(term, "assignedTo", odata.Call) && isGUID && f.AssignedTo == "":
			f.AssignedTo = id
		default:
			return DenyFilter{}, errFilter(filter, supported)
		}
	}
	return f, nil
}

// DenyPage is one page of deny assignments, in the order of their keys. Next is empty on the last page.
type DenyPage struct {
	DenyAssignments []DenyAssignment
	Next            string
}

// ListDenyAssignments returns one page of the deny assignments that a filter selects at a scope.
func (s *Service) ListDenyAssignments(ctx context.Context, scope arm.ID, f DenyFilter) (page DenyPage, err error) {
	limit := f.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	err = s.Store.View(ctx, func(tx store.Tx) error {
		page = DenyPage{}
		selected, err := s.selectDenies(tx, scope, f)
		if err != nil {
			return err
		}
		last := ""
		for _, d := range selected {
			if d.key <= f.After {
				continue
			}
			if len(page.DenyAssignments) == limit {
				page.Next = last
				return nil
			}
			page.DenyAssignments, last = append(page.DenyAssignments, d.DenyAssignment), d.key
		}
		return nil
	})
	if err != nil {
		return DenyPage{}, fmt.Errorf("list deny assignments at %s: %w", scope, err)
	}
	return page, nil
}

func (s *Service) selectDenies(tx store.Tx, scope arm.ID, f DenyFilter) (selected []*deny, err error) {
	set, err := s.denies(tx, f.TenantID)
	if err != nil || set == nil {
		return nil, err
	}
	above, err := s.keysAbove(tx, f.TenantID, scope)
	if err != nil {
		return nil, err
	}
	for _, d := range set.all {
		if !f.matches(d) {
			continue
		}
		listed := d.scope == scope.Key() || slices.Contains(above, d.scope)
		if !listed && !f.AtScope {
			if listed, err = s.isBelow(tx, d, scope); err != nil {
				return nil, err
			}
		}
		if listed {
			selected = append(selected, d)
		}
	}
	return selected, nil
}

// keysAbove returns the keys of the scopes above a scope: its ancestors, and the management groups above it.
func (s *Service) keysAbove(tx store.Tx, tenant string, scope arm.ID) (keys []string, err error) {
	for up := range scope.Ancestors() {
		keys = append(keys, up.Key())
	}
	if s.Above == nil {
		return keys, nil
	}
	groups, err := s.Above(tx, tenant, scope)
	for _, g := range groups {
		keys = append(keys, g.Key())
	}
	return keys, err
}

// isBelow reports whether the scope of a deny assignment is below another one.
func (s *Service) isBelow(tx store.Tx, d *deny, scope arm.ID) (bool, error) {
	if scope.IsRoot() || within(scope.Key(), d.scope) {
		return true, nil
	}
	at, err := arm.ParseID(d.Scope)
	if err != nil {
		return false, err
	}
	above, err := s.keysAbove(tx, d.TenantID, at)
	return slices.Contains(above, scope.Key()), err
}

// matches reports whether the filter selects a deny assignment among those of its scopes.
func (f DenyFilter) matches(d *deny) bool {
	has := func(list []DenyPrincipal, id string) bool {
		return slices.ContainsFunc(list, func(p DenyPrincipal) bool { return arm.SameName(p.ID, id) })
	}
	return (f.DisplayName == "" || arm.SameName(f.DisplayName, d.DisplayName)) &&
		(f.PrincipalID == "" || has(d.Principals, f.PrincipalID)) &&
		(f.Concerned == "" || has(d.Principals, f.Concerned) || has(d.ExcludePrincipals, f.Concerned)) &&
		(f.AssignedTo == "" || d.concerns(&Caller{ObjectID: f.AssignedTo, Groups: f.Groups}))
}
