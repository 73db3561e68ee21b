package management

import (
	"context"
	"errors"
	"net/http"

	"midas/internal/activity"
	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/store"
)

// typeRules are the rules of one resource type beyond those of all types. The zero value has none.
type typeRules struct {
	located bool // a PUT must have a location
	async   bool // the answer to a write names a long-running operation

	// change sets the properties that the server sets; nil changes nothing.
	change func(old, wanted resource.Record) (resource.Record, error)
	// check refuses identities that a resource of the type cannot have; nil refuses none.
	check func(wanted resource.Record, a identity.IdentityChange) error
	// work is the kind of the operation that each write starts and finishes before the answer; empty starts none.
	work string
	// remove deletes a resource of the type; nil is resource.Service.Delete.
	remove func(context.Context, activity.Event, arm.ID) (existed bool, err error)
}

// anyType is the placeholder for the type of the request, in the table and in RBAC actions.
const anyType arm.Type = "{type}"

// genericOperations returns the operations on resource types that have no row of their own in the table.
func (h *Handler) genericOperations() []Operation {
	return h.resourceOperations(anyType, arm.AtSubscription|arm.AtGroup|arm.AtResource, typeRules{})
}

// resourceOperations returns the operations on resources of a type that can have identities.
func (h *Handler) resourceOperations(typ arm.Type, at arm.Level, k typeRules) []Operation {
	perform := string(typ)
	rows := []Operation{
		{Method: "GET", Target: arm.Instance, At: at, Perform: perform + "/read", Serve: h.getResource},
		{Method: "HEAD", Target: arm.Instance, At: at, Perform: perform + "/read", Serve: h.headResource},
		{Method: "PUT", Target: arm.Instance, At: at, Perform: perform + "/write", Serve: h.putResource(k)},
		{Method: "PATCH", Target: arm.Instance, At: at, Perform: perform + "/write", Serve: h.patchResource(k)},
		{Method: "DELETE", Target: arm.Instance, At: at, Perform: perform + "/delete", Serve: h.deleteResource(k)},
		{Method: "GET", Target: arm.Collection, At: at | arm.AtSubscription, Perform: perform + "/read", Filtered: true, Serve: h.listType},
	}
	for i := range rows {
		rows[i].Type, rows[i].Free = typ, true
	}
	return rows
}

func (h *Handler) getResource(ctx context.Context, r *Request) (*Response, error) {
	found, err := h.Identities.FindResource(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	if found, err = h.expanded(r, found); err != nil {
		return nil, err
	}
	if found.Record, err = h.withChildren(ctx, r, found.Record); err != nil {
		return nil, err
	}
	response := h.resourceResponse(r, http.StatusOK, found, found.State)
	if expandsView(r) { // the etag is of the resource without its view, and Azure has it in the body only
		delete(response.Header, "Etag")
	}
	return response, nil
}

func (h *Handler) headResource(ctx context.Context, r *Request) (*Response, error) {
	_, err := h.Resources.Find(ctx, r.ID())
	if arm.IsNotFound(err) {
		return notFound(), nil
	}
	if err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusNoContent}, nil
}

func (h *Handler) listType(ctx context.Context, r *Request) (*Response, error) {
	list := h.Resources.List
	if r.ID().IsResource() {
		list = h.Resources.Children
	}
	return h.listMatching(ctx, r, func(p page) (resource.Page, error) {
		return list(ctx, r.ID(), r.Type, h.part(r, p))
	}, func(resource.Record) bool { return true })
}

// listMatching answers with the records of one page of a list that keep selects.
func (h *Handler) listMatching(ctx context.Context, r *Request, list func(page) (resource.Page, error), keep func(resource.Record) bool) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	found, err := list(p)
	if err != nil {
		return nil, err
	}
	resources, err := h.Identities.WithIdentities(ctx, &found)
	if err != nil {
		return nil, err
	}
	value := make([]map[string]any, 0, len(resources))
	for _, c := range resources {
		if keep(c.Record) {
			value = append(value, wire.EncodeResource(r.Version, c, c.State))
		}
	}
	return ok(wire.List[map[string]any]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

func (h *Handler) putResource(k typeRules) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		var body wire.ResourceBody
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		if k.located && body.Location.Value == "" {
			return nil, arm.ErrLocationRequired()
		}
		return h.writeResource(ctx, r, k, body, false)
	}
}

func (h *Handler) patchResource(k typeRules) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		var body wire.ResourceBody
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		return h.writeResource(ctx, r, k, body, true)
	}
}

