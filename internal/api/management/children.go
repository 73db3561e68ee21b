package management

import (
	"context"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/resource"
)

// shownChildren are the nested resources of one type that a provider repeats in their parent.
type shownChildren struct {
	parent, child arm.Type
	at            string // the field with the children: of the properties, or of the resource if outside
	outside       bool
}

// childrenIn are the nested resources that Azure shows in a resource. The list is not complete: it has the types
// whose clients read them there.
func childrenIn(parent arm.Type) (all []shownChildren) {
	for _, c := range [...]shownChildren{
		{parent: compute.VirtualMachine, child: compute.VirtualMachine + "/extensions", at: "resources", outside: true},
		{parent: "Microsoft.Network/virtualNetworks", child: "Microsoft.Network/virtualNetworks/subnets", at: "subnets"},
		{parent: "Microsoft.Network/virtualNetworks", child: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", at: "virtualNetworkPeerings"},
		{parent: "Microsoft.Network/networkSecurityGroups", child: "Microsoft.Network/networkSecurityGroups/securityRules", at: "securityRules"},
		{parent: "Microsoft.Network/routeTables", child: "Microsoft.Network/routeTables/routes", at: "routes"},
	} {
		if c.parent.Is(parent) {
			all = append(all, c)
		}
	}
	return all
}

// withChildren adds the nested resources to a resource that shows them. They replace entries of the same name that
// the resource was written with.
func (h *Handler) withChildren(ctx context.Context, r *Request, rec resource.Record) (resource.Record, error) {
	for _, c := range childrenIn(r.Type) {
		found, err := h.Resources.Children(ctx, r.ID(), c.child, resource.Part{Limit: maxPageSize})
		if err != nil {
			return rec, err
		}
		if len(found.Records) == 0 {
			continue
		}
		if c.outside {
			rec, err = wire.WithExtraChildren(r.Version, rec, c.at, found.Records)
		} else {
			rec, err = wire.WithChildren(r.Version, rec, c.at, found.Records)
		}
		if err != nil {
			return rec, err
		}
	}
	return rec, nil
}

// changingParent returns a change that does not store the nested resources that the resource shows. A client that
// reads a resource and writes it back sends them, and they must not stay after they are deleted.
func (h *Handler) changingParent(ctx context.Context, r *Request, change func(resource.Record) (resource.Record, error)) (func(resource.Record) (resource.Record, error), error) {
	shown := childrenIn(r.Type)
	if len(shown) == 0 {
		return change, nil
	}
	names := map[string][]resource.Record{}
	for _, c := range shown {
		if c.outside {
			continue
		}
		found, err := h.Resources.Children(ctx, r.ID(), c.child, resource.Part{Limit: maxPageSize})
		if err != nil && !arm.IsNotFound(err) {
			return nil, err
		}
		names[c.at] = found.Records
	}
	return func(old resource.Record) (resource.Record, error) {
		wanted, err := change(old)
		for _, c := range shown {
			if err != nil {
				return wanted, err
			}
			if c.outside {
				delete(wanted.Extra, c.at)
				continue
			}
			wanted, err = wire.WithoutChildren(wanted, c.at, names[c.at])
		}
		return wanted, err
	}, nil
}
