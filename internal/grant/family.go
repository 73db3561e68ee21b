package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/store"
)

// familyRecord is a family of refresh tokens: one sign-in of one user with one client.
type familyRecord struct {
	Grant
	Generation int       `json:"generation"` // of the newest token, the only valid one
	Created    time.Time `json:"created"`
	Rotated    time.Time `json:"rotated"` // when that generation began
	Expires    time.Time `json:"expires"`
}

// sealedRefresh is the content of a refresh token.
type sealedRefresh struct {
	Tenant     string `json:"t"`
	Family     string `json:"f"`
	Generation int    `json:"g"`
}

// Refresh is an opened refresh token with the grant of its family.
type Refresh struct {
	Grant
	sealed sealedRefresh
}

// begin stores a new family and returns its id and its first refresh token.
func (g *Grants) begin(tx store.Tx, granted Grant) (id, refreshToken string, err error) {
	id, now := g.NewID(), g.now()
	r := familyRecord{Grant: granted, Created: now, Rotated: g.Now().UTC(), Expires: now.Add(RefreshLifetime)}
	if granted.Page {
		r.Expires = now.Add(PageLifetime)
	}
	if err := putExpiring(tx, &families, familyKey(granted.TenantID, id), r, r.Expires); err != nil {
		return "", "", err
	}
	if err := g.addSignIn(tx, id, r); err != nil {
		return "", "", err
	}
	refreshToken, err = g.Sealer.Seal("refresh", sealedRefresh{Tenant: granted.TenantID, Family: id})
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
// has ended, or ErrExpired. It does not check whether the token is the newest of its family; Rotate does.
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
	if !g.now().Before(record.Expires) {
		return Refresh{}, ErrExpired
	}
	r.Grant = record.Grant
	return r, nil
}

// Rotate exchanges a refresh token for the next of its family. Callers check everything else about the
// request first; began is when the request began. If the token was exchanged before, Rotate ends the
// family and returns ErrReused.
func (g *Grants) Rotate(ctx context.Context, r Refresh, began time.Time) (refreshToken string, err error) {
	next := r.sealed
	var reused bool
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		reused, next.Generation = false, r.sealed.Generation+1
		name := familyKey(r.sealed.Tenant, r.sealed.Family)
		record, err := families.Get(tx, name)
		if err != nil {
			return err
		}
		switch {
		case record.Generation == next.Generation && began.Before(record.Rotated.Add(g.Overlap)):
			return nil // a concurrent request has rotated the token; both get the same successor
		case record.Generation > r.sealed.Generation:
			reused = true
			return g.endFamily(tx, r.sealed.Tenant, r.sealed.Family)
		}
		// A generation newer than the record's is accepted: the store was restored from a backup.
		now := g.Now().UTC()
		record.Generation, record.Rotated = next.Generation, now
		if !record.Page {
			record.Expires = g.now().Add(RefreshLifetime)
		}
		if err := g.addSignIn(tx, r.sealed.Family, record); err != nil {
			return err
		}
		return families.Put(tx, name, record)
	})
	switch {
	case errors.Is(err, ErrInvalid):
		return "", ErrInvalid
	case err != nil:
		return "", fmt.Errorf("rotate refresh token: %w", err)
	case reused:
		return "", ErrReused
	}
	return g.Sealer.Seal("refresh", next)
}