// writeResource executes a PUT, or a PATCH if merge.
func (h *Handler) writeResource(ctx context.Context, r *Request, k typeRules, body wire.ResourceBody, merge bool) (*Response, error) {
	w := identity.Write{ID: r.ID(), Type: r.Type, Exists: merge, Change: body.Replace}
	if merge {
		w.Change = body.Merge
	}
	var err error
	w.Identity, err = body.IdentityChange(r.Version, r.Type, merge, func(ctx context.Context, ids []arm.ID) error {
		return h.mayAssign(ctx, r, ids)
	})
	if err != nil {
		return nil, err
	}
	if w.Change, err = h.changingParent(ctx, r, w.Change); err != nil {
		return nil, err
	}
	condition, err := wire.ParseCondition(r.Version, r.Type, r.HTTP.Header)
	if err != nil {
		return nil, err
	}
	w.Change = condition.Guarded(k.changing(w.Change, w.Identity))
	ev := h.event(r)
	if k.work != "" {
		w.Work = []resource.Operation{h.Resources.NewOperation(k.work, ev, r.ID())}
	}
	out, created, err := h.Identities.WriteResource(ctx, ev, w)
	if err != nil {
		return nil, h.recordRefusal(ctx, r, err)
	}
	if err := h.finish(ctx, w.Work); err != nil {
		return nil, err
	}
	if !created {
		if out.Record, err = h.withChildren(ctx, r, out.Record); err != nil {
			return nil, err
		}
	}
	return h.resourceWritten(r, k, out, created), nil
}

// finish carries out the operations that a write has stored.
func (h *Handler) finish(ctx context.Context, work []resource.Operation) error {
	for _, op := range work {
		if err := h.Resources.Finish(ctx, op); err != nil {
			return err
		}
	}
	return nil
}

// changing returns a change that also applies the rules of the type.
func (k typeRules) changing(change func(resource.Record) (resource.Record, error), a identity.IdentityChange) func(resource.Record) (resource.Record, error) {
	return func(old resource.Record) (resource.Record, error) {
		wanted, err := change(old.Clone())
		if err == nil && k.change != nil {
			wanted, err = k.change(old, wanted)
		}
		if err == nil && k.check != nil {
			err = k.check(wanted, a)
		}
		return wanted, err
	}
}

// resourceWritten returns the answer to a write. Azure finishes a write after its answer, Midas before it. The
// answer is the same; the long-running operation has succeeded when a client first polls it.
func (h *Handler) resourceWritten(r *Request, k typeRules, c identity.Resource, created bool) *Response {
	status, state := http.StatusOK, "Updating"
	if created {
		status, state = http.StatusCreated, "Creating"
	}
	if !k.async {
		c.Fresh, state = nil, c.State
	}
	response := h.resourceResponse(r, status, c, state)
	if k.async {
		h.setAsyncHeaders(r, response.Header, c.Location)
	}
	return response
}

// resourceResponse returns an answer with a resource and its ETag.
func (h *Handler) resourceResponse(r *Request, status int, c identity.Resource, state string) *Response {
	response := &Response{Status: status, Body: wire.EncodeResource(r.Version, c, state), Header: http.Header{}}
	if tag := wire.ETag(r.Version, c); tag != "" {
		response.Header["Etag"] = []string{tag}
	}
	return response
}

func (h *Handler) deleteResource(k typeRules) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		found, err := h.Resources.Find(ctx, r.ID())
		if arm.IsResourceNotFound(err) {
			return deleted(false)
		}
		if err != nil {
			return nil, err
		}
		remove := h.Resources.Delete
		if k.remove != nil {
			remove = k.remove
		}
		existed, err := remove(ctx, h.event(r), r.ID())
		if err != nil {
			return nil, err
		}
		if !existed || !k.async {
			return deleted(existed)
		}
		response := &Response{Status: http.StatusAccepted, Header: http.Header{}}
		h.setAsyncHeaders(r, response.Header, found.Location)
		response.Header["Location"] = response.Header["Azure-Asyncoperation"]
		return response, nil
	}
}

// mayAssign checks that the caller may assign identities to a resource. The refusal names all identities
// that the caller may not assign.
func (h *Handler) mayAssign(ctx context.Context, r *Request, ids []arm.ID) error {
	const assign = string(identity.Type) + "/assign/action"
	key := arm.Fold(assign)
	r.rights = func(tx store.Tx) error {
		var refused []arm.ID
		for _, id := range ids {
			subscription, missing, err := h.tenantOf(tx, id)
			if err != nil {
				return err
			}
			if missing != nil || subscription.TenantID != r.Caller.TenantID {
				return rbac.ErrLinkedTenant(r.Caller, r.Action, r.ID(), id)
			}
			allowed, err := h.RBAC.Authorize(tx, r.Caller, key, id)
			if err != nil {
				return err
			}
			if !allowed {
				refused = append(refused, id)
			}
		}
		if len(refused) > 0 {
			return rbac.ErrLinkedAuthorizationFailed(r.Caller, r.Action, r.ID(), assign, refused)
		}
		return nil
	}
	return h.Store.View(ctx, func(tx store.Tx) error {
		if err := r.rights(tx); err != nil {
			return err
		}
		r.uses = ids
		return h.checkLocks(tx, r)
	})
}

// recordRefusal writes a 403 to the activity log, and returns err.
func (h *Handler) recordRefusal(ctx context.Context, r *Request, err error) error {
	var refusal *arm.Error
	if !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden {
		return err
	}
	return h.refuse(ctx, r, refusal)
}

// refuse writes a refusal to the activity log, and returns it.
func (h *Handler) refuse(ctx context.Context, r *Request, refusal *arm.Error) error {
	ev := h.event(r)
	ev.Status, ev.Code, ev.ErrorCode = activity.Failed, refusal.Status, refusal.Code
	r.refused = true
	if failed := h.Activity.Refuse(ctx, ev); failed != nil {
		return failed
	}
	return refusal
}
