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

// byPassword is the only way in which people sign in here.
const byPassword = "pwd"

// person is a user who has signed in.
type person struct {
	directory.User
	authenticated time.Time // when the password was shown
	roles         []string  // of the directory
	session       string    // the name of the browser's session, if it keeps one
}

// grant is what the person grants to a client.
func (p *person) grant(client, scope string) grant.Grant {
	return grant.Grant{TenantID: p.TenantID, UserID: p.ID, ClientID: client, Scope: scope, Authenticated: p.authenticated}
}

// returning finds the person who has signed in at an earlier time. What was granted before the user's
// tokens were revoked, as a new password does, is good no longer.
func (a *accounts) returning(ctx context.Context, tenant, id string, authenticated time.Time) (*person, error) {
	p := &person{authenticated: authenticated}
	err := a.Directory.Store.View(ctx, func(tx store.Tx) (err error) {
		if p.User, err = a.Directory.User(tx, tenant, id); err == nil {
			p.roles, err = a.Directory.DirectoryRoles(tx, tenant, id)
		}
		return err
	})
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil, errRevoked().because(err)
	case err != nil:
		return nil, fmt.Errorf("find user: %w", err)
	case !p.Enabled:
		return nil, errUserDisabled()
	case authenticated.Before(p.ValidFrom):
		return nil, errRevoked()
	}
	return p, nil
}

// pairwise is a person's name for one application, from which two applications cannot tell that they
// know the same person. The object id tells them, to whom the directory means to tell it.
func pairwise(app, user string) string {
	sum := sha256.Sum256([]byte("midas subject\x00" + arm.Fold(app) + "\x00" + arm.Fold(user)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
