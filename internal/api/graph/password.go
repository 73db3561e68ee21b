package graph

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

// changePassword replaces the caller's password; the request contains the current one.
func (h *Handler) changePassword(ctx context.Context, req *Request) (*Response, error) {
	var now, next string
	for name, at := range map[string]*string{"currentPassword": &now, "newPassword": &next} {
		if json.Unmarshal(req.Body[name], at) != nil || *at == "" {
			return nil, errBadRequest("The parameter '%s' is required.", name)
		}
	}
	current, err := h.checkPassword(ctx, req, directory.PasswordText(now))
	if err != nil {
		return nil, err
	}
	hash, err := h.hash(ctx, req, directory.PasswordText(next))
	if err != nil {
		return nil, err
	}
	err = h.update(ctx, req, func(tx store.Tx) error {
		return h.Directory.ChangePassword(tx, req.Caller.tenant, req.Object.id, current, hash)
	})
	if errors.Is(err, directory.ErrWrongPassword) { // the password was changed concurrently
		return nil, errWrongPassword()
	}
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

func errWrongPassword() error {
	return errBadRequest("The specified password does not match the current password.")
}

// checkPassword checks the caller's own password and returns its hash. An attempt counts against the same
// limits as one at the sign-in page, so that a stolen token does not allow more guesses.
func (h *Handler) checkPassword(ctx context.Context, req *Request, password directory.PasswordText) (directory.PasswordHash, error) {
	var u directory.User
	err := h.Store.View(ctx, func(tx store.Tx) (err error) {
		u, err = h.Directory.User(tx, req.Caller.tenant, req.Object.id)
		return err
	})
	if err != nil {
		return "", err
	}
	name := u.UserPrincipalName
	if len(name) > throttle.MaxName {
		name = u.ID
	}
	try, refused, err := h.Passwords.Try(ctx, throttle.PasswordKey{
		Tenant: arm.Fold(u.TenantID), User: arm.Fold(name), From: throttle.SourceOf(req.Client),
	})
	if err != nil {
		return "", err
	}
	if try == nil {
		return "", errThrottled(refused.Wait)
	}
	hash, err := h.Directory.CheckPassword(ctx, u.TenantID, u.ID, password, try.Waiter)
	if errors.Is(err, directory.ErrWrongPassword) {
		return "", errWrongPassword()
	}
	h.Passwords.Forgive(try)
	return hash, err
}

// errThrottled returns a 429 error with Retry-After in whole seconds.
func errThrottled(wait time.Duration) *Error {
	err := errorf(http.StatusTooManyRequests, "TooManyRequests", "Too many attempts. Please try again later.")
	err.Header = http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(wait.Seconds())))}}
	return err
}
