package management

import (
	"context"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/resource"
	"midas/internal/store"
)

// listEligibleChildren lists what lies directly below a management group, a subscription or a resource group and
// is visible to the caller. A caller without a role there gets an empty list, and does not learn whether the scope
// exists.
func (h *Handler) listEligibleChildren(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	keep, err := wire.ParseEligibleFilter(r.Query.Get("$filter"))
	if err != nil {
		return nil, err
	}
	visible := false
	err = h.Store.View(ctx, func(tx store.Tx) (err error) {
		visible, err = h.RBAC.Visible(tx, r.Caller, r.ID())
		return err
	})
	if err != nil {
		return nil, err
	}
	list := wire.List[wire.EligibleChild]{Value: []wire.EligibleChild{}}
	if !visible && !hierarchy.IsGroup(r.ID()) {
		return ok(list)
	}
	children, next, err := h.childrenOf(ctx, r, p)
	if err != nil {
		return nil, err
	}
	for _, child := range children {
		if keep(child.Type) {
			list.Value = append(list.Value, child)
		}
	}
	list.NextLink = h.nextLink(r, p, next)
	return ok(list)
}

// childrenOf returns one page of the children of a scope that the caller may read.
func (h *Handler) childrenOf(ctx context.Context, r *Request, p page) (children []wire.EligibleChild, next string, err error) {
	scope := r.ID()
	if hierarchy.IsGroup(scope) {
		children, err = h.childrenOfGroup(ctx, r)
		return children, "", err
	}
	part := h.part(r, p) // the extent is not known, so each record is decided
	var found resource.Page
	switch {
	case scope.IsSubscription():
		found, err = h.Resources.List(ctx, scope, arm.TypeResourceGroup, part)
	case scope.IsResourceGroup():
		found, err = h.Resources.All(ctx, scope, part)
	}
	for _, rec := range found.Records {
		children = append(children, wire.EligibleChild{ID: rec.ID, Name: rec.Name, Type: wire.EligibleType(rec.Type)})
	}
	return children, found.Next, err
}

// childrenOfGroup returns the groups below a management group that the caller may read, and the subscriptions in
// which it has a role.
func (h *Handler) childrenOfGroup(ctx context.Context, r *Request) (children []wire.EligibleChild, err error) {
	const read = "microsoft.management/managementgroups/read"
	err = h.Store.View(ctx, func(tx store.Tx) error {
		children = nil
		tree, err := h.Hierarchy.Tree(tx, r.Caller.TenantID, r.ID().Name(), true)
		if arm.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, node := range tree.Children(r.ID().Name()) {
			id, visible := node.ID(), false
			if node.Group == nil {
				visible, err = h.RBAC.Visible(tx, r.Caller, id)
			} else {
				visible, err = h.RBAC.Authorize(tx, r.Caller, read, id)
			}
			if err != nil {
				return err
			}
			if visible {
				children = append(children, wire.EligibleChild{ID: strings.TrimSuffix(id.String(), "/"), Name: node.Name(), Type: wire.EligibleType(id.Type())})
			}
		}
		return nil
	})
	return children, err
}
