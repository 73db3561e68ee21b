package management

import (
	"context"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/store"
)

// placement is the request to move the subscription of a path, /…/managementGroups/{group}/subscriptions/{id}.
func (h *Handler) placement(r *Request) hierarchy.Placement {
	return hierarchy.Placement{
		TenantID: r.Caller.TenantID, Group: r.ID().Parent().Name(), Subscription: r.ID().Name(), Allow: h.may(r),
	}
}

func (h *Handler) listSubscriptionsBelow(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	var g hierarchy.Group
	var below []hierarchy.Node
	err = h.Store.View(ctx, func(tx store.Tx) error {
		if g, err = h.Hierarchy.Get(tx, r.Caller.TenantID, r.ID().Name()); err != nil {
			return err
		}
		below, err = h.Hierarchy.SubscriptionsBelow(tx, r.Caller.TenantID, g.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	nodes, next := pageOf(below, p)
	value := []wire.SubscriptionBelow{}
	for _, n := range nodes {
		value = append(value, wire.EncodeSubscriptionBelow(g, n))
	}
	return ok(wire.List[wire.SubscriptionBelow]{Value: value, NextLink: h.nextLink(r, p, next)})
}

func (h *Handler) getSubscriptionBelow(ctx context.Context, r *Request) (*Response, error) {
	n, err := h.Hierarchy.SubscriptionBelow(ctx, r.Caller.TenantID, r.ID().Parent().Name(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	g, err := h.Hierarchy.Find(ctx, r.Caller.TenantID, r.ID().Parent().Name())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeSubscriptionBelow(g, n))
}

// putSubscriptionBelow moves a subscription below a group. A group that does not exist is a 404.
func (h *Handler) putSubscriptionBelow(ctx context.Context, r *Request) (*Response, error) {
	g, err := h.Hierarchy.Find(ctx, r.Caller.TenantID, r.ID().Parent().Name())
	if err != nil {
		return nil, err
	}
	rec, err := h.Hierarchy.Place(ctx, h.event(r), h.placement(r))
	if err != nil {
		return nil, h.recordRefusal(ctx, r, err)
	}
	return ok(wire.EncodeSubscriptionBelow(g, hierarchy.Node{Subscription: &rec}))
}

func (h *Handler) deleteSubscriptionBelow(ctx context.Context, r *Request) (*Response, error) {
	existed, err := h.Hierarchy.Remove(ctx, h.event(r), h.placement(r))
	if err != nil {
		return nil, h.recordRefusal(ctx, r, err)
	}
	return deleted(existed)
}

// atRoot returns an error for settings of another group than the root group, or of another name than default.
func atRoot(r *Request, group, name string) error {
	if !arm.SameName(group, r.Caller.TenantID) {
		return hierarchy.ErrSettingsNotAtRoot(group)
	}
	if !arm.SameName(name, "default") {
		return arm.Errorf(http.StatusBadRequest, "BadRequest", "The settings have the name 'default', and not '%s'.", name)
	}
	return nil
}

func (h *Handler) encodeSettings(tenant string, s hierarchy.Settings) (wire.HierarchySettings, error) {
	root, err := hierarchy.RootID(tenant)
	if err != nil || s.DefaultGroup == "" {
		return wire.EncodeHierarchySettings(tenant, root, root, s), err
	}
	group, err := hierarchy.GroupID(s.DefaultGroup)
	return wire.EncodeHierarchySettings(tenant, root, group, s), err
}

func (h *Handler) listHierarchySettings(ctx context.Context, r *Request) (*Response, error) {
	if err := atRoot(r, r.ID().Name(), "default"); err != nil {
		return nil, err
	}
	s, err := h.Hierarchy.Settings(ctx, r.Caller.TenantID)
	if err != nil {
		return nil, err
	}
	value := []wire.HierarchySettings{}
	if s.Set {
		one, err := h.encodeSettings(r.Caller.TenantID, s)
		if err != nil {
			return nil, err
		}
		value = append(value, one)
	}
	return ok(wire.List[wire.HierarchySettings]{Value: value})
}

func (h *Handler) getHierarchySettings(ctx context.Context, r *Request) (*Response, error) {
	if err := atRoot(r, r.ID().Parent().Name(), r.ID().Name()); err != nil {
		return nil, err
	}
	s, err := h.Hierarchy.Settings(ctx, r.Caller.TenantID)
	if err == nil && !s.Set {
		err = hierarchy.ErrSettingsNotFound(r.Caller.TenantID)
	}
	if err != nil {
		return nil, err
	}
	return h.settingsAnswer(r, s)
}

func (h *Handler) settingsAnswer(r *Request, s hierarchy.Settings) (*Response, error) {
	out, err := h.encodeSettings(r.Caller.TenantID, s)
	if err != nil {
		return nil, err
	}
	return ok(out)
}

func (h *Handler) putHierarchySettings(ctx context.Context, r *Request) (*Response, error) {
	return h.writeHierarchySettings(ctx, r, hierarchy.SettingsChange{Replace: true})
}

func (h *Handler) patchHierarchySettings(ctx context.Context, r *Request) (*Response, error) {
	return h.writeHierarchySettings(ctx, r, hierarchy.SettingsChange{MustExist: true})
}

func (h *Handler) writeHierarchySettings(ctx context.Context, r *Request, c hierarchy.SettingsChange) (*Response, error) {
	if err := atRoot(r, r.ID().Parent().Name(), r.ID().Name()); err != nil {
		return nil, err
	}
	var body wire.HierarchySettingsBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	c.RequireAuthorization = body.Properties.RequireAuthorization
	if id := body.Properties.DefaultGroup; id != nil {
		name := ""
		if *id != "" {
			var err error
			if name, err = wire.GroupName("defaultManagementGroup", *id); err != nil {
				return nil, err
			}
		}
		c.DefaultGroup = &name
	}
	s, err := h.Hierarchy.ChangeSettings(ctx, h.event(r), r.Caller.TenantID, c)
	if err != nil {
		return nil, err
	}
	return h.settingsAnswer(r, s)
}

func (h *Handler) deleteHierarchySettings(ctx context.Context, r *Request) (*Response, error) {
	if err := atRoot(r, r.ID().Parent().Name(), r.ID().Name()); err != nil {
		return nil, err
	}
	// Azure's client accepts 200 only, also if nothing was set.
	if _, err := h.Hierarchy.DeleteSettings(ctx, h.event(r), r.Caller.TenantID); err != nil {
		return nil, err
	}
	return deleted(true)
}
