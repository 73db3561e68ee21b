package management

import (
	"context"
	"net/http"

	"midas/internal/activity"
	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/store"
)

const typeDenyAssignments arm.Type = "Microsoft.Authorization/denyAssignments"

// denyOperations returns the operations on deny assignments. Versions before 2024-07-01-preview only read.
func (h *Handler) denyOperations() []Operation {
	const perform = string(typeDenyAssignments) + "/"
	all := []arm.Version{"2018-07-01-preview", "2019-03-01-preview", "2022-04-01", "2024-07-01-preview"}
	rows := []Operation{
		{Method: http.MethodGet, Target: arm.Collection, Perform: perform + "read", Versions: all, Serve: h.listDenyAssignments},
		{Method: http.MethodGet, Target: arm.Instance, Perform: perform + "read", Versions: all, Serve: h.getDenyAssignment},
		{Method: http.MethodPut, Target: arm.Instance, Perform: perform + "write", Versions: all[3:], Serve: h.putDenyAssignment},
		{Method: http.MethodDelete, Target: arm.Instance, Perform: perform + "delete", Versions: all[3:], Serve: h.deleteDenyAssignment},
	}
	for i := range rows {
		rows[i].Type, rows[i].At = typeDenyAssignments, arm.AnyLevel
	}
	return rows
}

// decide asks RBAC for a request. It keeps the error that names a deny assignment or says that a condition is not
// fulfilled, and a deny assignment that audits.
func (h *Handler) decide(tx store.Tx, r *Request, op *Operation) (bool, error) {
	r.denied, r.audited = nil, rbac.DenyAssignment{}
	d, err := h.RBAC.Decide(tx, rbac.Access{Caller: r.Caller, Action: op.actionKey(r), Scope: r.ID(), Undecided: op.Delegable})
	if err != nil {
		return false, err
	}
	if d.Audit.Name != "" {
		if r.audited, err = h.RBAC.DenyAssignmentOf(tx, r.Caller.TenantID, d.Audit); err != nil {
			return false, err
		}
	}
	switch {
	case d.Effect == rbac.Denied && d.Assignment.Name != "":
		r.denied, err = h.RBAC.ErrDenied(tx, r.Caller, r.Action, r.ID(), d.Deny)
		return false, err
	case d.Effect == rbac.NotAllowed && d.Conditional:
		r.denied = d.Refusal(r.Caller, r.Action, r.ID())
	case d.Effect == rbac.Allowed && op.Locks == lock.Delete:
		return h.mayDeleteBelow(tx, r, r.ID())
	}
	return d.Effect == rbac.Allowed, nil
}

// mayDeleteBelow reports whether no deny assignment below the scope of a deletion denies the caller to delete what it protects.
func (h *Handler) mayDeleteBelow(tx store.Tx, r *Request, scope arm.ID) (bool, error) {
	a, ref, err := h.RBAC.DenyingBelow(tx, r.Caller, scope)
	if err != nil || ref.Name == "" {
		return err == nil, err
	}
	r.denied, err = h.RBAC.ErrDenied(tx, r.Caller, string(a.Scope.Type())+"/delete", a.Scope, ref)
	return false, err
}

// errUnauthorized is the 403 for a request that is not allowed.
func (h *Handler) errUnauthorized(r *Request) *arm.Error {
	err := h.errAuthorizationFailed(r, r.Action, r.ID())
	if r.denied != nil {
		r.denied.Info = err.Info
		return r.denied
	}
	return err
}

// recordAudit writes to the activity log that a deny assignment with the effect Audit would have denied a request. Such
// events are counted and bounded like those of refusals.
func (h *Handler) recordAudit(ctx context.Context, r *Request) error {
	if r.audited.Name == "" {
		return nil
	}
	ev := h.event(r)
	ev.Operation, ev.ErrorCode = string(typeDenyAssignments)+"/audit/action", "DenyAssignmentAudit"
	ev.Status, ev.ResourceType = activity.Succeeded, string(typeDenyAssignments)
	ev.URI = r.audited.Scope + "/providers/" + string(typeDenyAssignments) + "/" + r.audited.Name
	return h.Activity.Refuse(ctx, ev)
}

func (h *Handler) listDenyAssignments(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	filter, err := rbac.ParseDenyFilter(r.Query.Get("$filter"))
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
	found, err := h.RBAC.ListDenyAssignments(ctx, r.ID(), filter)
	if err != nil {
		return nil, err
	}
	value := make([]wire.DenyAssignment, len(found.DenyAssignments))
	for i, d := range found.DenyAssignments {
		value[i] = wire.EncodeDenyAssignment(r.Version, d)
	}
	return ok(wire.List[wire.DenyAssignment]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

func (h *Handler) getDenyAssignment(ctx context.Context, r *Request) (*Response, error) {
	d, err := h.RBAC.DenyAssignment(ctx, r.Caller.TenantID, r.ID().Base(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeDenyAssignment(r.Version, d))
}

func (h *Handler) putDenyAssignment(ctx context.Context, r *Request) (*Response, error) {
	var body wire.DenyAssignmentBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	scope := r.ID().Base()
	wanted, err := body.DenyAssignment(scope, r.ID().Name())
	if err != nil {
		return nil, err
	}
	put, created, err := h.RBAC.PutDenyAssignment(ctx, h.event(r), scope, wanted)
	if err != nil {
		return nil, err
	}
	return createdOrOK(created, wire.EncodeDenyAssignment(r.Version, put)), nil
}

func (h *Handler) deleteDenyAssignment(ctx context.Context, r *Request) (*Response, error) {
	d, existed, err := h.RBAC.DeleteDenyAssignment(ctx, h.event(r), r.ID().Base(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	if !existed {
		return deleted(false)
	}
	return ok(wire.EncodeDenyAssignment(r.Version, d))
}
