package management

import (
	"context"

	"midas/internal/api/management/wire"
	"midas/internal/identity"
)

func (h *Handler) listFederated(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	found, next, err := h.Identities.ListFederated(ctx, r.ID(), h.part(r, p))
	if err != nil {
		return nil, err
	}
	value := make([]wire.Federated, len(found))
	for i := range found {
		value[i] = wire.EncodeFederated(r.Version, found[i])
	}
	return ok(wire.List[wire.Federated]{Value: value, NextLink: h.nextLink(r, p, next)})
}

func (h *Handler) getFederated(ctx context.Context, r *Request) (*Response, error) {
	found, err := h.Identities.GetFederated(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeFederated(r.Version, found))
}

func (h *Handler) putFederated(ctx context.Context, r *Request) (*Response, error) {
	var body wire.FederatedBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	put, created, err := h.Identities.PutFederated(ctx, h.event(r), r.ID(), body.Credential(r.Version))
	if err != nil {
		return nil, err
	}
	return written(created, identity.WireID(put.ID), wire.EncodeFederated(r.Version, put))
}

func (h *Handler) deleteFederated(ctx context.Context, r *Request) (*Response, error) {
	existed, err := h.Identities.DeleteFederated(ctx, h.event(r), r.ID())
	if err != nil {
		return nil, err
	}
	return deleted(existed)
}
