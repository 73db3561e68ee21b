package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/store"
)

// The values of ServicePrincipal.Type, as Microsoft Graph spells them.
const (
	TypeApplication     = "Application"
	TypeManagedIdentity = "ManagedIdentity"
)

// ServicePrincipal is what an application or a managed identity is inside one tenant.
type ServicePrincipal struct {
	ID               string    `json:"id"`    // object id; the oid and sub of its tokens
	AppID            string    `json:"appId"` // client id
	TenantID         string    `json:"tenantId"`
	DisplayName      string    `json:"displayName"`
	Type             string    `json:"type"` // TypeApplication or TypeManagedIdentity
	AlternativeNames []string  `json:"alternativeNames,omitempty"`
	Enabled          bool      `json:"enabled"`
	Created          time.Time `json:"created"`
	ResourceID       string    `json:"resourceId,omitempty"` // ARM id behind a managed identity

	// ValidFrom is when its tokens were last revoked: those issued before are refused. Tokens tell
	// their time in whole seconds, so it is one too.
	ValidFrom time.Time `json:"validFrom,omitzero"`
}

type principalRecord struct {
	version
	ServicePrincipal
}

// CreateServicePrincipal adds a principal, or gives ErrExists when its object id or its client id is
// taken.
func (d *Directory) CreateServicePrincipal(tx store.Tx, p ServicePrincipal) error {
	if p.ID == "" || p.AppID == "" || p.TenantID == "" {
		return errors.New("create service principal: object id, client id and tenant are required")
	}
	if p.Type != TypeApplication && p.Type != TypeManagedIdentity {
		return fmt.Errorf("create service principal %s: there is no type %q", p.ID, p.Type)
	}
	if p.Created.IsZero() {
		p.Created = d.Now().UTC()
	}
	record, byApp := principalKey(p.TenantID, p.ID), principalAppKey(p.TenantID, p.AppID)
	for _, k := range []string{record, byApp} {
		if err := absent(tx, k); err != nil {
			return fmt.Errorf("create service principal %s: %w", p.ID, err)
		}
	}
	if err := put(tx, byApp, reference{version{current}, p.ID}); err != nil {
		return err
	}
	return put(tx, record, principalRecord{version{current}, p})
}

// DeleteServicePrincipal removes a principal, or gives ErrNotFound. What it was given, roles among
// that, stays where it is and points at nobody.
func (d *Directory) DeleteServicePrincipal(tx store.Tx, tenant, oid string) error {
	p, err := d.ServicePrincipal(tx, tenant, oid)
	if err != nil {
		return fmt.Errorf("delete service principal %s: %w", oid, err)
	}
	tx.Delete(principalKey(tenant, oid))
	tx.Delete(principalAppKey(tenant, p.AppID))
	return nil
}

// RevokeTokens makes all tokens invalid that were issued to a principal up to now, or gives
// ErrNotFound.
func (d *Directory) RevokeTokens(tx store.Tx, tenant, oid string) error {
	p, err := d.ServicePrincipal(tx, tenant, oid)
	if err != nil {
		return fmt.Errorf("revoke tokens of %s: %w", oid, err)
	}
	// Tokens of this very second may have been issued before, so the next second is the first good
	// one.
	p.ValidFrom = d.Now().UTC().Truncate(time.Second).Add(time.Second)
	return put(tx, principalKey(tenant, oid), principalRecord{version{current}, p})
}

// ServicePrincipal gives the principal with an object id, or ErrNotFound.
func (d *Directory) ServicePrincipal(tx store.Tx, tenant, oid string) (ServicePrincipal, error) {
	r, err := get[principalRecord](tx, principalKey(tenant, oid))
	return r.ServicePrincipal, err
}

// ServicePrincipalByAppID gives the principal with a client id, or ErrNotFound.
func (d *Directory) ServicePrincipalByAppID(tx store.Tx, tenant, appID string) (ServicePrincipal, error) {
	ref, err := get[reference](tx, principalAppKey(tenant, appID))
	if err != nil {
		return ServicePrincipal{}, err
	}
	return d.ServicePrincipal(tx, tenant, ref.ID)
}

// PrincipalType says what an object id stands for, or gives ErrNotFound.
func (d *Directory) PrincipalType(ctx context.Context, tenant, oid string) (string, error) {
	err := d.Store.View(ctx, func(tx store.Tx) error {
		_, err := d.ServicePrincipal(tx, tenant, oid)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("find principal %s: %w", oid, err)
	}
	return ObjectServicePrincipal, nil
}
