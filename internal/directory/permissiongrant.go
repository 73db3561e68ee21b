package directory

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// The values of PermissionGrant.ConsentType.
const (
	ConsentPrincipal     = "Principal"     // one user has consented
	ConsentAllPrincipals = "AllPrincipals" // an administrator has consented for all users
)

// Limits of permission grants.
const (
	MaxGrantScope  = 3850  // bytes of PermissionGrant.Scope, as in Microsoft Graph
	maxUserGrants  = 1_000 // Principal grants of one user
	maxAdminGrants = 1_000 // AllPrincipals grants of one client
)

// PermissionGrant grants a client delegated permissions at a resource, for one user or for all users. It is
// the oauth2PermissionGrant of Microsoft Graph. At most one exists for each client, resource and user (or
// all users).
type PermissionGrant struct {
	ID          string    `json:"id"` // derived from the four below, so that none exists twice
	TenantID    string    `json:"tenantId"`
	ClientID    string    `json:"clientId"` // object id of the client's service principal
	ConsentType string    `json:"consentType"`
	PrincipalID string    `json:"principalId,omitempty"` // object id of the user; empty for all users
	ResourceID  string    `json:"resourceId"`            // object id of the resource's service principal
	Scope       string    `json:"scope"`                 // values of permissions, separated by a space
	Created     time.Time `json:"created"`
}

// GrantEnd is a party of a permission grant by which grants can be listed. Each has an index.
type GrantEnd struct{ index store.Table[noValue] }

// The parties of a permission grant.
var (
	GrantClient   = GrantEnd{store.Table[noValue]{Kind: store.GrantClientIndex, Missing: ErrNotFound}}
	GrantResource = GrantEnd{store.Table[noValue]{Kind: store.GrantResourceIndex, Missing: ErrNotFound}}
	GrantUser     = GrantEnd{store.Table[noValue]{Kind: store.GrantUserIndex, Missing: ErrNotFound}}

	// grantsForAll lists the AllPrincipals grants of a client.
	grantsForAll = GrantEnd{store.Table[noValue]{Kind: store.GrantAllIndex, Missing: ErrNotFound}}
)

func (e *GrantEnd) key(tenant, object, id string) string {
	return key(e.index.Kind, tenant, object+"/"+id)
}

// deriveID sets the id to a hash of the other fields, with the form of Entra's ids: 43 characters of
// base64url.
func (g *PermissionGrant) deriveID() {
	sum := sha256.Sum256([]byte(arm.Fold(g.ClientID + "/" + g.ResourceID + "/" + g.ConsentType + "/" + g.PrincipalID)))
	g.ID = base64.RawURLEncoding.EncodeToString(sum[:])
}

// indexEntries returns the look-up keys of the grant.
func (g *PermissionGrant) indexEntries() []indexEntry {
	all := []indexEntry{
		{&GrantClient, GrantClient.key(g.TenantID, g.ClientID, g.ID)},
		{&GrantResource, GrantResource.key(g.TenantID, g.ResourceID, g.ID)},
	}
	if g.ConsentType == ConsentPrincipal {
		return append(all, indexEntry{&GrantUser, GrantUser.key(g.TenantID, g.PrincipalID, g.ID)})
	}
	return append(all, indexEntry{&grantsForAll, grantsForAll.key(g.TenantID, g.ClientID, g.ID)})
}

// indexEntry is one look-up key of a permission grant and its index.
type indexEntry struct {
	end *GrantEnd
	key string
}

// CreatePermissionGrant adds a grant and returns it with its id. It returns ErrNotFound if the client, the
// resource or the user does not exist, ErrInvalid, ErrTooManyGrants, or ErrExists.
func (d *Directory) CreatePermissionGrant(tx store.Tx, g PermissionGrant) (PermissionGrant, error) {
	err := d.checkGrant(tx, &g)
	if err == nil {
		g.deriveID()
		err = checkAbsent(tx, permissionGrantKey(g.TenantID, g.ID))
	}
	if err == nil {
		err = checkGrantLimit(tx, g)
	}
	if err != nil {
		return g, fmt.Errorf("create permission grant of %s: %w", g.ClientID, err)
	}
	if g.Created.IsZero() {
		g.Created = d.Now().UTC()
	}
	for _, l := range g.indexEntries() {
		if err := l.end.index.Put(tx, l.key, noValue{}); err != nil {
			return g, err
		}
	}
	return g, permissionGrants.Put(tx, permissionGrantKey(g.TenantID, g.ID), g)
}

