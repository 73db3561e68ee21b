package management

import (
	"context"
	"errors"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/store"
)

func (h *Handler) listTenants(ctx context.Context, r *Request) (*Response, error) {
	var tenant directory.Tenant
	err := h.Store.View(ctx, func(tx store.Tx) (err error) {
		tenant, err = h.Directory.Tenant(tx, r.Caller.TenantID)
		return err
	})
	if errors.Is(err, directory.ErrNotFound) {
		return ok(wire.List[wire.Tenant]{Value: []wire.Tenant{}})
	}
	if err != nil {
		return nil, err
	}
	return ok(wire.List[wire.Tenant]{Value: []wire.Tenant{wire.EncodeTenant(tenant)}})
}

// listSubscriptions lists the subscriptions of the caller's tenant in which the caller has any role.
func (h *Handler) listSubscriptions(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	found, err := h.Resources.List(ctx, arm.ID{}, arm.TypeSubscription, resource.Part{After: p.after, Limit: p.limit})
	if err != nil {
		return nil, err
	}
	value := []wire.Subscription{}
	err = h.Store.View(ctx, func(tx store.Tx) error {
		value = value[:0]
		for _, rec := range found.Records {
			visible, err := h.visible(tx, r, rec)
			if err != nil {
				return err
			}
			if visible {
				value = append(value, wire.EncodeSubscription(r.Version, rec))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok(wire.SubscriptionList{
		List:  wire.List[wire.Subscription]{Value: value, NextLink: h.nextLink(r, p, found.Next)},
		Count: wire.Count{Type: "Total", Value: len(value)},
	})
}

func (h *Handler) visible(tx store.Tx, r *Request, rec resource.Record) (bool, error) {
	id, err := arm.ParseID(rec.ID)
	if err != nil || rec.TenantID != r.Caller.TenantID {
		return false, err
	}
	return h.RBAC.Visible(tx, r.Caller, id)
}

func (h *Handler) getSubscription(ctx context.Context, r *Request) (*Response, error) {
	rec, err := h.Resources.Find(ctx, r.ID())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeSubscription(r.Version, rec))
}

func (h *Handler) listLocations(_ context.Context, r *Request) (*Response, error) {
	return ok(wire.List[wire.Location]{Value: wire.Locations(r.Version, r.ID().String())})
}
