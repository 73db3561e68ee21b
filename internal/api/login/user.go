package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/store"
)

// memberRole is the id of the directory role that Entra lists in the wids claim of every member user.
const memberRole = "b79fbf4d-3ef9-4689-8143-76b194e85509"

// byPassword is the value of amr in tokens: users sign in with a password.
const byPassword = "pwd"

// user is a user who has signed in, in this request or before.
type user struct {
	directory.User
	authenticated time.Time // when the password was checked
	roles         []string  // directory roles
	session       string    // the name of the browser's session, if there is one
	sid           string    // the public id of that session
}

// grant returns the user's grant for a client.
func (u *user) grant(client, scope string) grant.Grant {
	return grant.Grant{TenantID: u.TenantID, UserID: u.ID, ClientID: client, Scope: scope, Authenticated: u.authenticated, SessionID: u.sid}
}

// returning looks up a user who has signed in at an earlier time. It refuses the user if the account was
// deleted or disabled, or its tokens were revoked since; a new password revokes them too.
func (a *accounts) returning(ctx context.Context, tenant, id string, authenticated time.Time) (*user, error) {
	u := &user{authenticated: authenticated}
	err := a.Directory.Store.Recent(ctx, func(tx store.Tx) (err error) {
		if u.User, err = a.Directory.User(tx, tenant, id); err != nil {
			return err
		}
		if !u.Enabled {
			return errUserDisabled()
		}
		if authenticated.Before(u.ValidFrom) {
			return errRevoked()
		}
		u.roles, err = a.Directory.DirectoryRoles(tx, tenant, id)
		return err
	})
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case errors.Is(err, directory.ErrNotFound):
		return nil, errRevoked().because(err)
	case err != nil:
		return nil, fmt.Errorf("find user: %w", err)
	}
	return u, nil
}

// pairwise returns the sub claim of a user for one application (OpenID Connect Core, 8.1). Two applications
// cannot find out from it that they have the same user; the object id is there for that.
func pairwise(app, user string) string {
	sum := sha256.Sum256([]byte("midas subject\x00" + arm.Fold(app) + "\x00" + arm.Fold(user)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
