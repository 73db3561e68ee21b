package management

import (
	"context"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/identity"
)

func (h *Handler) listIdentities(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	found, next, err := h.Identities.List(ctx, r.ID(), h.part(r, p))
	if err != nil {
		return nil, err
	}
	value := make([]wire.Identity, len(found))
	for i := range found {
		value[i] = wire.EncodeIdentity(r.Version, h.Origin, found[i])
	}
	return ok(wire.List[wire.Identity]{Value: value, NextLink: h.nextLink(r, p, next)})
}

func (h *Handler) getIdentity(ctx context.Context, r *Request) (*Response, error) {
	found, err := h.Identities.Get(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeIdentity(r.Version, h.Origin, found))
}

func (h *Handler) putIdentity(ctx context.Context, r *Request) (*Response, error) {
	var body wire.IdentityBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	put, created, err := h.Identities.Put(ctx, h.event(r), r.ID(), body.Replace(r.Version))
	if err != nil {
		return nil, err
	}
	return written(created, identity.WireID(put.ID), wire.EncodeIdentity(r.Version, h.Origin, put))
}

func (h *Handler) patchIdentity(ctx context.Context, r *Request) (*Response, error) {
	var body wire.IdentityBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	patched, err := h.Identities.Patch(ctx, h.event(r), r.ID(), body.Merge(r.Version))
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeIdentity(r.Version, h.Origin, patched))
}

func (h *Handler) deleteIdentity(ctx context.Context, r *Request) (*Response, error) {
	existed, err := h.Identities.Delete(ctx, h.event(r), r.ID())
	if err != nil {
		return nil, err
	}
	return deleted(existed)
}

// getSystemIdentity returns the system-assigned identity of a resource.
func (h *Handler) getSystemIdentity(ctx context.Context, r *Request) (*Response, error) {
	scope := r.ID().Base()
	if !arm.SameName(r.ID().Name(), "default") || scope.IsRoot() {
		return nil, arm.ErrResourceNotFound(r.ID(), r.Type)
	}
	found, err := h.Identities.FindResource(ctx, scope)
	if err != nil {
		return nil, err
	}
	if found.Identity.PrincipalID == "" {
		return nil, arm.ErrNoSystemIdentity(scope)
	}
	return ok(wire.EncodeSystemIdentity(h.Origin, found))
}

func (h *Handler) listIdentityOperations(context.Context, *Request) (*Response, error) {
	return ok(wire.List[wire.OperationInfo]{Value: wire.IdentityOperations()})
}
