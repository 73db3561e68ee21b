package management

import (
	"context"
	"errors"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/lock"
	"midas/internal/store"
)

// lockOperations returns the operations on locks.
func (h *Handler) lockOperations() []Operation {
	const at = arm.AtSubscription | arm.AtGroup | arm.AtResource
	const perform = string(lock.Type) + "/"
	rows := []Operation{
		{Method: http.MethodGet, Target: arm.Collection, Perform: perform + "read", Serve: h.listLocks},
		{Method: http.MethodGet, Target: arm.Instance, Perform: perform + "read", Serve: h.getLock},
		// As in Azure, locks do not protect locks: whoever may delete a lock can always do so.
		{Method: http.MethodPut, Target: arm.Instance, Perform: perform + "write", Locks: lock.Read, Serve: h.putLock},
		{Method: http.MethodDelete, Target: arm.Instance, Perform: perform + "delete", Locks: lock.Read, Serve: h.deleteLock},
	}
	for i := range rows {
		rows[i].Type, rows[i].At = lock.Type, at
	}
	return withVersions([]arm.Version{"2015-01-01", "2015-05-01-preview", "2015-06-01", "2016-09-01", "2017-04-01", "2020-05-01"}, rows)
}

// checkLocks returns an error if locks forbid a request, at its own scope or at those of the resources that it uses.
func (h *Handler) checkLocks(tx store.Tx, r *Request) error {
	scope := r.ID()
	if !r.acts.IsRoot() {
		scope = r.acts
	}
	if err := h.Locks.Check(tx, r.locks, scope); err != nil {
		return err
	}
	for _, used := range r.uses {
		if err := h.Locks.Check(tx, lock.Write, used); err != nil {
			return err
		}
	}
	return nil
}

// recordLocked writes a refusal by a lock to the activity log, and returns err.
func (h *Handler) recordLocked(ctx context.Context, r *Request, err error) error {
	var refusal *arm.Error
	if !errors.As(err, &refusal) || refusal.Code != lock.CodeScopeLocked {
		return err
	}
	return h.refuse(ctx, r, refusal)
}

func (h *Handler) listLocks(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	filter, err := lock.ParseFilter(r.Query.Get("$filter"))
	if err != nil {
		return nil, err
	}
	if err := h.scopeExists(ctx, r.Caller.TenantID, r.ID()); err != nil {
		return nil, err
	}
	filter.After, filter.Limit = p.after, p.limit
	found, err := h.Locks.List(ctx, r.ID(), filter)
	if err != nil {
		return nil, err
	}
	value := make([]wire.Lock, len(found.Locks))
	for i, l := range found.Locks {
		value[i] = wire.EncodeLock(r.Version, l)
	}
	return ok(wire.List[wire.Lock]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

func (h *Handler) getLock(ctx context.Context, r *Request) (*Response, error) {
	l, err := h.Locks.Lock(ctx, r.ID().Base(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeLock(r.Version, l))
}

func (h *Handler) putLock(ctx context.Context, r *Request) (*Response, error) {
	var body wire.LockBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	wanted, err := body.Lock(r.ID().Name())
	if err != nil {
		return nil, err
	}
	put, created, err := h.Locks.Put(ctx, h.event(r), r.ID().Base(), wanted)
	if err != nil {
		return nil, err
	}
	return createdOrOK(created, wire.EncodeLock(r.Version, put)), nil
}

func (h *Handler) deleteLock(ctx context.Context, r *Request) (*Response, error) {
	existed, err := h.Locks.Delete(ctx, h.event(r), r.ID().Base(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return deleted(existed)
}
