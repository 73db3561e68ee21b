package management

import (
	"context"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/hierarchy"
	"midas/internal/rbac"
	"midas/internal/store"
)

// managementVersions are the api-versions of Microsoft.Management. Source: Azure's description of the provider.
func managementVersions() []arm.Version {
	return []arm.Version{
		"2018-01-01-preview", "2018-03-01-beta", "2018-03-01-preview", "2019-11-01", "2020-02-01", "2020-05-01",
		"2020-10-01", "2021-04-01", "2023-04-01", "2024-02-01-preview",
	}
}

func (h *Handler) managementGroupOperations() []Operation {
	const (
		group        = hierarchy.Type
		subscription = hierarchy.SubscriptionType
		settings     = hierarchy.SettingsType
		descendants  = group + "/descendants"
		result       = "Microsoft.Management/operationResults/managementGroups"
		status       = "Microsoft.Management/operationResults/asyncOperation/managementGroups"
		here         = arm.AtTenant
	)
	return withVersions(managementVersions(), []Operation{
		{Method: "GET", Type: group, Target: arm.Collection, At: here, Serve: h.listManagementGroups},
		{Method: "GET", Type: group, Target: arm.Instance, At: here, Perform: string(group) + "/read", Serve: h.getManagementGroup},
		// The right to create a group depends on its parent, so the transaction that writes the group checks it.
		{Method: "PUT", Type: group, Target: arm.Instance, At: here, Serve: h.putManagementGroup},
		{Method: "PATCH", Type: group, Target: arm.Instance, At: here, Perform: string(group) + "/write", Serve: h.patchManagementGroup},
		{Method: "DELETE", Type: group, Target: arm.Instance, At: here, Perform: string(group) + "/delete", Serve: h.deleteManagementGroup},
		{Method: "GET", Type: descendants, Target: arm.Collection, At: here, Perform: string(descendants) + "/read", Serve: h.listDescendants},

		{Method: "GET", Type: subscription, Target: arm.Collection, At: here, Perform: string(subscription) + "/read", Serve: h.listSubscriptionsBelow},
		{Method: "GET", Type: subscription, Target: arm.Instance, At: here, Perform: string(subscription) + "/read", Serve: h.getSubscriptionBelow},
		{Method: "PUT", Type: subscription, Target: arm.Instance, At: here, Perform: string(subscription) + "/write", Serve: h.putSubscriptionBelow},
		{Method: "DELETE", Type: subscription, Target: arm.Instance, At: here, Perform: string(subscription) + "/delete", Serve: h.deleteSubscriptionBelow},

		{Method: "GET", Type: settings, Target: arm.Collection, At: here, Perform: string(settings) + "/read", Serve: h.listHierarchySettings},
		{Method: "GET", Type: settings, Target: arm.Instance, At: here, Perform: string(settings) + "/read", Serve: h.getHierarchySettings},
		{Method: "PUT", Type: settings, Target: arm.Instance, At: here, Perform: string(settings) + "/write", Serve: h.putHierarchySettings},
		{Method: "PATCH", Type: settings, Target: arm.Instance, At: here, Perform: string(settings) + "/write", Serve: h.patchHierarchySettings},
		{Method: "DELETE", Type: settings, Target: arm.Instance, At: here, Perform: string(settings) + "/delete", Serve: h.deleteHierarchySettings},

		{Method: "GET", Type: result, Target: arm.Instance, At: here, Perform: string(group) + "/read", Own: h.isGroupStarter, Serve: h.getGroupResult},
		{Method: "GET", Type: status, Target: arm.Instance, At: here, Perform: string(group) + "/read", Own: h.isGroupStarter, Serve: h.getGroupStatus},

		{Method: "POST", Type: "Microsoft.Management/checkNameAvailability", Target: arm.Action, At: here, Serve: h.checkGroupName},
		{Method: "POST", Type: "Microsoft.Management/getEntities", Target: arm.Action, At: here, Serve: h.getEntities},
		{Method: "POST", Type: "Microsoft.Management/startTenantBackfill", Target: arm.Action, At: here, Serve: h.tenantBackfill},
		{Method: "POST", Type: "Microsoft.Management/tenantBackfillStatus", Target: arm.Action, At: here, Serve: h.tenantBackfill},
	})
}

