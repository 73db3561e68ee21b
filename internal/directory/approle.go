package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// AppRole is a role that an application defines. Its value is in the roles claim of tokens of the
// principals that have it.
type AppRole struct {
	ID                 string   `json:"id"`
	Value              string   `json:"value,omitempty"`
	DisplayName        string   `json:"displayName,omitempty"`
	Description        string   `json:"description,omitempty"`
	AllowedMemberTypes []string `json:"allowedMemberTypes,omitempty"` // User, Application
	Enabled            bool     `json:"enabled"`
}

// DefaultAppRole is the role id of an assignment without a particular role.
const DefaultAppRole = "00000000-0000-0000-0000-000000000000"

// AppRoleAssignment gives a user, a group or a service principal a role of an application.
type AppRoleAssignment struct {
	ID          string    `json:"id"` // derived from the three below, so that none exists twice
	TenantID    string    `json:"tenantId"`
	PrincipalID string    `json:"principalId"`
	ResourceID  string    `json:"resourceId"` // object id of the application's service principal
	AppRoleID   string    `json:"appRoleId"`
	Created     time.Time `json:"created"`
}

// deriveID sets the id to a hash of the other fields, with the form of Entra's ids: 43 characters of
// base64url.
func (a *AppRoleAssignment) deriveID() {
	sum := sha256.Sum256([]byte(arm.Fold(a.PrincipalID + "/" + a.ResourceID + "/" + a.AppRoleID)))
	a.ID = base64.RawURLEncoding.EncodeToString(sum[:])
}

// AssignAppRole assigns an app role to a principal and returns the assignment with its id. It returns
// ErrNotFound if the principal or the resource does not exist, ErrInvalid if the resource has no such
// enabled role or its allowedMemberTypes exclude the principal, or ErrExists.
func (d *Directory) AssignAppRole(tx store.Tx, a AppRoleAssignment) (AppRoleAssignment, error) {
	kind, err := d.ObjectType(tx, a.TenantID, a.PrincipalID)
	if err != nil {
		return a, fmt.Errorf("assign app role to %s: %w", a.PrincipalID, err)
	}
	resource, err := d.ServicePrincipal(tx, a.TenantID, a.ResourceID)
	if err != nil {
		return a, fmt.Errorf("assign app role of %s: %w", a.ResourceID, err)
	}
	roles, err := d.RolesOf(tx, resource)
	if err != nil {
		return a, fmt.Errorf("assign app role of %s: %w", a.ResourceID, err)
	}
	if err := checkAssignable(roles, a.AppRoleID, kind); err != nil {
		return a, err
	}
	if a.Created.IsZero() {
		a.Created = d.Now().UTC()
	}
	a.deriveID()
	k := appRoleKey(a.TenantID, a.PrincipalID, a.ID)
	if err := checkAbsent(tx, k); err != nil {
		return a, fmt.Errorf("assign app role to %s: %w", a.PrincipalID, err)
	}
	if err := appRolesTo.Put(tx, appRoleToKey(a.TenantID, a.ResourceID, a.ID), reference{a.PrincipalID}); err != nil {
		return a, err
	}
	return a, appRoles.Put(tx, k, a)
}

// checkAssignable returns ErrInvalid unless the role is enabled and can be assigned to objects of the kind.
func checkAssignable(roles []AppRole, id, kind string) error {
	if id == DefaultAppRole && kind != ObjectApplication {
		return nil
	}
	i := slices.IndexFunc(roles, func(r AppRole) bool { return arm.SameName(r.ID, id) })
	if i < 0 || !roles[i].Enabled {
		return fmt.Errorf("%w: the resource has no enabled app role %s", ErrInvalid, id)
	}
	wants := "User"
	if kind == ObjectServicePrincipal {
		wants = "Application"
	}
	if kind == ObjectApplication || !slices.Contains(roles[i].AllowedMemberTypes, wants) {
		return fmt.Errorf("%w: the app role %s is not for an object of type %s", ErrInvalid, id, kind)
	}
	return nil
}

