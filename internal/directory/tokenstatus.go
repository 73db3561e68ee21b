package directory

import (
	"errors"
	"time"

	"midas/internal/store"
)

// TokenStatus says whether a user or a service principal may get and use tokens. It is looked up each
// time that a token is issued or accepted.
type TokenStatus struct {
	User       bool // a user; otherwise a service principal
	Enabled    bool
	ValidFrom  time.Time // tokens issued before are revoked
	ClientID   string    // of a service principal
	ResourceID string    // of a managed identity
}

// TokenStatus gives the status of a user or a service principal, or ErrNotFound. Every request reads
// it, so the records are kept decoded.
func (d *Directory) TokenStatus(tx store.Tx, tenant, oid string) (TokenStatus, error) {
	p, err := principals.GetShared(tx, principalKey(tenant, oid), &d.decoded.principals)
	if err == nil {
		return p.tokenStatus(), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return TokenStatus{}, err
	}
	u, err := users.GetShared(tx, userKey(tenant, oid), &d.decoded.users)
	return u.tokenStatus(), err
}

// sameValidity reports whether the same tokens are valid with two statuses of a subject.
func (s TokenStatus) sameValidity(other TokenStatus) bool {
	return s.Enabled == other.Enabled && s.ValidFrom.Equal(other.ValidFrom)
}
