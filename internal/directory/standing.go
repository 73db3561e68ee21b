package directory

import (
	"errors"
	"time"

	"midas/internal/store"
)

// Standing is what must be known of a principal or a user each time that a token is made or shown.
type Standing struct {
	Enabled    bool
	ValidFrom  time.Time // tokens issued before are revoked
	ClientID   string    // of a principal
	ResourceID string    // of a managed identity
}

// Standing tells how a principal or a user stands now, or gives ErrNotFound. It is on the path of
// every request, so what it reads is kept decoded.
func (d *Directory) Standing(tx store.Tx, tenant, oid string) (Standing, error) {
	p, err := principals.GetShared(tx, principalKey(tenant, oid), &d.hot.principals)
	if err == nil {
		return Standing{Enabled: p.Enabled, ValidFrom: p.ValidFrom, ClientID: p.AppID, ResourceID: p.ResourceID}, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return Standing{}, err
	}
	u, err := users.GetShared(tx, userKey(tenant, oid), &d.hot.users)
	return Standing{Enabled: u.Enabled, ValidFrom: u.ValidFrom}, err
}