// RemoveAppRoleAssignment deletes an assignment, or returns ErrNotFound.
func (d *Directory) RemoveAppRoleAssignment(tx store.Tx, tenant, principal, id string) error {
	a, err := d.AppRoleAssignment(tx, tenant, principal, id)
	if err != nil {
		return fmt.Errorf("remove app role assignment %s: %w", id, err)
	}
	a.deleteKeys(tx)
	return nil
}

func (a *AppRoleAssignment) deleteKeys(tx store.Tx) {
	tx.Delete(appRoleKey(a.TenantID, a.PrincipalID, a.ID))
	tx.Delete(appRoleToKey(a.TenantID, a.ResourceID, a.ID))
}

// AppRoleAssignment gives one assignment of a principal, or ErrNotFound.
func (d *Directory) AppRoleAssignment(tx store.Tx, tenant, principal, id string) (AppRoleAssignment, error) {
	return appRoles.Get(tx, appRoleKey(tenant, principal, id))
}

// AppRoleAssignmentOf gives one assignment of a resource's roles, or ErrNotFound.
func (d *Directory) AppRoleAssignmentOf(tx store.Tx, tenant, resource, id string) (AppRoleAssignment, error) {
	ref, err := appRolesTo.Get(tx, appRoleToKey(tenant, resource, id))
	if err != nil {
		return AppRoleAssignment{}, err
	}
	return d.AppRoleAssignment(tx, tenant, ref.ID, id)
}

// maxAppRoles limits how many assignments of one principal are read for a token.
const maxAppRoles = 1024

// AppRoleAssignments returns the direct assignments of a principal, without those of its groups.
func (d *Directory) AppRoleAssignments(tx store.Tx, tenant, principal string) ([]AppRoleAssignment, error) {
	return list(tx, &appRoles, appRoleKey(tenant, principal, ""), "", maxAppRoles)
}

// AppRoleAssignedTo gives at most limit assignments of a resource's roles, after the given id.
func (d *Directory) AppRoleAssignedTo(tx store.Tx, tenant, resource, after string, limit int) ([]AppRoleAssignment, error) {
	prefix := appRoleToKey(tenant, resource, "")
	r := store.Range{Prefix: prefix, Limit: limit}
	if after != "" {
		r.After = prefix + arm.Fold(after)
	}
	var all []AppRoleAssignment
	for ref, err := range appRolesTo.Scan(tx, r) {
		if err != nil {
			return nil, fmt.Errorf("list assignments of %s: %w", resource, err)
		}
		a, err := d.AppRoleAssignment(tx, tenant, ref.Data.ID, ref.Key[len(prefix):])
		if err != nil {
			return nil, fmt.Errorf("list assignments of %s: %w", resource, err)
		}
		all = append(all, a)
	}
	return all, nil
}

// AppRoles returns the values of the app roles that a principal has at a token's audience, itself or
// through groups, sorted and without duplicates. An unknown audience has none; an audience whose resource
// refuses the principal a token gives the error of Admit.
func (d *Directory) AppRoles(ctx context.Context, tenant, principal, audience string) (values []string, err error) {
	err = d.Store.View(ctx, func(tx store.Tx) error {
		values, err = d.AppRolesFor(tx, tenant, principal, audience)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("app roles of %s: %w", principal, err)
	}
	return values, nil
}

// AppRolesFor is AppRoles inside a transaction.
func (d *Directory) AppRolesFor(tx store.Tx, tenant, principal, audience string) ([]string, error) {
	resource, err := d.Resource(tx, tenant, audience)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = d.Admit(tx, resource, principal)
	}
	if err != nil {
		return nil, err
	}
	return d.AppRolesAt(tx, resource, principal)
}

