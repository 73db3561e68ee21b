package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/store"
)

// The values of ServicePrincipal.Type, as Microsoft Graph spells them.
const (
	TypeApplication     = "Application"
	TypeManagedIdentity = "ManagedIdentity"
)

// ServicePrincipal represents an application or a managed identity in a tenant.
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

	// Secrets and Certificates authenticate the application in this tenant, as those of the application do. The
	// service principal of a managed identity has none.
	Secrets      []Secret      `json:"secrets,omitempty"`
	Certificates []Certificate `json:"certificates,omitempty"`

	// AssignmentRequired restricts sign-ins to it, and tokens for it, to the principals that are assigned to it
	// (see Assigned).
	AssignmentRequired bool `json:"assignmentRequired,omitempty"`

	// ValidFrom is the time of the last revocation: tokens that were issued before it are refused. It has
	// whole seconds, as the times in tokens do.
	ValidFrom time.Time `json:"validFrom,omitzero"`

	// Extra holds opaque properties, as Application.Extra does.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`

	// FirstParty marks a service principal that every tenant has. It is not stored and cannot be changed.
	FirstParty bool `json:"-"`
}

// CreateServicePrincipal adds a principal, or returns ErrExists if another principal has its object id or
// its client id.
func (d *Directory) CreateServicePrincipal(tx store.Tx, p ServicePrincipal) error {
	if p.ID == "" || p.AppID == "" || p.TenantID == "" {
		return errors.New("create service principal: object id, client id and tenant are required")
	}
	if p.Type != TypeApplication && p.Type != TypeManagedIdentity {
		return fmt.Errorf("create service principal %s: there is no type %q", p.ID, p.Type)
	}
	if err := p.checkCredentials(); err != nil {
		return fmt.Errorf("create service principal %s: %w", p.ID, err)
	}
	if d.tooManyRevoked() {
		return fmt.Errorf("create service principal %s: %w", p.ID, ErrTooManyRevocations)
	}
	if p.Created.IsZero() {
		p.Created = d.Now().UTC()
	}
	record, byApp := principalKey(p.TenantID, p.ID), principalAppKey(p.TenantID, p.AppID)
	if p.Type != TypeManagedIdentity { // ids of managed identities are random, so they need no check
		for _, k := range []string{record, byApp} {
			if err := checkAbsent(tx, k); err != nil {
				return fmt.Errorf("create service principal %s: %w", p.ID, err)
			}
		}
		err := d.countAdministrator(tx, p.TenantID, p.ID, false, p.Enabled)
		if err == nil {
			p.ValidFrom, err = d.firstValid(tx, p.TenantID, p.ID, p.tokenStatus())
		}
		if err != nil {
			return fmt.Errorf("create service principal %s: %w", p.ID, err)
		}
	}
	if err := principalApps.Put(tx, byApp, reference{p.ID}); err != nil {
		return err
	}
	return principals.Put(tx, record, p)
}

// UpdateServicePrincipal replaces a principal except its ids, type and creation time. It returns
// ErrNotFound, ErrFirstParty or ErrLastAdministrator. Disabling a principal also revokes its tokens.
func (d *Directory) UpdateServicePrincipal(tx store.Tx, p ServicePrincipal) error {
	old, err := d.ServicePrincipal(tx, p.TenantID, p.ID)
	if err == nil && old.FirstParty {
		err = ErrFirstParty
	}
	if err == nil {
		p.Type = old.Type
		err = p.checkCredentials()
	}
	if err != nil {
		return fmt.Errorf("update service principal %s: %w", p.ID, err)
	}
	if err := d.countAdministrator(tx, p.TenantID, old.ID, old.Enabled, p.Enabled); err != nil {
		return fmt.Errorf("update service principal %s: %w", p.ID, err)
	}
	p.ID, p.AppID, p.ResourceID, p.Created = old.ID, old.AppID, old.ResourceID, old.Created
	if old.Enabled && !p.Enabled {
		p.ValidFrom = d.nextValidFrom(old.ValidFrom)
	}
	return d.putPrincipal(tx, old, p)
}

// DeleteServicePrincipal removes a principal. It returns ErrNotFound, ErrFirstParty or
// ErrLastAdministrator. Its memberships and role assignments have no effect any more; Unlink removes those
// of the directory.
func (d *Directory) DeleteServicePrincipal(tx store.Tx, tenant, oid string) error {
	return d.deletePrincipal(tx, tenant, oid, d.removeAdministrator)
}

