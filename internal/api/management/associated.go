package management

import (
	"context"
	"net/http"
	"strconv"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/identity"
)

// listAssociated lists the resources that use an identity.
func (h *Handler) listAssociated(ctx context.Context, r *Request) (*Response, error) {
	q, p, err := h.associatedPage(r)
	if err != nil {
		return nil, err
	}
	encode := h.associatedEncoder(ctx)
	keep, err := wire.ParseAssociatedFilter(r.Query.Get("$filter"))
	if err != nil {
		return nil, err
	}
	if r.Query.Get("$filter") != "" {
		q.Keep = func(id arm.ID) bool { return keep(encode(id)) }
	}
	order, err := wire.ParseAssociatedOrder(r.Query.Get("$orderby"))
	if err != nil {
		return nil, err
	}
	if order != nil {
		q.Compare = func(a, b arm.ID) int { return order(encode(a), encode(b)) }
	}
	if err := r.event.MakeList(ctx); err != nil {
		return nil, err
	}
	found, total, err := h.Identities.Associated(ctx, r.ID(), q)
	if err != nil {
		return nil, err
	}
	value, size := make([]wire.Associated, 0, len(found)), 0
	for _, id := range found {
		entry := encode(id)
		if size += entry.Size(); size > arm.PageBytes && len(value) > 0 {
			break
		}
		value = append(value, entry)
	}
	next := ""
	if end := q.Skip + len(value); len(value) > 0 && (len(value) == q.Limit || len(value) < len(found)) && end < total {
		next = strconv.Itoa(end)
	}
	return ok(wire.AssociatedList{TotalCount: total, Value: value, NextLink: h.nextLink(r, p, next)})
}

// associatedPage reads $top, $skip and $skiptoken. A token of this list holds the number of entries before the
// page, because the list can be in any order.
func (h *Handler) associatedPage(r *Request) (identity.AssociatedQuery, page, error) {
	q := identity.AssociatedQuery{Limit: pageSize}
	p := page{list: r.Path.Type.Key() + "\x00" + r.ID().Key() + "\x00" + r.Query.Get("$filter") + "\x00" + r.Query.Get("$orderby")}
	for name, into := range map[string]*int{"$top": &q.Limit, "$skip": &q.Skip} {
		given := r.Query.Get(name)
		if given == "" {
			continue
		}
		n, err := strconv.Atoi(given)
		if err != nil || n < 0 {
			return q, p, arm.Errorf(http.StatusBadRequest, "BadRequest", "The value '%s' of %s is not a whole number of 0 or more.", given, name)
		}
		*into = n
	}
	q.Limit = min(q.Limit, maxPageSize)
	after, err := h.Pages.Open(p.list, r.Query.Get("$skiptoken"))
	if err == nil && after != "" {
		q.Skip, err = strconv.Atoi(after)
	}
	if err != nil {
		return q, p, arm.Errorf(http.StatusBadRequest, "InvalidSkipToken", "The $skiptoken is not valid for this request.")
	}
	return q, p, nil
}

// associatedEncoder returns a function that encodes an entry. It looks up the name of each subscription once;
// the name of a missing subscription is empty.
func (h *Handler) associatedEncoder(ctx context.Context) func(arm.ID) wire.Associated {
	names := map[string]string{}
	return func(id arm.ID) wire.Associated {
		key := arm.Fold(id.Subscription())
		name, known := names[key]
		if !known {
			if rec, err := h.Resources.Find(ctx, id.SubscriptionScope()); err == nil {
				name = rec.Name
			}
			names[key] = name
		}
		return wire.EncodeAssociated(id, name)
	}
}

func (h *Handler) revokeTokens(ctx context.Context, r *Request) (*Response, error) {
	if err := h.Identities.RevokeTokens(ctx, h.event(r), r.ID()); err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusOK}, nil
}
