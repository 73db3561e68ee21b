package rbac

import (
	"context"
	"fmt"
	"net/http"

	"midas/internal/arm"
	"midas/internal/store"
)

// readDefinitions is the action that is needed to read custom roles.
const readDefinitions = "microsoft.authorization/roledefinitions/read"

// DefinitionQuery asks for the role definitions at a scope: the built-in roles, and the custom roles of the
// caller's tenant that can be assigned at the scope. At the root, these are the custom roles that the caller may
// read at one of their assignable scopes.
type DefinitionQuery struct {
	Caller Caller
	Scope  arm.ID
	Filter DefinitionFilter
	After  string // the Next of the page before; empty for the first page
	Limit  int    // the maximum number of custom roles, up to 1,000; 0 means 500
}

// DefinitionPage is one page of role definitions. The built-in roles are all on the first page. Next is empty on
// the last page.
type DefinitionPage struct {
	Definitions []Definition
	Next        string
}

// ListDefinitions returns one page of the role definitions that a query asks for.
func (s *Service) ListDefinitions(ctx context.Context, q DefinitionQuery) (page DefinitionPage, err error) {
	if q.Limit = min(q.Limit, maxPage); q.Limit <= 0 {
		q.Limit = defaultPage
	}
	err = s.Store.View(ctx, func(tx store.Tx) error {
		page = DefinitionPage{}
		if q.After == "" && !arm.SameName(q.Filter.Type, CustomRole) {
			if page.Definitions, err = s.builtins(tx, q.Filter); err != nil {
				return err
			}
		}
		if arm.SameName(q.Filter.Type, BuiltInRole) {
			return nil
		}
		return s.readCustom(tx, q, &page)
	})
	if err != nil {
		return DefinitionPage{}, fmt.Errorf("list role definitions at %s: %w", q.Scope, err)
	}
	return page, nil
}

// builtins returns the built-in roles that a filter selects.
func (s *Service) builtins(tx store.Tx, f DefinitionFilter) (selected []Definition, err error) {
	library, err := s.library(tx)
	if err != nil {
		return nil, err
	}
	all, err := library.all()
	for _, d := range all {
		if f.Match(d) {
			selected = append(selected, d)
		}
	}
	return selected, err
}

// readCustom adds the custom roles of a page. It examines a bounded number of roles.
func (s *Service) readCustom(tx store.Tx, q DefinitionQuery, page *DefinitionPage) error {
	lineage, err := s.lineage(tx, q.Caller.TenantID, q.Scope)
	if err != nil {
		return err
	}
	size, examined, last := 0, 0, ""
	prefix := store.CustomRoleKind.Keys + arm.Fold(q.Caller.TenantID) + "/"
	for row, err := range customRoles.Scan(tx, store.Range{Prefix: prefix, After: q.After, Limit: maxPage + 1}) {
		if err != nil {
			return err
		}
		shown := q.Filter.Match(row.Data)
		if shown {
			if shown, err = s.shows(tx, q, lineage, row.Data); err != nil {
				return err
			}
		}
		if shown {
			size += len(row.Value) + 2*len(row.Data.AssignableScopes)
		}
		if examined == maxPage || shown && (size > arm.PageBytes && examined > 0 || q.Limit == 0) {
			page.Next = last
			return nil
		}
		if shown {
			page.Definitions = append(page.Definitions, row.Data)
			q.Limit--
		}
		examined++
		last = row.Key
	}
	return nil
}

// shows reports whether a query finds a custom role. lineage has the scope, and what is above it.
func (s *Service) shows(tx store.Tx, q DefinitionQuery, lineage map[string]bool, d Definition) (bool, error) {
	for _, text := range d.AssignableScopes {
		scope, err := arm.ParseID(text)
		if err != nil {
			return false, fmt.Errorf("role %s: assignable scope %q: %w", d.ID, text, err)
		}
		found := lineage[scope.Key()]
		switch {
		case found:
		case q.Scope.IsRoot():
			found, err = s.Authorize(tx, q.Caller, readDefinitions, scope)
		case q.Filter.AtScopeAndBelow:
			var above map[string]bool
			above, err = s.lineage(tx, d.TenantID, scope)
			found = above[q.Scope.Key()]
		}
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// Definition returns a role as a caller reads it at a scope. A custom role exists at its assignable scopes, above
// and below them; at the root, for callers that may read it at one of these. The error is an *arm.Error,
// RoleDefinitionDoesNotExist (404), if there is no such role.
func (s *Service) Definition(ctx context.Context, caller Caller, scope arm.ID, guid string) (d Definition, err error) {
	found := false
	err = s.Store.View(ctx, func(tx store.Tx) error {
		r, err := s.role(tx, caller.TenantID, arm.Fold(guid))
		if found = r != nil; err != nil || !found {
			return err
		}
		if d = r.Definition; !d.IsCustom() {
			return nil
		}
		lineage, err := s.lineage(tx, caller.TenantID, scope)
		if err != nil {
			return err
		}
		found, err = s.shows(tx, DefinitionQuery{Caller: caller, Scope: scope, Filter: DefinitionFilter{AtScopeAndBelow: true}}, lineage, d)
		return err
	})
	if err == nil && !found {
		return Definition{}, ErrDefinitionNotFound(http.StatusNotFound, guid)
	}
	if err != nil {
		return Definition{}, fmt.Errorf("read role definition %s: %w", arm.Clip(guid), err)
	}
	return d, nil
}
