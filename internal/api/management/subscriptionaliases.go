package management

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/subscription"
)

const (
	aliasWrite  = "Microsoft.Subscription/aliases/write"
	aliasRead   = "Microsoft.Subscription/aliases/read"
	aliasDelete = "Microsoft.Subscription/aliases/delete"
)

// subscriptionVersions are the api-versions of Microsoft.Subscription that have aliases.
func subscriptionVersions() []arm.Version {
	return []arm.Version{
		"2019-03-01-preview", "2019-10-01-preview", "2020-01-01", "2020-09-01", "2021-01-01-privatepreview", "2021-10-01",
		"2024-08-01-preview", "2025-11-01-preview", "2026-08-01-preview",
	}
}

func (h *Handler) subscriptionOperations() []Operation {
	const alias = subscription.AliasType
	rows := []Operation{
		// The right to create a subscription is one at a management group that the body names, so the transaction that
		// creates the subscription checks it. An alias belongs to those who made it, and clients ask for aliases that
		// do not exist, so the operations check the rights to read and to delete one.
		{Method: "PUT", Type: alias, Target: arm.Instance, At: arm.AtTenant, Serve: h.putAlias},
		{Method: "GET", Type: alias, Target: arm.Instance, At: arm.AtTenant, Serve: h.getAlias},
		{Method: "DELETE", Type: alias, Target: arm.Instance, At: arm.AtTenant, Serve: h.deleteAlias},
		{Method: "GET", Type: alias, Target: arm.Collection, At: arm.AtTenant, Serve: h.listAliases},
	}
	for _, change := range h.subscriptionChanges() {
		verb := change.verb
		rows = append(rows,
			Operation{Method: "POST", Type: arm.Type("Microsoft.Subscription/" + verb), Target: arm.Action, At: arm.AtSubscription,
				Perform: "Microsoft.Subscription/" + verb + "/action", WhileReadOnly: true, Locks: change.locks, Serve: h.changeSubscription(change)},
			Operation{Method: "POST", Type: "Microsoft.Subscription/subscriptions", Target: arm.Action, Verb: verb, At: arm.AtTenant,
				Locks: change.locks, Serve: h.changeSubscriptionAtTenant(change)})
	}
	return withVersions(subscriptionVersions(), rows)
}

// putAlias creates a subscription. The answer to a new alias has the state Accepted, as in Azure, although the
// subscription already exists then.
func (h *Handler) putAlias(ctx context.Context, r *Request) (*Response, error) {
	r.Action = aliasWrite
	var body wire.SubscriptionAliasBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	w, err := h.wantedSubscription(ctx, r, body)
	if err != nil {
		return nil, err
	}
	a, created, err := h.Subscriptions.Put(ctx, h.event(r), w)
	if err != nil {
		return nil, h.recordRefusal(ctx, r, err)
	}
	if !created {
		if _, err := h.aliasFor(ctx, r, aliasWrite, func(tx store.Tx, a subscription.Alias) (bool, error) { return h.isVisibleAlias(tx, r, a) }); err != nil {
			return nil, err
		}
		return ok(wire.EncodeSubscriptionAlias(r.Version, a, "Succeeded"))
	}
	return &Response{Status: http.StatusCreated, Body: wire.EncodeSubscriptionAlias(r.Version, a, "Accepted"), Header: http.Header{
		"Location": {h.origin(r) + r.HTTP.URL.EscapedPath() + "?api-version=" + string(r.Version)}, "Retry-After": {retryAfter},
	}}, nil
}

