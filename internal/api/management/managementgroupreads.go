package management

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/rbac"
	"midas/internal/store"
)

const (
	groupRead  = "microsoft.management/managementgroups/read"
	groupWrite = "microsoft.management/managementgroups/write"
	groupEnd   = "microsoft.management/managementgroups/delete"
)

// listManagementGroups lists the groups that the caller may read.
func (h *Handler) listManagementGroups(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	var readable []hierarchy.Node
	err = h.Store.View(ctx, func(tx store.Tx) error {
		tree, err := h.Hierarchy.Tree(tx, r.Caller.TenantID, r.Caller.TenantID, false)
		if err != nil {
			return err
		}
		readable, err = h.filterNodes(tree.Nodes, func(n hierarchy.Node) (bool, error) {
			return h.RBAC.Authorize(tx, r.Caller, groupRead, n.ID())
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	value := []wire.ManagementGroupInfo{}
	nodes, next := pageOf(readable, p)
	for _, n := range nodes {
		value = append(value, wire.EncodeManagementGroupInfo(r.Version, *n.Group))
	}
	return ok(wire.List[wire.ManagementGroupInfo]{Value: value, NextLink: h.nextLink(r, p, next)})
}

// filterNodes returns the nodes that keep selects.
func (h *Handler) filterNodes(nodes []hierarchy.Node, keep func(hierarchy.Node) (bool, error)) (kept []hierarchy.Node, err error) {
	for _, n := range nodes {
		wanted, err := keep(n)
		if err != nil {
			return nil, err
		}
		if wanted {
			kept = append(kept, n)
		}
	}
	return kept, nil
}

// pageOf returns a page of nodes in the order of their keys, and the position of the next page.
func pageOf(nodes []hierarchy.Node, p page) (part []hierarchy.Node, next string) {
	key := func(n hierarchy.Node) string { return n.ID().Key() }
	sortNodes(nodes)
	first, found := slices.BinarySearchFunc(nodes, p.after, func(n hierarchy.Node, after string) int { return cmp.Compare(key(n), after) })
	if found {
		first++
	}
	nodes = nodes[first:]
	if len(nodes) <= p.limit {
		return nodes, ""
	}
	return nodes[:p.limit], key(nodes[p.limit-1])
}

func sortNodes(nodes []hierarchy.Node) {
	slices.SortFunc(nodes, func(a, b hierarchy.Node) int { return cmp.Compare(a.ID().Key(), b.ID().Key()) })
}

// getManagementGroup returns a group, with $expand its children, its path or its ancestors.
func (h *Handler) getManagementGroup(ctx context.Context, r *Request) (*Response, error) {
	e, err := groupExpansion(r)
	if err != nil {
		return nil, err
	}
	var out wire.ManagementGroup
	err = h.Store.View(ctx, func(tx store.Tx) error {
		g, err := h.Hierarchy.Get(tx, r.Caller.TenantID, r.ID().Name())
		if err != nil {
			return err
		}
		above, err := h.Hierarchy.GroupsAbove(tx, r.Caller.TenantID, g.ID())
		if err != nil {
			return err
		}
		out = wire.EncodeManagementGroup(r.Version, g, above)
		out.Expand(e.what, g, above)
		if !e.children {
			return nil
		}
		tree, err := h.Hierarchy.Tree(tx, r.Caller.TenantID, g.Name, e.subscriptions)
		out.Properties.Children = wire.EncodeChildren(r.Version, tree, g.Name, e.recurse)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ok(out)
}

// expansion is what a request for a group asks for in addition.
type expansion struct {
	what                             string
	children, recurse, subscriptions bool
}

func groupExpansion(r *Request) (expansion, error) {
	e := expansion{what: r.Query.Get("$expand"), subscriptions: true}
	e.children = arm.SameName(e.what, "children")
	if e.what != "" && !e.children && !arm.SameName(e.what, "path") && !arm.SameName(e.what, "ancestors") {
		return e, arm.Errorf(http.StatusBadRequest, "InvalidExpand", "The value '%s' of $expand is not supported. Supported are children, path and ancestors.", e.what)
	}
	if recurse := r.Query.Get("$recurse"); recurse != "" {
		var err error
		if e.recurse, err = strconv.ParseBool(arm.Fold(recurse)); err != nil {
			return e, arm.Errorf(http.StatusBadRequest, "InvalidRecurse", "The value '%s' of $recurse is neither true nor false.", recurse)
		}
	}
	if e.recurse && !e.children {
		return e, arm.Errorf(http.StatusBadRequest, "InvalidRecurse", "$recurse=true needs $expand=children.")
	}
	if filter := r.Query.Get("$filter"); filter != "" {
		words := strings.Fields(arm.Fold(filter))
		if !slices.Equal(words, []string{"children.childtype", "ne", "subscription"}) {
			return e, arm.Errorf(http.StatusBadRequest, "InvalidFilter", "The filter '%s' is not supported. Supported is children.childType ne Subscription.", filter)
		}
		e.subscriptions = false
	}
	return e, nil
}

// listDescendants lists all groups and subscriptions below a group.
func (h *Handler) listDescendants(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	var tree hierarchy.Tree
	err = h.Store.View(ctx, func(tx store.Tx) error {
		tree, err = h.Hierarchy.Tree(tx, r.Caller.TenantID, r.ID().Name(), true)
		return err
	})
	if err != nil {
		return nil, err
	}
	parents := map[string]arm.ID{}
	for _, n := range tree.Nodes {
		if n.Group != nil {
			parents[arm.Fold(n.Group.Name)] = n.ID()
		}
	}
	nodes, next := pageOf(tree.Nodes[1:], p)
	value := []wire.Descendant{}
	for _, n := range nodes {
		value = append(value, wire.EncodeDescendant(r.Version, n, parents[n.Parent]))
	}
	return ok(wire.List[wire.Descendant]{Value: value, NextLink: h.nextLink(r, p, next)})
}

// checkGroupName tells whether a name is free for a new group.
func (h *Handler) checkGroupName(ctx context.Context, r *Request) (*Response, error) {
	var body struct{ Name, Type string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	typ := strings.TrimPrefix(arm.Fold(body.Type), "/providers/")
	if body.Type != "" && !hierarchy.Type.Is(arm.Type(typ)) {
		return nil, arm.ErrInvalidContent("The type '%s' is not %s", body.Type, hierarchy.Type)
	}
	if err := hierarchy.CheckName(body.Name); err != nil {
		reason, message := "Invalid", err.Error()
		if refusal := (*arm.Error)(nil); errors.As(err, &refusal) {
			message = refusal.Message
		}
		return ok(wire.NameAvailability{Reason: &reason, Message: &message})
	}
	exists := false
	err := h.Store.View(ctx, func(tx store.Tx) (err error) {
		exists, err = h.Hierarchy.Exists(tx, r.Caller.TenantID, body.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if exists {
		reason, message := "AlreadyExists", "The group with the specified name already exists"
		return ok(wire.NameAvailability{Reason: &reason, Message: &message})
	}
	return ok(wire.NameAvailability{Available: true})
}

// tenantBackfill answers that all subscriptions are in the hierarchy. They always are.
func (h *Handler) tenantBackfill(_ context.Context, r *Request) (*Response, error) {
	return ok(wire.TenantBackfill{TenantID: r.Caller.TenantID, Status: "Completed"})
}

// permissionsAt returns what the caller may do with a group or a subscription, in the words of getEntities.
func (h *Handler) permissionsAt(tx store.Tx, caller rbac.Caller, scope arm.ID) (string, error) {
	for _, row := range [...]struct{ action, word string }{{groupEnd, "delete"}, {groupWrite, "edit"}, {groupRead, "view"}} {
		allowed, err := h.RBAC.Authorize(tx, caller, row.action, scope)
		if err != nil || allowed {
			return row.word, err
		}
	}
	if scope.IsSubscription() {
		visible, err := h.RBAC.Visible(tx, caller, scope)
		if err != nil || visible {
			return "view", err
		}
	}
	return "noaccess", nil
}
