package management

import (
	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/store"
)

// mayList reports whether the caller may use a list of resources, and keeps the extent of its right for part. A
// caller with a role below the listed scope may, and sees what it may read; for a list of all types a role at the
// scope or above it is enough too. The right to such a list is not the right to read what it shows: if deny assignments
// concern the caller, each entry is decided by itself.
func (h *Handler) mayList(tx store.Tx, r *Request, action string) (may bool, err error) {
	scope := listed(r)
	if r.extent, err = h.RBAC.Extent(tx, rbac.Access{Caller: r.Caller, Action: action, Scope: scope}); err != nil {
		return false, err
	}
	all := r.Type == typeResources || r.Type == typeGroupResources
	switch {
	case r.extent == rbac.Everywhere && all:
		concerned, err := h.RBAC.MayBeDenied(tx, &r.Caller)
		if concerned {
			r.extent = rbac.Somewhere
		}
		return err == nil, err
	case r.extent != rbac.Nowhere:
		return true, nil
	case !all:
		return false, nil
	}
	visible, err := h.RBAC.Visible(tx, r.Caller, scope)
	if visible {
		r.extent = rbac.Somewhere
	}
	return visible, err
}

// listed returns the scope whose content a list shows. The list of a location shows the subscription's.
func listed(r *Request) arm.ID {
	if id := r.ID(); id.IsResource() && arm.SameName(id.Type().Path(), "locations") {
		return id.Base()
	}
	return r.ID()
}

// part returns the part of a list for one page. It shows only what the caller may read.
func (h *Handler) part(r *Request, p page) resource.Part {
	part := resource.Part{After: p.after, Limit: p.limit}
	if r.extent != rbac.Everywhere {
		part.May = func(tx store.Tx, rec resource.Record) (bool, error) { return h.mayRead(tx, r, rec) }
	}
	return part
}

// mayRead reports whether a list may show a resource to the caller: the caller may read the resource, or it has
// the right to the list at the resource, as a Tag Contributor has, and no deny assignment denies the reading.
func (h *Handler) mayRead(tx store.Tx, r *Request, rec resource.Record) (bool, error) {
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return false, err
	}
	access := rbac.Access{Caller: r.Caller, Action: rec.Type.Key() + "/read", Scope: id}
	read, err := h.RBAC.Decide(tx, access)
	if list := arm.Fold(r.Action); err == nil && read.Effect == rbac.NotAllowed && list != "" && list != access.Action {
		access.Action = list
		read, err = h.RBAC.Decide(tx, access)
	}
	return read.Effect == rbac.Allowed, err
}
