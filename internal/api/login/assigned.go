package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"midas/internal/directory"
	"midas/internal/store"
)

// tokenSubject is the subject of a token: a user, or the client itself.
type tokenSubject struct {
	id     string // object id
	client client
	user   bool
}

// checkResource refuses a token for a resource that is disabled, or that requires an assignment which the
// subject does not have.
func (a *accounts) checkResource(tx store.Tx, audience string, at directory.ServicePrincipal, who tokenSubject) error {
	err := a.Directory.Admit(tx, at, who.id)
	switch {
	case errors.Is(err, directory.ErrResourceDisabled):
		return errResourceDisabled(audience).because(err)
	case errors.Is(err, directory.ErrNotAssigned) && who.user:
		return errUserNotAssigned(at).because(err)
	case errors.Is(err, directory.ErrNotAssigned):
		return errClientNotAssigned(who.client, at).because(err)
	}
	return err
}

// assigned refuses a user who is not assigned to the client, if the client requires assignment.
func (a *accounts) assigned(ctx context.Context, c client, u *user) error {
	if !c.principal.AssignmentRequired {
		return nil
	}
	err := a.Directory.Store.Recent(ctx, func(tx store.Tx) error {
		return a.Directory.Assigned(tx, c.principal, u.ID)
	})
	switch {
	case errors.Is(err, directory.ErrNotAssigned):
		return errUserNotAssigned(c.principal).because(err)
	case err != nil:
		return fmt.Errorf("find assignments of the user: %w", err)
	}
	return nil
}

// assignedAtPage is assigned for the authorization endpoint, whose error code is access_denied.
func (a *accounts) assignedAtPage(ctx context.Context, s subject) error {
	err := a.assigned(ctx, s.client, s.user)
	var e *Error
	if errors.As(err, &e) {
		e.Code = "access_denied"
	}
	return err
}

func errUserNotAssigned(app directory.ServicePrincipal) *Error {
	return invalidGrant(50105, "Your administrator has configured the application %s ('%s') to block users unless they are specifically granted ('assigned') access to the application. The signed in user is blocked because they are not a direct member of a group with access, nor had access directly assigned by an administrator. Please contact your administrator to assign access to this application.",
		quote(app.DisplayName), app.AppID)
}

func errClientNotAssigned(c client, at directory.ServicePrincipal) *Error {
	return invalidGrant(501051, "Application '%s'(%s) is not assigned to a role for the application '%s'(%s).",
		c.AppID, quote(c.DisplayName), at.AppID, quote(at.DisplayName))
}

func errResourceDisabled(audience string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Code: "invalid_resource", Number: 500014,
		Text: fmt.Sprintf("The service principal for resource '%s' is disabled. This indicate that a subscription within the tenant has lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being issued for it.", quote(audience)),
	}
}
