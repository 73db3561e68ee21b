package management

import (
	"context"
	"errors"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

func (h *Handler) listGroups(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	keep, err := wire.ParseGroupFilter(r.Query.Get("$filter"))
	if err != nil {
		return nil, err
	}
	found, err := h.Resources.List(ctx, r.ID(), arm.TypeResourceGroup, h.part(r, p))
	if err != nil {
		return nil, err
	}
	value := make([]wire.Group, 0, len(found.Records))
	for _, rec := range found.Records {
		if keep(rec) {
			value = append(value, wire.EncodeGroup(r.Version, rec))
		}
	}
	return ok(wire.List[wire.Group]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

func (h *Handler) getGroup(ctx context.Context, r *Request) (*Response, error) {
	rec, err := h.Resources.Find(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeGroup(r.Version, rec))
}

func (h *Handler) headGroup(ctx context.Context, r *Request) (*Response, error) {
	_, err := h.Resources.Find(ctx, r.ID())
	if arm.IsNotFound(err) {
		return notFound(), nil
	}
	if err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusNoContent}, nil
}

func (h *Handler) putGroup(ctx context.Context, r *Request) (*Response, error) {
	var body wire.GroupBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	rec, created, err := h.Resources.WriteGroup(ctx, h.event(r), r.ID(), body.Replace)
	if err != nil {
		return nil, err
	}
	response := &Response{Status: http.StatusOK, Body: wire.EncodeGroup(r.Version, rec)}
	if created {
		response.Status = http.StatusCreated // without a header Location, as in Azure
	}
	return response, nil
}

func (h *Handler) patchGroup(ctx context.Context, r *Request) (*Response, error) {
	var body wire.GroupBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	rec, err := h.Resources.PatchGroup(ctx, h.event(r), r.ID(), body.Merge)
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeGroup(r.Version, rec))
}

func (h *Handler) deleteGroup(ctx context.Context, r *Request) (*Response, error) {
	op, err := h.Resources.DeleteGroup(ctx, h.event(r), r.ID())
	if err != nil {
		return nil, err
	}
	return h.accepted(r, op), nil
}

// isDeletionStarter reports whether the caller has started the deletion of the group. The caller may poll it
// without a role, because role assignments at the group are deleted with it.
func (h *Handler) isDeletionStarter(tx store.Tx, r *Request) (bool, error) {
	op, err := h.Resources.Operation(tx, r.ID().Subscription(), r.ID().Name())
	var missing *arm.Error
	if errors.As(err, &missing) {
		return false, nil
	}
	return err == nil && op.Starter == r.Caller.ObjectID, err
}

// getOperationResult answers 202 while the operation runs, then 200.
func (h *Handler) getOperationResult(ctx context.Context, r *Request) (*Response, error) {
	var op resource.Operation
	err := h.Store.View(ctx, func(tx store.Tx) (err error) {
		op, err = h.Resources.Operation(tx, r.ID().Subscription(), r.ID().Name())
		return err
	})
	if err != nil {
		return nil, err
	}
	if op.Ended.IsZero() {
		return h.accepted(r, op), nil
	}
	return &Response{Status: http.StatusOK}, nil
}

// retryAfter is the number of seconds between two polls. Azure says 15; Midas deletes groups faster.
const retryAfter = "1"

// accepted returns the answer to a request whose operation is running.
func (h *Handler) accepted(r *Request, op resource.Operation) *Response {
	return &Response{Status: http.StatusAccepted, Header: http.Header{
		"Location":    {h.origin(r) + "/subscriptions/" + op.Subscription + "/operationresults/" + op.Name + "?api-version=" + string(r.Version)},
		"Retry-After": {retryAfter},
	}}
}
