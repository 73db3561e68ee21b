package management

import (
	"context"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/resource"
)

// listResources lists the resources of all types in a subscription or a group, or with a $filter those of
// one type.
func (h *Handler) listResources(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	filter, err := wire.ParseResourceFilter(r.Query.Get("$filter"))
	if err != nil {
		return nil, err
	}
	found, err := h.findResources(ctx, r.ID(), filter.Type, h.part(r, p))
	if err != nil {
		return nil, err
	}
	resources, err := h.Identities.WithIdentities(ctx, &found)
	if err != nil {
		return nil, err
	}
	expand := wire.ParseResourceExpand(r.Query.Get("$expand"))
	value := make([]wire.ListedResource, 0, len(resources))
	for _, c := range resources {
		if filter.Keeps(c) && listsTracked(c.Record, filter.Type) {
			value = append(value, wire.EncodeListedResource(c, filter, expand))
		}
	}
	return ok(wire.List[wire.ListedResource]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

// listsTracked reports whether the list of resources has a record. As in Azure, the list of all types does not
// have the machines of scale sets.
func listsTracked(rec resource.Record, asked arm.Type) bool {
	return rec.Tracked() && (asked != "" || !rec.Type.Is(compute.Instance))
}

func (h *Handler) findResources(ctx context.Context, scope arm.ID, typ arm.Type, part resource.Part) (resource.Page, error) {
	if typ != "" {
		return h.Resources.List(ctx, scope, typ, part)
	}
	return h.Resources.All(ctx, scope, part)
}