// DeleteManagedIdentityPrincipal is DeleteServicePrincipal for a managed identity whose resource is being
// deleted. It never returns ErrLastAdministrator: RemoveAdministrators has checked that when the deletion
// was accepted, and the cascade must not stop. It uses at most eight keys of the transaction.
func (d *Directory) DeleteManagedIdentityPrincipal(tx store.Tx, tenant, oid string) error {
	return d.deletePrincipal(tx, tenant, oid, func(tx store.Tx, tenant, oid string, enabled bool) error {
		err := d.removeAdministrator(tx, tenant, oid, enabled)
		if errors.Is(err, ErrLastAdministrator) { // an earlier version accepted the deletion without RemoveAdministrators
			return administratorCounts.Put(tx, administratorsKey(tenant), administrators{})
		}
		return err
	})
}

func (d *Directory) deletePrincipal(tx store.Tx, tenant, oid string, end func(tx store.Tx, tenant, oid string, enabled bool) error) error {
	p, err := d.ServicePrincipal(tx, tenant, oid)
	if err == nil && p.FirstParty {
		err = ErrFirstParty
	}
	if err == nil {
		err = end(tx, tenant, oid, p.Enabled)
	}
	if err == nil {
		err = markForUnlink(tx, tenant, oid)
	}
	if err != nil {
		return fmt.Errorf("delete service principal %s: %w", oid, err)
	}
	tx.Delete(principalAppKey(tenant, p.AppID))
	return d.deleteSubject(tx, principalKey(tenant, oid), tenant, oid)
}

// RevokeTokens revokes all tokens that were issued to a principal or a user until now, or returns
// ErrNotFound.
func (d *Directory) RevokeTokens(tx store.Tx, tenant, oid string) error {
	p, err := principals.Get(tx, principalKey(tenant, oid))
	if err == nil {
		was := p
		p.ValidFrom = d.nextValidFrom(p.ValidFrom)
		return d.putPrincipal(tx, was, p)
	}
	if !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("revoke tokens of %s: %w", oid, err)
	}
	u, err := d.userRecord(tx, tenant, oid)
	if err != nil {
		return fmt.Errorf("revoke tokens of %s: %w", oid, err)
	}
	was := u.User
	u.ValidFrom = d.nextValidFrom(u.ValidFrom)
	return d.putUser(tx, was, u)
}

// mostClockDifference is the largest difference of the clocks of replicas that revocations take into account.
const mostClockDifference = 3 * time.Hour

// nextValidFrom is the ValidFrom of a revocation now, after one with the ValidFrom last. It is the next second,
// because tokens of the current second may have been issued before the revocation.
//
// What is issued between a revocation and its ValidFrom is dated to that. A second revocation in the same second,
// or by a slower clock, is therefore a second later than the first, up to clock.Skew, by which a token may be
// dated ahead. A later ValidFrom than that is the mistake of a wrong clock and does not last; but if replicas have
// different clocks, it can be that of a faster one, whose tokens must stay revoked.
func (d *Directory) nextValidFrom(last time.Time) time.Time {
	now, kept := d.Now().UTC(), time.Duration(0)
	if d.Latest != nil {
		now, kept = d.Latest(now), mostClockDifference
	}
	now = now.Truncate(time.Second)
	next, latest := now.Add(time.Second), now.Add(clock.Skew)
	switch {
	case last.Before(next), last.After(latest) && last.After(now.Add(kept)):
		return next
	case last.After(latest):
		return last
	}
	if next = last.Add(time.Second); next.After(latest) {
		return latest
	}
	return next
}

// ServicePrincipal gives the principal with an object id, or ErrNotFound.
func (d *Directory) ServicePrincipal(tx store.Tx, tenant, oid string) (ServicePrincipal, error) {
	p, err := principals.Get(tx, principalKey(tenant, oid))
	if errors.Is(err, ErrNotFound) {
		if p, found := firstParty(tenant, func(p ServicePrincipal) bool { return arm.SameName(p.ID, oid) }); found {
			return p, nil
		}
	}
	return p, err
}

// ServicePrincipalByAppID gives the principal with a client id, or ErrNotFound.
func (d *Directory) ServicePrincipalByAppID(tx store.Tx, tenant, appID string) (ServicePrincipal, error) {
	ref, err := principalApps.Get(tx, principalAppKey(tenant, appID))
	if errors.Is(err, ErrNotFound) {
		if p, found := firstParty(tenant, func(p ServicePrincipal) bool { return arm.SameName(p.AppID, appID) }); found {
			return p, nil
		}
	}
	if err != nil {
		return ServicePrincipal{}, err
	}
	return d.ServicePrincipal(tx, tenant, ref.ID)
}

// ServicePrincipals returns at most limit principals in the order of their object ids, after the given
// one, without those of FirstPartyPrincipals.
func (d *Directory) ServicePrincipals(tx store.Tx, tenant, after string, limit int) ([]ServicePrincipal, error) {
	return list(tx, &principals, principalKey(tenant, ""), after, limit)
}
