package management

import (
	"errors"
	"fmt"

	"midas/internal/directory"
	"midas/internal/store"
)

// admitAgain decides about a request again in the transaction of its write, because much time can pass after admit: a
// client may send the body slowly. A caller who has lost the right since then, or who has been disabled or deleted, is
// refused, and so is a write that a new lock forbids. It guards the caller's record and the locks. The other
// reads are too many to guard; they are of the revision on which the write is based.
func (h *Handler) admitAgain(tx store.Tx, r *Request) error {
	if _, err := h.Directory.TokenStatus(tx, r.claims.TenantID, r.claims.ObjectID); err != nil && !errors.Is(err, directory.ErrNotFound) {
		return fmt.Errorf("look up %s: %w", r.claims.ObjectID, err)
	}
	if err := store.Unguarded(tx, func(tx store.Tx) error { return h.authorizeAgain(tx, r) }); err != nil {
		return err
	}
	return h.checkLocks(tx, r)
}

// authorizeAgain looks up the caller and decides about the request on the present state.
func (h *Handler) authorizeAgain(tx store.Tx, r *Request) error {
	subject, err := h.bearer.Subject(tx, r.claims)
	if err != nil {
		return h.challenge(r, r.claims.TenantID).refuse(err)
	}
	r.Caller.Groups = subject.Groups
	subscription, missing, err := h.tenantOf(tx, r.ID())
	if err != nil {
		return err
	}
	if missing != nil {
		return missing
	}
	allowed, err := h.allowed(tx, r, r.op)
	if err != nil {
		return err
	}
	if !allowed {
		return h.errUnauthorized(r)
	}
	if r.rights != nil {
		if err := r.rights(tx); err != nil {
			return err
		}
	}
	return checkWritable(subscription, r, r.op)
}