// may returns the check of a right of the caller in the transaction of a change.
func (h *Handler) may(r *Request) hierarchy.Allow {
	return func(tx store.Tx, action string, scope arm.ID) error {
		d, err := h.RBAC.Decide(tx, rbac.Access{Caller: r.Caller, Action: arm.Fold(action), Scope: scope})
		if err != nil || d.Effect == rbac.Allowed {
			return err
		}
		refusal := d.Refusal(r.Caller, action, scope)
		if d.Effect == rbac.Denied && d.Assignment.Name != "" {
			if refusal, err = h.RBAC.ErrDenied(tx, r.Caller, action, scope, d.Deny); err != nil {
				return err
			}
		}
		return h.explained(r, refusal, action, scope)
	}
}

// administers returns the check whether the caller is a Global Administrator or may write the root group.
func (h *Handler) administers(r *Request) func(store.Tx) (bool, error) {
	return func(tx store.Tx) (bool, error) {
		roles, err := h.Directory.DirectoryRoles(tx, r.Caller.TenantID, r.Caller.ObjectID)
		if err != nil || directory.IsGlobalAdministrator(roles) {
			return err == nil, err
		}
		root, err := hierarchy.RootID(r.Caller.TenantID)
		if err != nil {
			return false, err
		}
		return h.RBAC.Authorize(tx, r.Caller, groupWrite, root)
	}
}

// putManagementGroup answers 202 for a new group, as Azure does, although the group already exists then.
func (h *Handler) putManagementGroup(ctx context.Context, r *Request) (*Response, error) {
	r.Action = hierarchy.ActionWrite
	var body wire.ManagementGroupBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if body.Name != nil && *body.Name != "" && !arm.SameName(*body.Name, r.ID().Name()) {
		return nil, arm.ErrInvalidContent("The name '%s' is not that of the request", *body.Name)
	}
	w, err := h.groupWrite(r, body)
	if err != nil {
		return nil, err
	}
	w.DisplayName = body.Properties.DisplayName
	if w.Created, err = h.ownerOfGroup(ctx, r); err != nil {
		return nil, err
	}
	g, created, err := h.Hierarchy.Put(ctx, h.event(r), w)
	if err != nil {
		return nil, h.recordRefusal(ctx, r, err)
	}
	if created {
		return h.groupStarted(r, "create"), nil
	}
	return h.groupAnswer(ctx, r, g)
}

func (h *Handler) groupWrite(r *Request, body wire.ManagementGroupBody) (hierarchy.Write, error) {
	w := hierarchy.Write{TenantID: r.Caller.TenantID, Name: r.ID().Name(), Allow: h.may(r), Trusted: h.administers(r)}
	parent, given, err := body.ParentGroup()
	if given {
		w.Parent = &parent
	}
	return w, err
}

// ownerOfGroup returns the function that makes the caller Owner of a new group.
func (h *Handler) ownerOfGroup(ctx context.Context, r *Request) (func(store.Tx, hierarchy.Group) error, error) {
	kind, err := h.Directory.PrincipalType(ctx, r.Caller.TenantID, r.Caller.ObjectID)
	if err != nil {
		return nil, err
	}
	return func(tx store.Tx, g hierarchy.Group) error {
		return h.makeOwner(tx, r, g.ID(), rbac.Assignment{PrincipalID: r.Caller.ObjectID, PrincipalType: kind})
	}, nil
}

// makeOwner gives a principal the role Owner at a scope that is being created.
func (h *Handler) makeOwner(tx store.Tx, r *Request, scope arm.ID, a rbac.Assignment) error {
	a.Name, a.Scope, a.TenantID, a.DefinitionID = h.NewID(), scope.String(), r.Caller.TenantID, rbac.OwnerID
	_, err := h.RBAC.Give(tx, a, r.Caller.ObjectID)
	return err
}

func (h *Handler) patchManagementGroup(ctx context.Context, r *Request) (*Response, error) {
	var body wire.ManagementGroupBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	w, err := h.groupWrite(r, body)
	if err != nil {
		return nil, err
	}
	w.MustExist = true
	if w.DisplayName = body.DisplayName; w.DisplayName == nil {
		w.DisplayName = body.Properties.DisplayName
	}
	g, _, err := h.Hierarchy.Put(ctx, h.event(r), w)
	if err != nil {
		return nil, h.recordRefusal(ctx, r, err)
	}
	return h.groupAnswer(ctx, r, g)
}

