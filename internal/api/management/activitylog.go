package management

import (
	"context"
	"errors"
	"net/http"

	"midas/internal/activity"
	"midas/internal/api/management/wire"
	"midas/internal/arm"
)

// listEvents lists the events in the activity log of a subscription. At the tenant, it lists those of what is
// outside of subscriptions, such as management groups and role assignments at the root.
func (h *Handler) listEvents(ctx context.Context, r *Request) (*Response, error) {
	if !arm.SameName(r.ID().Name(), "management") {
		return nil, arm.ErrResourceNotFound(r.ID(), r.Type)
	}
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	query, err := activity.ParseFilter(r.Query.Get("$filter"))
	if err != nil {
		return nil, eventsError(err)
	}
	query.TenantID, query.SubscriptionID = r.Caller.TenantID, arm.Fold(r.ID().Subscription())
	query.OutsideSubscriptions = query.SubscriptionID == ""
	query.After, query.Limit = p.after, p.limit
	status := query.Status
	if arm.SameName(status, wire.Started) { // every accepted request has begun
		query.Status = activity.Succeeded
	}
	found, err := h.Activity.Query(ctx, query)
	if err != nil {
		return nil, eventsError(err)
	}
	value := make([]wire.Event, 0, 2*len(found.Events))
	for _, e := range found.Events {
		value = append(value, wire.EncodeEvents(e, status)...)
	}
	return ok(wire.List[wire.Event]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

// eventsError maps an error of a query to 400, in the form of Microsoft.Insights. It returns other errors as
// they are.
func eventsError(err error) error {
	var bad *activity.QueryError
	if errors.As(err, &bad) {
		refused := arm.Errorf(http.StatusBadRequest, "BadRequest", "%s", bad.Text)
		refused.Backend, refused.Bare = true, true
		return refused
	}
	return err
}