// AddPermissions adds the scope of g to the existing grant, or creates the grant.
func (d *Directory) AddPermissions(tx store.Tx, g PermissionGrant) (PermissionGrant, error) {
	g.deriveID()
	old, err := d.PermissionGrant(tx, g.TenantID, g.ID)
	if errors.Is(err, ErrNotFound) {
		return d.CreatePermissionGrant(tx, g)
	}
	if err == nil {
		err = d.checkGrant(tx, &g) // the client, resource or user may be deleted
	}
	if err != nil {
		return g, fmt.Errorf("add permissions of %s: %w", g.ClientID, err)
	}
	return d.SetPermissions(tx, g.TenantID, g.ID, old.Scope+" "+g.Scope)
}

// SetPermissions replaces the scope of a grant. It gives ErrNotFound or ErrInvalid.
func (d *Directory) SetPermissions(tx store.Tx, tenant, id, scope string) (PermissionGrant, error) {
	g, err := d.PermissionGrant(tx, tenant, id)
	if err == nil {
		g.Scope, err = normalScope(scope)
	}
	if err != nil {
		return g, fmt.Errorf("set permissions of grant %s: %w", id, err)
	}
	return g, permissionGrants.Put(tx, permissionGrantKey(tenant, id), g)
}

// DeletePermissionGrant removes a grant, or gives ErrNotFound.
func (d *Directory) DeletePermissionGrant(tx store.Tx, tenant, id string) error {
	g, err := d.PermissionGrant(tx, tenant, id)
	if err != nil {
		return fmt.Errorf("delete permission grant %s: %w", id, err)
	}
	g.deleteKeys(tx)
	return nil
}

func (g *PermissionGrant) deleteKeys(tx store.Tx) {
	tx.Delete(permissionGrantKey(g.TenantID, g.ID))
	for _, l := range g.indexEntries() {
		tx.Delete(l.key)
	}
}

// checkGrant checks that the client, the resource and the user of a grant exist and have the right kind. It
// guards them, so that a transaction that deletes one of them conflicts with this one.
func (d *Directory) checkGrant(tx store.Tx, g *PermissionGrant) (err error) {
	if g.Scope, err = normalScope(g.Scope); err != nil {
		return err
	}
	client, err := d.ServicePrincipal(tx, g.TenantID, g.ClientID)
	if err != nil {
		return fmt.Errorf("client %s: %w", g.ClientID, err)
	}
	resource, err := d.ServicePrincipal(tx, g.TenantID, g.ResourceID)
	if err != nil {
		return fmt.Errorf("resource %s: %w", g.ResourceID, err)
	}
	switch {
	case client.Type != TypeApplication || resource.Type != TypeApplication:
		return fmt.Errorf("%w: a managed identity can be neither client nor resource of delegated permissions", ErrInvalid)
	case client.FirstParty:
		return fmt.Errorf("%w: %s is a resource and not a client", ErrInvalid, client.DisplayName)
	case g.ConsentType == ConsentAllPrincipals && g.PrincipalID != "":
		return fmt.Errorf("%w: a grant for all principals names no principal", ErrInvalid)
	case g.ConsentType == ConsentAllPrincipals:
		return nil
	case g.ConsentType != ConsentPrincipal:
		return fmt.Errorf("%w: there is no consent type %q", ErrInvalid, g.ConsentType)
	}
	if _, err := d.User(tx, g.TenantID, g.PrincipalID); err != nil {
		return fmt.Errorf("user %s: %w", g.PrincipalID, err)
	}
	return nil
}

// checkGrantLimit returns ErrTooManyGrants if the user, or the client for all users, has too many grants.
func checkGrantLimit(tx store.Tx, g PermissionGrant) error {
	end, object, most := &GrantUser, g.PrincipalID, maxUserGrants
	if g.ConsentType == ConsentAllPrincipals {
		end, object, most = &grantsForAll, g.ClientID, maxAdminGrants
	}
	ids, err := idsAfterPrefix(tx, &end.index, end.key(g.TenantID, object, ""), "", most)
	if err == nil && len(ids) == most {
		err = ErrTooManyGrants
	}
	return err
}

