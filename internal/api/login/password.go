package login

import (
	"errors"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/throttle"
)

// credentials are a user's name and password, and the tenant in which they are checked.
type credentials struct {
	tenant   directory.Tenant
	name     string
	password directory.PasswordText
}

// authenticateUser checks a user's name and password, within the limits of throttle.PasswordLimiter. An address
// with too many failures is refused before anything is looked up.
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
	// Times have a resolution of a second. A sign-in in the second of a revocation counts as later.
	authenticated := now.UTC().Truncate(time.Second)
	if authenticated.Before(user.ValidFrom) {
		authenticated = user.ValidFrom
	}
	return a.returning(x.r.Context(), tenant.ID, user.ID, authenticated)
}

// checkPassword counts an attempt before it checks the password, so that concurrent attempts are counted
// too, and forgives it unless the name or the password was wrong.
func (a *accounts) checkPassword(x *request, c credentials) (directory.User, error) {
	try, err := a.attempt(x, c)
	if err != nil {
		return directory.User{}, err
	}
	ctx := x.r.Context()
	user, err := a.Directory.AuthenticateUser(ctx, c.tenant.ID, c.name, c.password, try.Waiter)
	switch {
	case err == nil:
		// The sign-in succeeds even if the store cannot be written at the moment.
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

// attempt counts an attempt, or returns the error that refuses it.
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
