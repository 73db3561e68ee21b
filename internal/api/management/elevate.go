package management

import (
	"context"
	"errors"
	"net/http"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// isGlobalAdministrator reports whether the caller is a Global Administrator of its tenant. The directory says so,
// and not the claims of the token.
func (h *Handler) isGlobalAdministrator(tx store.Tx, r *Request) (bool, error) {
	return h.Directory.IsGlobalAdministrator(tx, r.Caller.TenantID, r.Caller.ObjectID)
}

// elevateAccess makes the caller User Access Administrator at the root of its tenant. The caller must still be a
// Global Administrator in the transaction that assigns the role. As in Azure, the answer has no body, and it is the
// same if the caller has the role already. The role ends when the assignment is deleted.
func (h *Handler) elevateAccess(ctx context.Context, r *Request) (*Response, error) {
	ev, response := h.event(r), &Response{Status: http.StatusOK}
	ev.Code = response.Status
	locked := ev.Guard
	ev.Guard = func(tx store.Tx) error {
		still, err := h.isGlobalAdministrator(tx, r)
		if err == nil && !still {
			err = rbac.ErrAuthorizationFailed(r.Caller, r.Action, arm.ID{})
		}
		if err != nil {
			return err
		}
		return locked(tx)
	}
	_, err := h.RBAC.PutAssignment(ctx, ev, rbac.Assignment{
		Name: h.NewID(), Scope: "/", DefinitionID: rbac.UserAccessAdministratorID, PrincipalID: r.Caller.ObjectID,
	})
	var refused *arm.Error
	if errors.As(err, &refused) && refused.Code == rbac.CodeAssignmentExists {
		return h.logged(ctx, r, response)
	}
	if err != nil {
		return nil, h.recordRefusal(ctx, r, err)
	}
	return response, nil
}
