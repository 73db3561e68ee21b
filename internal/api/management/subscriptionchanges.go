package management

import (
	"context"
	"net/http"
	"strconv"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/lock"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/subscription"
)

// subscriptionChange is an operation that changes a subscription.
type subscriptionChange struct {
	verb  string
	locks lock.Operation // what it is for locks: a cancelled subscription is deleted later
	apply func(ctx context.Context, r *Request, id arm.ID) error
}

func (h *Handler) subscriptionChanges() []subscriptionChange {
	return []subscriptionChange{
		{"rename", lock.Write, h.renameSubscription}, {"cancel", lock.Delete, h.cancelSubscription}, {"enable", lock.Write, h.enableSubscription},
	}
}

// changeSubscription serves POST /subscriptions/{id}/providers/Microsoft.Subscription/{verb}.
func (h *Handler) changeSubscription(change subscriptionChange) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		id := r.ID().SubscriptionScope()
		if err := change.apply(ctx, r, id); err != nil {
			return nil, err
		}
		return ok(wire.SubscriptionIDAnswer{SubscriptionID: id.Subscription()})
	}
}

// changeSubscriptionAtTenant serves POST /providers/Microsoft.Subscription/subscriptions/{id}/{verb}. The caller is
// authorized here, because dispatch knows no subscription in this path.
func (h *Handler) changeSubscriptionAtTenant(change subscriptionChange) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		r.Action = "Microsoft.Subscription/" + change.verb + "/action"
		id, err := arm.ParseID("/subscriptions/" + r.ID().Name())
		if err != nil || !arm.IsGUID(r.ID().Name()) {
			return nil, arm.Errorf(http.StatusBadRequest, "InvalidSubscriptionId",
				"The provided subscription identifier '%s' is malformed or invalid.", r.ID().Name())
		}
		r.rights = func(tx store.Tx) error {
			rec, err := h.Resources.Get(tx, id)
			if err == nil && !arm.SameName(rec.TenantID, r.Caller.TenantID) || arm.IsNotFound(err) {
				return h.errAuthorizationFailed(r, r.Action, id)
			}
			if err != nil {
				return err
			}
			if err := h.may(r)(tx, r.Action, id); err != nil || change.locks != lock.Delete {
				return err
			}
			allowed, err := h.mayDeleteBelow(tx, r, id)
			if err == nil && !allowed {
				return h.errUnauthorized(r)
			}
			return err
		}
		err = h.Store.View(ctx, func(tx store.Tx) error {
			if err := r.rights(tx); err != nil {
				return err
			}
			r.acts = id
			return h.checkLocks(tx, r)
		})
		if err != nil {
			return nil, h.recordRefusal(ctx, r, err)
		}
		if err := change.apply(ctx, r, id); err != nil {
			return nil, err
		}
		return ok(wire.SubscriptionIDAnswer{SubscriptionID: id.Subscription()})
	}
}

func (h *Handler) renameSubscription(ctx context.Context, r *Request, id arm.ID) error {
	var body struct {
		Name string `json:"subscriptionName"`
	}
	if err := r.Decode(&body); err != nil {
		return err
	}
	return h.Subscriptions.Rename(ctx, h.event(r), id, body.Name)
}

// resourceCheckSince is the first version in which cancel checks for resources, unless IgnoreResourceCheck is set.
const resourceCheckSince arm.Version = "2024-08-01-preview"

func (h *Handler) cancelSubscription(ctx context.Context, r *Request, id arm.ID) error {
	ignore := r.Version.Compare(resourceCheckSince) < 0
	if given := r.Query.Get("ignoreresourcecheck"); given != "" {
		var err error
		if ignore, err = strconv.ParseBool(arm.Fold(given)); err != nil {
			return arm.Errorf(http.StatusBadRequest, "InvalidQueryParameter", "The value '%s' of IgnoreResourceCheck is neither true nor false.", given)
		}
	}
	return h.Subscriptions.Cancel(ctx, h.event(r), id, ignore)
}

func (h *Handler) enableSubscription(ctx context.Context, r *Request, id arm.ID) error {
	return h.Subscriptions.Enable(ctx, h.event(r), id)
}

// checkWritable returns ARM's error for a write in a subscription that is read-only. Reads and deletions are
// allowed there, and the operations that say so.
func checkWritable(rec resource.Record, r *Request, op *Operation) error {
	if !subscription.IsReadOnly(rec.State) || op.WhileReadOnly {
		return nil
	}
	switch r.HTTP.Method {
	case http.MethodPut, http.MethodPatch, http.MethodPost:
		return subscription.ErrReadOnly(r.ID().Subscription())
	}
	return nil
}
