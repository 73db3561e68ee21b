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

// carrierKind is what a type whose resources may carry identities has beyond any other. The zero
// value is any type.
type carrierKind struct {
	located bool // a resource must say where it is
	async   bool // clients follow writes as long-running operations

	// change gives the record what is not the client's to say; nil changes nothing.
	change func(old, wanted resource.Record) (resource.Record, error)
	// check refuses identities that such a resource cannot have; nil refuses none.
	check func(wanted resource.Record, a identity.Assignment) error
	// work is the kind of the operation that each write begins, and that is carried out before the
	// answer; empty for none.
	work string
	// remove deletes such a resource; nil is resource.Service.Delete.
	remove func(context.Context, activity.Event, arm.ID) (existed bool, err error)
}

// anyType stands for the type of the request, in the table and in RBAC actions.
const anyType arm.Type = "{type}"

// genericOperations are those on types that the table does not know.
func (h *Handler) genericOperations() []Operation {
	return h.carrierOperations(anyType, arm.AtSubscription|arm.AtGroup|arm.AtResource, carrierKind{})
}

// carrierOperations are what can be done to resources of a type that may carry identities.
func (h *Handler) carrierOperations(typ arm.Type, at arm.Level, k carrierKind) []Operation {
	perform := string(typ)
	rows := []Operation{
		{Method: "GET", Target: arm.Instance, At: at, Perform: perform + "/read", Serve: h.getCarrier},
		{Method: "HEAD", Target: arm.Instance, At: at, Perform: perform + "/read", Serve: h.headCarrier},
		{Method: "PUT", Target: arm.Instance, At: at, Perform: perform + "/write", Serve: h.putCarrier(k)},
		{Method: "PATCH", Target: arm.Instance, At: at, Perform: perform + "/write", Serve: h.patchCarrier(k)},
		{Method: "DELETE", Target: arm.Instance, At: at, Perform: perform + "/delete", Serve: h.deleteCarrier(k)},
		{Method: "GET", Target: arm.Collection, At: at | arm.AtSubscription, Perform: perform + "/read", Serve: h.listCarriers},
	}
	for i := range rows {
		rows[i].Type, rows[i].Free = typ, true
	}
	return rows
}

func (h *Handler) getCarrier(ctx context.Context, r *Request) (*Response, error) {
	found, err := h.Identities.FindCarrier(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	if found, err = h.expanded(r, found); err != nil {
		return nil, err
	}
	return h.shown(r, http.StatusOK, found, found.State), nil
}

func (h *Handler) headCarrier(ctx context.Context, r *Request) (*Response, error) {
	_, err := h.Resources.Find(ctx, r.ID())
	var missing *arm.Error
	if errors.As(err, &missing) && missing.Status == http.StatusNotFound {
		return &Response{Status: http.StatusNotFound}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusNoContent}, nil
}

func (h *Handler) listCarriers(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	list := h.Resources.List
	if r.ID().IsResource() {
		list = h.Resources.Children
	}
	found, err := list(ctx, r.ID(), r.Type, p.after, p.limit)
	if err != nil {
		return nil, err
	}
	carriers, err := h.Identities.Carriers(ctx, &found)
	if err != nil {
		return nil, err
	}
	value := make([]map[string]any, len(carriers))
	for i, c := range carriers {
		value[i] = wire.EncodeCarrier(r.Version, c, c.State)
	}
	return ok(wire.List[map[string]any]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

func (h *Handler) putCarrier(k carrierKind) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		var body wire.CarrierBody
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		if k.located && body.Location.Value == "" {
			return nil, arm.ErrLocationRequired()
		}
		return h.writeCarrier(ctx, r, k, body, false)
	}
}

func (h *Handler) patchCarrier(k carrierKind) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		var body wire.CarrierBody
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		return h.writeCarrier(ctx, r, k, body, true)
	}
}

// writeCarrier carries out a PUT, or a PATCH if merge.
func (h *Handler) writeCarrier(ctx context.Context, r *Request, k carrierKind, body wire.CarrierBody, merge bool) (*Response, error) {
	w := identity.Write{ID: r.ID(), Type: r.Type, Exists: merge, Change: body.Replace}
	if merge {
		w.Change = body.Merge
	}
	var err error
	w.Identity, err = body.Assignment(r.Version, r.Type, merge, func(ctx context.Context, ids []arm.ID) error {
		return h.mayAssign(ctx, r, ids)
	})
	if err != nil {
		return nil, err
	}
	w.Change = k.changing(w.Change, w.Identity)
	ev := h.event(r)
	if k.work != "" {
		w.Work = []resource.Operation{h.Resources.NewOperation(k.work, ev, r.ID())}
	}
	out, created, err := h.Identities.WriteCarrier(ctx, ev, w)
	if err != nil {
		return nil, h.recordRefusal(ctx, r, err)
	}
	for _, op := range w.Work {
		if err := h.Resources.Finish(ctx, op); err != nil {
			return nil, err
		}
	}
	return h.carrierWritten(r, k, out, created), nil
}

// changing adds to a change what its type makes of it.
func (k carrierKind) changing(change func(resource.Record) (resource.Record, error), a identity.Assignment) func(resource.Record) (resource.Record, error) {
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

// carrierWritten is the answer to a write. What Azure does in the time after its answer is done here
// before it; the answer is the same, and the operation that clients follow has ended when they ask.
func (h *Handler) carrierWritten(r *Request, k carrierKind, c identity.Carrier, created bool) *Response {
	status, state := http.StatusOK, "Updating"
	if created {
		status, state = http.StatusCreated, "Creating"
	}
	if !k.async {
		c.Fresh, state = nil, c.State
	}
	response := h.shown(r, status, c, state)
	if k.async {
		h.follow(r, response.Header, c.Location)
	}
	return response
}

// shown is an answer with a resource.
func (h *Handler) shown(r *Request, status int, c identity.Carrier, state string) *Response {
	response := &Response{Status: status, Body: wire.EncodeCarrier(r.Version, c, state), Header: http.Header{}}
	if tag := wire.ETag(r.Version, c); tag != "" {
		response.Header["Etag"] = []string{tag}
	}
	return response
}

func (h *Handler) deleteCarrier(k carrierKind) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		found, err := h.Resources.Find(ctx, r.ID())
		if resource.IsMissing(err) {
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
		h.follow(r, response.Header, found.Location)
		response.Header["Location"] = response.Header["Azure-Asyncoperation"]
		return response, nil
	}
}

// mayAssign asks whether the caller may assign identities that a resource does not have yet. The
// refusal names all of them.
func (h *Handler) mayAssign(ctx context.Context, r *Request, ids []arm.ID) error {
	const assign = string(identity.Type) + "/assign/action"
	key := arm.Fold(assign)
	return h.Store.View(ctx, func(tx store.Tx) error {
		var refused []arm.ID
		for _, id := range ids {
			tenant, missing, err := h.tenantOf(tx, id)
			if err != nil {
				return err
			}
			if missing != nil || tenant != r.Caller.TenantID {
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
	})
}

// recordRefusal writes to the activity log that a caller was not allowed something.
func (h *Handler) recordRefusal(ctx context.Context, r *Request, err error) error {
	var refusal *arm.Error
	if !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden {
		return err
	}
	ev := h.event(r)
	ev.Status, ev.Code, ev.ErrorCode = activity.Failed, refusal.Status, refusal.Code
	if failed := h.Activity.Refuse(ctx, ev); failed != nil {
		return failed
	}
	return err
}