// normalScope returns a scope without duplicate values and with single spaces, or ErrInvalid.
func normalScope(scope string) (string, error) {
	var values []string
	for v := range strings.FieldsSeq(scope) {
		if !validScope(v) {
			return "", fmt.Errorf("%w: the scope contains an invalid value", ErrInvalid)
		}
		if !slices.ContainsFunc(values, func(have string) bool { return arm.SameName(have, v) }) {
			values = append(values, v)
		}
	}
	text := strings.Join(values, " ")
	if text == "" || len(text) > MaxGrantScope {
		return "", fmt.Errorf("%w: a scope has between one and %d bytes", ErrInvalid, MaxGrantScope)
	}
	return text, nil
}

// validScope reports whether a value has only the characters that RFC 6749, 3.3, allows, and no slash,
// which separates a resource from its scope.
func validScope(value string) bool {
	for _, c := range []byte(value) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '/' {
			return false
		}
	}
	return value != "" && len(value) <= 256
}

// PermissionGrant gives the grant with an id, or ErrNotFound.
func (d *Directory) PermissionGrant(tx store.Tx, tenant, id string) (PermissionGrant, error) {
	return permissionGrants.Get(tx, permissionGrantKey(tenant, id))
}

// PermissionGrants returns at most limit grants in the order of their ids, after the given one. Their
// client, resource or user may no longer exist.
func (d *Directory) PermissionGrants(tx store.Tx, tenant, after string, limit int) ([]PermissionGrant, error) {
	return list(tx, &permissionGrants, permissionGrantKey(tenant, ""), after, limit)
}

// PermissionGrantsOf is PermissionGrants of one client, resource or user.
func (d *Directory) PermissionGrantsOf(tx store.Tx, tenant string, end GrantEnd, object, after string, limit int) ([]PermissionGrant, error) {
	ids, err := idsAfterPrefix(tx, &end.index, end.key(tenant, object, ""), after, limit)
	if err != nil {
		return nil, fmt.Errorf("list permission grants of %s: %w", object, err)
	}
	var all []PermissionGrant
	for _, id := range ids {
		g, err := d.PermissionGrant(tx, tenant, id)
		if err != nil {
			return nil, fmt.Errorf("list permission grants of %s: %w", object, err)
		}
		all = append(all, g)
	}
	return all, nil
}

// GrantedPermissions returns the values of the permissions that a client has for a user at a resource: by
// consent of the user, by consent of an administrator for all users, and by preauthorization.
func (d *Directory) GrantedPermissions(tx store.Tx, client, resource ServicePrincipal, user string) ([]string, error) {
	var values []string
	for _, g := range []PermissionGrant{
		{ConsentType: ConsentAllPrincipals},
		{ConsentType: ConsentPrincipal, PrincipalID: user},
	} {
		g.ClientID, g.ResourceID = client.ID, resource.ID
		g.deriveID()
		found, err := d.PermissionGrant(tx, client.TenantID, g.ID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, fmt.Errorf("permissions of %s at %s: %w", client.ID, resource.ID, err)
		}
		values = append(values, strings.Fields(found.Scope)...)
	}
	if resource.FirstParty {
		return values, nil
	}
	a, err := d.ApplicationByAppID(tx, resource.TenantID, resource.AppID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("permissions of %s at %s: %w", client.ID, resource.ID, err)
	}
	return append(values, a.api().preauthorized(client.AppID)...), nil
}

// unlinkPermissionGrants removes grants whose client, resource or user was deleted, and reports whether
// there may be more. limit counts pairs of keys; a grant has four keys, so it removes limit/2 grants.
func unlinkPermissionGrants(tx store.Tx, tenant, oid string, limit int) (more bool, err error) {
	left := limit / 2
	for _, end := range []*GrantEnd{&GrantClient, &GrantResource, &GrantUser} {
		if left == 0 {
			return true, nil
		}
		ids, err := idsAfterPrefix(tx, &end.index, end.key(tenant, oid, ""), "", left)
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			g, err := permissionGrants.Get(tx, permissionGrantKey(tenant, id))
			switch {
			case errors.Is(err, ErrNotFound): // already removed through another party
				tx.Delete(end.key(tenant, oid, id))
			case err != nil:
				return false, err
			}
			if err == nil {
				g.deleteKeys(tx)
			}
		}
		left -= len(ids)
	}
	return left == 0, nil
}