func (h *Handler) deleteManagementGroup(ctx context.Context, r *Request) (*Response, error) {
	existed, err := h.Hierarchy.Delete(ctx, h.event(r), r.Caller.TenantID, r.ID().Name())
	if err != nil {
		return nil, err
	}
	if !existed {
		return deleted(false)
	}
	return h.groupStarted(r, "delete"), nil
}

// groupAnswer encodes a group with its parent.
func (h *Handler) groupAnswer(ctx context.Context, r *Request, g hierarchy.Group) (*Response, error) {
	above, err := h.groupsAbove(ctx, r.Caller.TenantID, g.ID())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeManagementGroup(r.Version, g, above))
}

// groupsAbove reads the groups above a group, nearest first.
func (h *Handler) groupsAbove(ctx context.Context, tenant string, id arm.ID) (above []hierarchy.Group, err error) {
	err = h.Store.View(ctx, func(tx store.Tx) error {
		above, err = h.Hierarchy.GroupsAbove(tx, tenant, id)
		return err
	})
	return above, err
}

// pathResults begins the paths of operations that clients poll.
const pathResults = "/providers/Microsoft.Management/operationResults/"

// groupStarted returns the 202 of an operation on a group. The URLs have a sealed token, which lets the caller poll
// the operation without a role at the group.
func (h *Handler) groupStarted(r *Request, kind string) *Response {
	name := r.ID().Name()
	query := "?api-version=" + string(r.Version) + "&t=" + h.sealOperation("", kind+"/"+name, asyncOperation{h.Now(), r.Caller.ObjectID})
	return &Response{Status: http.StatusAccepted, Body: wire.EncodeGroupStarted(r.Version, r.ID()), Header: http.Header{
		"Location":             {h.origin(r) + pathResults + kind + "/managementGroups/" + name + query},
		"Azure-Asyncoperation": {h.origin(r) + pathResults + kind + "/asyncOperation/status/managementGroups/" + name + query},
		"Retry-After":          {retryAfter},
	}}
}

// operationKind returns the kind of the operation that a client polls: create or delete.
func operationKind(r *Request) string {
	top := r.ID()
	for !top.Parent().IsRoot() {
		top = top.Parent()
	}
	return arm.Fold(top.Name())
}

// isGroupStarter reports whether the caller has begun the operation.
func (h *Handler) isGroupStarter(_ store.Tx, r *Request) (bool, error) {
	op, found := h.openSealed("", operationKind(r)+"/"+r.ID().Name(), r.Query.Get("t"))
	return found && arm.SameName(op.starter, r.Caller.ObjectID), nil
}

func (h *Handler) getGroupResult(ctx context.Context, r *Request) (*Response, error) {
	if operationKind(r) == "delete" {
		return &Response{Status: http.StatusNoContent}, nil
	}
	out, err := h.groupOperation(ctx, r)
	if err != nil {
		return nil, err
	}
	id, err := hierarchy.GroupID(out.Name)
	if err != nil {
		return nil, err
	}
	out.ID, out.Type = id.String(), string(hierarchy.Type)
	return ok(out)
}

func (h *Handler) getGroupStatus(ctx context.Context, r *Request) (*Response, error) {
	if operationKind(r) == "delete" {
		return ok(wire.GroupOperation{ID: r.ID().String(), Name: r.ID().Name(), Status: "Succeeded"})
	}
	out, err := h.groupOperation(ctx, r)
	if err != nil {
		return nil, err
	}
	return ok(out)
}

func (h *Handler) groupOperation(ctx context.Context, r *Request) (wire.GroupOperation, error) {
	g, err := h.Hierarchy.Find(ctx, r.Caller.TenantID, r.ID().Name())
	if err != nil {
		return wire.GroupOperation{}, err
	}
	above, err := h.groupsAbove(ctx, r.Caller.TenantID, g.ID())
	if err != nil {
		return wire.GroupOperation{}, err
	}
	encoded := wire.EncodeManagementGroup(r.Version, g, above)
	return wire.GroupOperation{ID: r.ID().String(), Name: g.Name, Status: "Succeeded", Properties: &encoded.Properties}, nil
}
