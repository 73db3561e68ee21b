package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
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

	// AssignmentRequired says that users sign in to it, and users and applications get tokens for it, only
	// if they are assigned to it (see Assigned).
	AssignmentRequired bool `json:"assignmentRequired,omitempty"`

	// ValidFrom is when its tokens were last revoked: those issued before are refused. Tokens tell
	// their time in whole seconds, so it is one too.
	ValidFrom time.Time `json:"validFrom,omitzero"`

	// Extra is what Application.Extra is.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`

	// FirstParty says that it is in every tenant and stored in none, so it cannot be changed.
	FirstParty bool `json:"-"`
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
	if p.Type != TypeManagedIdentity { // whose ids are random and never somebody's choice
		for _, k := range []string{record, byApp} {
			if err := absent(tx, k); err != nil {
				return fmt.Errorf("create service principal %s: %w", p.ID, err)
			}
		}
		if err := d.enabling(tx, p.TenantID, p.ID, false, p.Enabled); err != nil {
			return fmt.Errorf("create service principal %s: %w", p.ID, err)
		}
	}
	if err := principalApps.Put(tx, byApp, reference{p.ID}); err != nil {
		return err
	}
	return principals.Put(tx, record, p)
}

// UpdateServicePrincipal replaces what may change of a principal; its client id and type stay as
// they were. It gives ErrNotFound, ErrFirstParty, or ErrLastAdministrator. A principal that is disabled by it loses its
// tokens too.
func (d *Directory) UpdateServicePrincipal(tx store.Tx, p ServicePrincipal) error {
	old, err := d.ServicePrincipal(tx, p.TenantID, p.ID)
	if err == nil && old.FirstParty {
		err = ErrFirstParty
	}
	if err != nil {
		return fmt.Errorf("update service principal %s: %w", p.ID, err)
	}
	if err := d.enabling(tx, p.TenantID, old.ID, old.Enabled, p.Enabled); err != nil {
		return fmt.Errorf("update service principal %s: %w", p.ID, err)
	}
	p.ID, p.AppID, p.Type, p.ResourceID, p.Created = old.ID, old.AppID, old.Type, old.ResourceID, old.Created
	if old.Enabled && !p.Enabled {
		p.ValidFrom = d.revocation()
	}
	return principals.Put(tx, principalKey(p.TenantID, p.ID), p)
}

// DeleteServicePrincipal removes a principal. It gives ErrNotFound, ErrFirstParty, or
// ErrLastAdministrator. What it was given, roles among that, stays where it is and points at nobody;
// Unlink removes what of it is in the directory.
func (d *Directory) DeleteServicePrincipal(tx store.Tx, tenant, oid string) error {
	return d.deletePrincipal(tx, tenant, oid, d.endAdministrator)
}

// EndManagedIdentity is DeleteServicePrincipal for the principal of a managed identity whose resource's
// deletion was accepted before: EndAdministrators was asked then, and a cascade cannot fail half-way.
// It uses at most six keys.
func (d *Directory) EndManagedIdentity(tx store.Tx, tenant, oid string) error {
	return d.deletePrincipal(tx, tenant, oid, func(tx store.Tx, tenant, oid string, enabled bool) error {
		err := d.endAdministrator(tx, tenant, oid, enabled)
		if errors.Is(err, ErrLastAdministrator) { // accepted by an earlier version, which did not ask
			return counts.Put(tx, administratorsKey(tenant), administrators{})
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
		err = leaveTraces(tx, tenant, oid)
	}
	if err != nil {
		return fmt.Errorf("delete service principal %s: %w", oid, err)
	}
	tx.Delete(principalKey(tenant, oid))
	tx.Delete(principalAppKey(tenant, p.AppID))
	return nil
}

// RevokeTokens makes all tokens invalid that were issued to a principal or a user up to now, or
// gives ErrNotFound.
func (d *Directory) RevokeTokens(tx store.Tx, tenant, oid string) error {
	p, err := principals.Get(tx, principalKey(tenant, oid))
	if err == nil {
		p.ValidFrom = d.revocation()
		return principals.Put(tx, principalKey(tenant, oid), p)
	}
	if !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("revoke tokens of %s: %w", oid, err)
	}
	u, err := d.userRecord(tx, tenant, oid)
	if err != nil {
		return fmt.Errorf("revoke tokens of %s: %w", oid, err)
	}
	u.ValidFrom = d.revocation()
	return users.Put(tx, userKey(tenant, oid), u)
}

// revocation is the ValidFrom of a principal whose tokens are revoked now. Tokens of this very second
// may have been issued before, so the next second is the first good one.
func (d *Directory) revocation() time.Time {
	return d.Now().UTC().Truncate(time.Second).Add(time.Second)
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

// ServicePrincipals gives at most limit principals in the order of their object ids, after the given
// one. Those that are in every tenant are not among them; FirstPartyPrincipals gives them.
func (d *Directory) ServicePrincipals(tx store.Tx, tenant, after string, limit int) ([]ServicePrincipal, error) {
	return list(tx, &principals, principalKey(tenant, ""), after, limit)
}
