package management

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/rbac"
	"midas/internal/store"
)

func (h *Handler) listRoleAssignments(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	filter, err := rbac.ParseAssignmentFilter(r.Query.Get("$filter"))
	if err != nil {
		return nil, err
	}
	if err := h.scopeExists(ctx, r.Caller.TenantID, r.ID()); err != nil {
		return nil, err
	}
	if filter.Groups, err = h.groupsOf(ctx, r.Caller.TenantID, filter.AssignedTo); err != nil {
		return nil, err
	}
	filter.TenantID, filter.After, filter.Limit = r.Caller.TenantID, p.after, p.limit
	found, err := h.RBAC.ListAssignments(ctx, r.ID(), filter)
	if err != nil {
		return nil, err
	}
	value := make([]wire.RoleAssignment, len(found.Assignments))
	for i, a := range found.Assignments {
		value[i] = wire.EncodeRoleAssignment(r.Version, r.ID(), a, false)
	}
	return ok(wire.List[wire.RoleAssignment]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

// groupsOf returns the ids of the groups that a principal is a member of, directly or through other groups.
// It returns none if the principal is empty.
func (h *Handler) groupsOf(ctx context.Context, tenant, principal string) (groups []string, err error) {
	if principal == "" {
		return nil, nil
	}
	err = h.Store.View(ctx, func(tx store.Tx) error {
		groups, err = h.Directory.TransitiveMemberOf(tx, tenant, principal)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the groups of %s: %w", principal, err)
	}
	return groups, nil
}

func (h *Handler) getRoleAssignment(ctx context.Context, r *Request) (*Response, error) {
	a, err := h.RBAC.Assignment(ctx, r.Caller.TenantID, r.ID().Base(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeRoleAssignment(r.Version, r.ID(), a, false))
}

// putRoleAssignment answers 201 also if the assignment existed, as Azure does.
func (h *Handler) putRoleAssignment(ctx context.Context, r *Request) (*Response, error) {
	put, err := h.writeRoleAssignment(ctx, r, false)
	if err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusCreated, Body: wire.EncodeRoleAssignment(r.Version, r.ID(), put, true)}, nil
}

// validateRoleAssignment answers whether a PUT with the same body would succeed.
func (h *Handler) validateRoleAssignment(ctx context.Context, r *Request) (*Response, error) {
	_, err := h.writeRoleAssignment(ctx, r, true)
	var refused *arm.Error
	if errors.As(err, &refused) && refused.Backend && (refused.Status == http.StatusBadRequest || refused.Status == http.StatusConflict) {
		return ok(wire.Validation{ErrorInfo: &wire.ValidationError{Code: refused.Code, Message: refused.Message}})
	}
	if err != nil {
		return nil, err
	}
	return ok(wire.Validation{IsValid: true})
}

func (h *Handler) writeRoleAssignment(ctx context.Context, r *Request, validate bool) (rbac.Assignment, error) {
	var body wire.RoleAssignmentBody
	if err := r.Decode(&body); err != nil {
		return rbac.Assignment{}, err
	}
	if err := h.scopeExists(ctx, r.Caller.TenantID, r.ID().Base()); err != nil {
		return rbac.Assignment{}, err
	}
	wanted, err := body.Write(r.Version, r.ID())
	if err != nil {
		return rbac.Assignment{}, err
	}
	wanted.ValidateOnly, wanted.Caller = validate, &r.Caller
	put, err := h.RBAC.WriteAssignment(ctx, h.event(r), wanted)
	return put, h.recordRefusal(ctx, r, h.explainable(r, err))
}

// getAssignmentUsage returns how many role assignments a subscription has, and how many more it can have.
func (h *Handler) getAssignmentUsage(ctx context.Context, r *Request) (*Response, error) {
	usage := wire.AssignmentUsage{SubscriptionID: r.ID().Subscription()}
	err := h.Store.View(ctx, func(tx store.Tx) (err error) {
		usage.Current, usage.Limit, err = h.RBAC.Count(tx, r.Caller.TenantID, r.ID())
		return err
	})
	usage.Remaining = max(0, usage.Limit-usage.Current)
	if err != nil {
		return nil, err
	}
	return ok(usage)
}

func (h *Handler) deleteRoleAssignment(ctx context.Context, r *Request) (*Response, error) {
	a, existed, err := h.RBAC.DeleteAssignmentBy(ctx, &r.Caller, h.event(r), r.ID().Base(), r.ID().Name())
	if err != nil {
		return nil, h.recordRefusal(ctx, r, h.explainable(r, err))
	}
	if !existed {
		return deleted(false)
	}
	return ok(wire.EncodeRoleAssignment(r.Version, r.ID(), a, false))
}

// listPermissions lists the permissions that the caller has at a scope. A caller without any gets an empty list, and does
// not learn whether the scope exists.
func (h *Handler) listPermissions(ctx context.Context, r *Request) (*Response, error) {
	permissions, err := h.RBAC.Permissions(ctx, r.Caller, r.ID())
	if err == nil && len(permissions) > 0 {
		err = h.scopeExists(ctx, r.Caller.TenantID, r.ID())
	}
	if err != nil {
		return nil, err
	}
	return ok(wire.List[wire.HeldPermission]{Value: wire.EncodeHeldPermissions(r.Version, permissions)})
}

// scopeExists returns an error if the scope is neither the root nor an existing resource, group, subscription or
// management group of the tenant. A scope of the data plane exists if its parent does.
func (h *Handler) scopeExists(ctx context.Context, tenant string, scope arm.ID) error {
	if scope.IsRoot() {
		return nil
	}
	if hierarchy.IsGroup(scope) {
		_, err := h.Hierarchy.Find(ctx, tenant, scope.Name())
		return err
	}
	return h.Resources.FindScope(ctx, scope)
}
