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

// memberRole is the directory role that Entra says every user of the tenant has.
const memberRole = "b79fbf4d-3ef9-4689-8143-76b194e85509"

// byPassword is the value of amr in tokens: users sign in with a password.
const byPassword = "pwd"

// user is a user who has signed in, in this request or before.
type user struct {
	directory.User
	authenticated time.Time // when the password was checked
	roles         []string  // of the directory
	session       string    // the name of the browser's session, if it keeps one
}

// grant is what the user grants to a client.
func (u *user) grant(client, scope string) grant.Grant {
	return grant.Grant{TenantID: u.TenantID, UserID: u.ID, ClientID: client, Scope: scope, Authenticated: u.authenticated}
}

// returning finds the user who has signed in at an earlier time. What was granted before the user's
// tokens were revoked, as a new password does, is good no longer.
func (a *accounts) returning(ctx context.Context, tenant, id string, authenticated time.Time) (*user, error) {
	u := &user{authenticated: authenticated}
	err := a.Directory.Store.View(ctx, func(tx store.Tx) (err error) {
		if u.User, err = a.Directory.User(tx, tenant, id); err == nil {
			u.roles, err = a.Directory.DirectoryRoles(tx, tenant, id)
		}
		return err
	})
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil, errRevoked().because(err)
	case err != nil:
		return nil, fmt.Errorf("find user: %w", err)
	case !u.Enabled:
		return nil, errUserDisabled()
	case authenticated.Before(u.ValidFrom):
		return nil, errRevoked()
	}
	return u, nil
}

// pairwise gives the subject of a user for one application. Two applications cannot tell from it that
// they have the same user; for that there is the object id.
func pairwise(app, user string) string {
	sum := sha256.Sum256([]byte("midas subject\x00" + arm.Fold(app) + "\x00" + arm.Fold(user)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
