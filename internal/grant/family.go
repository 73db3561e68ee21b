package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/store"
)

// sealedRefresh is the content of a refresh token.
type sealedRefresh struct {
	Tenant string    `json:"t"`
	Family string    `json:"f"`
	Number int       `json:"g"`          // see familyRecord
	Issued time.Time `json:"i,omitzero"` // zero in tokens of older versions
}

// Refresh is an opened refresh token with the grant of its family.
type Refresh struct {
	Grant
	sealed sealedRefresh
}

// begin stores a new family and returns its id and its first refresh token.
func (g *Grants) begin(tx store.Tx, granted Grant) (id, refreshToken string, err error) {
	id, now := g.NewID(), g.now()
	r := familyRecord{Grant: granted, Created: now, Expires: now.Add(RefreshLifetime)}
	if granted.Page {
		r.Expires = now.Add(PageLifetime)
	}
	first := sealedRefresh{Tenant: granted.TenantID, Family: id, Number: r.issue(), Issued: now}
	if err := putExpiring(tx, &families, familyKey(granted.TenantID, id), r, r.Expires); err != nil {
		return "", "", err
	}
	if err := g.addSignIn(tx, id, r); err != nil {
		return "", "", err
	}
	refreshToken, err = g.Sealer.Seal("refresh", first)
	return id, refreshToken, err
}

// Begin stores a new family and returns its first refresh token.
func (g *Grants) Begin(ctx context.Context, granted Grant) (refreshToken string, err error) {
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		_, refreshToken, err = g.begin(tx, granted)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("begin refresh tokens: %w", err)
	}
	return refreshToken, nil
}

// OpenRefresh opens a refresh token. The error is ErrInvalid if the text is no refresh token or its family
// has ended, or ErrExpired. It does not check whether the token was exchanged before; Rotate does.
func (g *Grants) OpenRefresh(ctx context.Context, sealed string) (Refresh, error) {
	var r Refresh
	if err := g.Sealer.Open("refresh", sealed, &r.sealed); err != nil {
		return Refresh{}, ErrInvalid
	}
	var record familyRecord
	err := g.Store.View(ctx, func(tx store.Tx) (err error) {
		record, err = families.Get(tx, familyKey(r.sealed.Tenant, r.sealed.Family))
		return err
	})
	if errors.Is(err, ErrInvalid) {
		return Refresh{}, ErrInvalid
	}
	if err != nil {
		return Refresh{}, fmt.Errorf("open refresh token: %w", err)
	}
	if now := g.now(); !now.Before(record.Expires) || r.sealed.expired(now) {
		return Refresh{}, ErrExpired
	}
	r.Grant = record.Grant
	return r, nil
}

// expired reports whether a token was not used for too long. Its family can be older or younger: it ends
// when none of its tokens is used.
func (s sealedRefresh) expired(now time.Time) bool {
	return !s.Issued.IsZero() && !now.Before(s.Issued.Add(RefreshLifetime))
}

// Rotate exchanges a refresh token for a successor. Callers check everything else about the request first;
// began is when the request began. If the token was exchanged before and the overlap has ended, Rotate ends
// the family and returns ErrReused. The error is ErrTooMany if the token has MaxSuccessors successors.
func (g *Grants) Rotate(ctx context.Context, r Refresh, began time.Time) (refreshToken string, err error) {
	var next sealedRefresh
	var reused bool
	_, err = g.Store.Update(ctx, func(tx store.Tx) (err error) {
		if next, err = g.rotate(tx, r, began); errors.Is(err, ErrReused) {
			reused = true
			return g.endFamily(tx, r.sealed.Tenant, r.sealed.Family)
		}
		reused = false
		return err
	})
	switch {
	case errors.Is(err, ErrInvalid):
		return "", ErrInvalid
	case errors.Is(err, ErrTooMany):
		return "", ErrTooMany
	case err != nil:
		return "", fmt.Errorf("rotate refresh token: %w", err)
	case reused:
		return "", ErrReused
	}
	return g.Sealer.Seal("refresh", next)
}

// rotate writes the exchange of a refresh token into the record of its family.
func (g *Grants) rotate(tx store.Tx, r Refresh, began time.Time) (next sealedRefresh, err error) {
	name := familyKey(r.sealed.Tenant, r.sealed.Family)
	record, err := families.Get(tx, name)
	if err != nil {
		return next, err
	}
	next = r.sealed
	next.Issued = g.now()
	if next.Number, err = record.exchange(r.sealed.Number, began, g.Now().UTC(), g.Overlap); err != nil {
		return next, err
	}
	if !record.Page {
		record.Expires = next.Issued.Add(RefreshLifetime)
	}
	if err := g.addSignIn(tx, r.sealed.Family, record); err != nil {
		return next, err
	}
	return next, families.Put(tx, name, record)
}