// wantedSubscription returns the request of a body.
func (h *Handler) wantedSubscription(ctx context.Context, r *Request, body wire.SubscriptionAliasBody) (subscription.Wanted, error) {
	p, more := body.Properties, body.Properties.Additional
	w := subscription.Wanted{Alias: subscription.Alias{
		Name: r.ID().Name(), TenantID: r.Caller.TenantID, DisplayName: text(p.DisplayName), Workload: text(p.Workload),
		BillingScope: text(p.BillingScope), ResellerID: text(p.ResellerID), SubscriptionID: text(p.SubscriptionID),
		Owner: r.Caller.ObjectID, Tags: more.Tags, CreatedBy: r.Caller.Name, Creator: r.Caller.ObjectID,
	}}
	w.Existing = w.Alias.SubscriptionID != ""
	if w.Alias.Workload == "" && !w.Existing {
		w.Alias.Workload = "Production"
	}
	if tenant := text(more.TenantID); tenant != "" && !arm.SameName(tenant, r.Caller.TenantID) {
		return w, subscription.ErrOtherTenant(tenant)
	}
	if owner := text(more.OwnerID); owner != "" {
		w.Alias.Owner = owner
	}
	if id := text(more.ManagementGroupID); id != "" {
		var err error
		if w.Alias.Group, err = wire.GroupName("managementGroupId", id); err != nil {
			return w, err
		}
	}
	kind, err := h.Directory.PrincipalType(ctx, r.Caller.TenantID, w.Alias.Owner)
	if errors.Is(err, directory.ErrNotFound) {
		return w, subscription.ErrOwnerNotFound(w.Alias.Owner)
	}
	if err != nil {
		return w, err
	}
	w.Alias.CreatedByType = "Application"
	if strings.Contains(r.Caller.Name, "@") {
		w.Alias.CreatedByType = "User"
	}
	w.Allow = func(tx store.Tx, scope arm.ID) error { return h.mayCreate(tx, r, scope) }
	w.Created = func(tx store.Tx, id arm.ID) error {
		return h.makeOwner(tx, r, id, rbac.Assignment{PrincipalID: w.Alias.Owner, PrincipalType: kind})
	}
	return w, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// mayCreate reports with an error whether the caller may create a subscription below a management group, or an alias of
// an existing subscription. The right is Microsoft.Subscription/aliases/write there, which Owner and Contributor
// have. Global Administrators may create subscriptions anywhere, because nobody else has a right at the root group of a
// new tenant.
func (h *Handler) mayCreate(tx store.Tx, r *Request, scope arm.ID) error {
	if !scope.IsSubscription() {
		roles, err := h.Directory.DirectoryRoles(tx, r.Caller.TenantID, r.Caller.ObjectID)
		if err != nil || directory.IsGlobalAdministrator(roles) {
			return err
		}
	}
	return h.may(r)(tx, aliasWrite, scope)
}

// isVisibleAlias reports whether the caller has made an alias or sees its subscription.
func (h *Handler) isVisibleAlias(tx store.Tx, r *Request, a subscription.Alias) (bool, error) {
	if arm.SameName(a.Creator, r.Caller.ObjectID) {
		return true, nil
	}
	id, err := arm.ParseID("/subscriptions/" + a.SubscriptionID)
	if err != nil {
		return false, err
	}
	return h.RBAC.Visible(tx, r.Caller, id)
}

// aliasFor reads the alias of a request for a caller who owns it, or whom RBAC allows the action.
func (h *Handler) aliasFor(ctx context.Context, r *Request, action string, owns func(store.Tx, subscription.Alias) (bool, error)) (a subscription.Alias, err error) {
	r.Action = action
	err = h.Store.View(ctx, func(tx store.Tx) error {
		if a, err = h.Subscriptions.ReadAlias(tx, r.Caller.TenantID, r.ID().Name()); err != nil {
			return err
		}
		if own, err := owns(tx, a); err != nil || own {
			return err
		}
		return h.may(r)(tx, action, r.ID())
	})
	return a, h.recordRefusal(ctx, r, err)
}

func (h *Handler) getAlias(ctx context.Context, r *Request) (*Response, error) {
	a, err := h.aliasFor(ctx, r, aliasRead, func(tx store.Tx, a subscription.Alias) (bool, error) { return h.isVisibleAlias(tx, r, a) })
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeSubscriptionAlias(r.Version, a, "Succeeded"))
}

func (h *Handler) deleteAlias(ctx context.Context, r *Request) (*Response, error) {
	_, err := h.aliasFor(ctx, r, aliasDelete, func(_ store.Tx, a subscription.Alias) (bool, error) {
		return arm.SameName(a.Creator, r.Caller.ObjectID), nil
	})
	if arm.IsNotFound(err) {
		return deleted(false)
	}
	if err != nil {
		return nil, err
	}
	existed, err := h.Subscriptions.DeleteAlias(ctx, h.event(r), r.Caller.TenantID, r.ID().Name())
	if err != nil {
		return nil, err
	}
	return deleted(existed)
}

// listAliases lists the aliases that the caller has made, and those of subscriptions that the caller sees.
func (h *Handler) listAliases(ctx context.Context, r *Request) (*Response, error) {
	all, err := h.Subscriptions.Aliases(ctx, r.Caller.TenantID)
	if err != nil {
		return nil, err
	}
	value := []wire.SubscriptionAlias{}
	err = h.Store.View(ctx, func(tx store.Tx) error {
		value = value[:0]
		everything, err := h.RBAC.Authorize(tx, r.Caller, arm.Fold(aliasRead), arm.ID{})
		if err != nil {
			return err
		}
		for _, a := range all {
			visible, err := h.isVisibleAlias(tx, r, a)
			if err != nil {
				return err
			}
			if visible || everything {
				value = append(value, wire.EncodeSubscriptionAlias(r.Version, a, "Succeeded"))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ok(wire.List[wire.SubscriptionAlias]{Value: value})
}