// AppRolesAt is AppRolesFor for the resource that an audience stands for.
func (d *Directory) AppRolesAt(tx store.Tx, resource ServicePrincipal, principal string) ([]string, error) {
	tenant := resource.TenantID
	groups, err := d.TransitiveMemberOf(tx, tenant, principal)
	if err != nil {
		return nil, err
	}
	has := map[string]bool{}
	for _, id := range append([]string{principal}, groups...) {
		all, err := d.AppRoleAssignments(tx, tenant, id)
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			if arm.SameName(a.ResourceID, resource.ID) {
				has[arm.Fold(a.AppRoleID)] = true
			}
		}
	}
	if len(has) == 0 {
		return nil, nil
	}
	roles, err := d.RolesOf(tx, resource)
	if err != nil {
		return nil, err
	}
	var values []string
	for _, r := range roles {
		if r.Enabled && r.Value != "" && has[arm.Fold(r.ID)] {
			values = append(values, r.Value)
		}
	}
	slices.Sort(values)
	return slices.Compact(values), nil
}

// HasGraphRole reports whether a service principal has an app role of Microsoft Graph, also one that is not
// enforced here. A principal with more than maxAppRoles assignments counts as one that has.
func (d *Directory) HasGraphRole(tx store.Tx, tenant, principal string) (bool, error) {
	all, err := d.AppRoleAssignments(tx, tenant, principal)
	if err != nil {
		return false, err
	}
	resource := builtinID(tenant, GraphAppID)
	return len(all) >= maxAppRoles || slices.ContainsFunc(all, func(a AppRoleAssignment) bool {
		return arm.SameName(a.ResourceID, resource)
	}), nil
}

// GraphRoles returns the values of the enforced app roles of Microsoft Graph that are assigned to a service
// principal, unordered. It reads each by its own key, so the limit maxAppRoles does not apply. Groups cannot
// have these roles.
func (d *Directory) GraphRoles(tx store.Tx, tenant, principal string) (values []string, err error) {
	resource := builtinID(tenant, GraphAppID)
	for _, role := range graphRoles() {
		a := AppRoleAssignment{PrincipalID: principal, ResourceID: resource, AppRoleID: role.ID}
		a.deriveID()
		switch _, err := d.AppRoleAssignment(tx, tenant, principal, a.ID); {
		case err == nil:
			values = append(values, role.Value)
		case !errors.Is(err, ErrNotFound):
			return nil, fmt.Errorf("app roles of %s at Microsoft Graph: %w", principal, err)
		}
	}
	return values, nil
}

// RolesOf returns the app roles that a service principal's application defines.
func (d *Directory) RolesOf(tx store.Tx, p ServicePrincipal) ([]AppRole, error) {
	switch {
	case arm.SameName(p.AppID, GraphAppID):
		return publishedGraphRoles(), nil
	case p.FirstParty:
		return nil, nil
	}
	a, err := d.ApplicationByAppID(tx, p.TenantID, p.AppID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil // a managed identity, or an application that was deleted
	}
	return a.AppRoles, err
}

// unlinkAppRoles removes at most limit assignments to and of an object that was deleted.
func unlinkAppRoles(tx store.Tx, tenant, oid string, limit int) (n int, err error) {
	given, err := list(tx, &appRoles, appRoleKey(tenant, oid, ""), "", limit)
	if err != nil {
		return 0, err
	}
	for _, a := range given {
		a.deleteKeys(tx)
	}
	n = len(given)
	prefix := appRoleToKey(tenant, oid, "")
	if n == limit {
		return n, nil
	}
	for ref, err := range appRolesTo.Scan(tx, store.Range{Prefix: prefix, Limit: limit - n}) {
		if err != nil {
			return n, err
		}
		tx.Delete(ref.Key)
		tx.Delete(appRoleKey(tenant, ref.Data.ID, ref.Key[len(prefix):]))
		n++
	}
	return n, nil
}
