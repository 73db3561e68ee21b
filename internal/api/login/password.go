package login

import (
	"errors"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/throttle"
)

// credentials are what a user signs in with, in the tenant where that is.
type credentials struct {
	tenant   directory.Tenant
	name     string
	password directory.PasswordText
}

// enter checks a user's name and password, as often as may be tried. An address that has tried too
// often is refused before anything is looked up.
func (a *accounts) authenticateUser(x *request, name string, password directory.PasswordText) (*user, error) {
	if wait := a.Passwords.Refused(x.source()); wait > 0 {
		return nil, errThrottled(wait)
	}
	tenant, err := a.homeOf(x, name)
	if err != nil {
		return nil, err
	}
	c, now := credentials{tenant, name, password}, a.Now()
	user, err := a.checkPassword(x, c)
	if err != nil {
		return nil, err
	}
	// Who signs in within the second in which tokens were revoked does so after it.
	authenticated := now.UTC().Truncate(time.Second)
	if authenticated.Before(user.ValidFrom) {
		authenticated = user.ValidFrom
	}
	return a.returning(x.r.Context(), tenant.ID, user.ID, authenticated)
}

// checkPassword counts a try before it is made, and takes it back unless the name or the password was
// wrong.
func (a *accounts) checkPassword(x *request, c credentials) (directory.User, error) {
	try, err := a.attempt(x, c)
	if err != nil {
		return directory.User{}, err
	}
	ctx := x.r.Context()
	user, err := a.Directory.AuthenticateUser(ctx, c.tenant.ID, c.name, c.password, try.Waiter)
	switch {
	case err == nil:
		// The user has signed in, also where the store cannot be written now.
		x.ev.Err = a.Passwords.Succeeded(ctx, try)
		return user, nil
	case errors.Is(err, directory.ErrUnknownUser):
		return user, errUnknownUser(c.name, c.tenant.DisplayName)
	case errors.Is(err, directory.ErrWrongPassword):
		return user, errWrongPassword()
	}
	a.Passwords.Forgive(try)
	switch {
	case errors.Is(err, directory.ErrUserDisabled):
		return user, errUserDisabled()
	case errors.Is(err, directory.ErrBusy):
		return user, errBusy()
	}
	return user, err
}

// attempt is a try that may be made now.
func (a *accounts) attempt(x *request, c credentials) (*throttle.Attempt, error) {
	if len(c.name) > throttle.MaxName {
		return nil, errUnknownUser(c.name, c.tenant.DisplayName)
	}
	key := throttle.PasswordKey{Tenant: arm.Fold(c.tenant.ID), User: arm.Fold(c.name), From: x.source()}
	try, refused, err := a.Passwords.Try(x.r.Context(), key)
	switch {
	case err != nil:
		return nil, err
	case try == nil && refused.Locked:
		return nil, errLocked(refused.Wait)
	case try == nil:
		return nil, errThrottled(refused.Wait)
	}
	return try, nil
}
