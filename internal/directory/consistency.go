package directory

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Inconsistencies checks all records of the directory and of revocations. It yields a store.Flaw for each object that
// is not under the key of its id or lacks a look-up key, for each look-up key without its object, for each link that
// exists in one direction only or whose object has gone without a pending Unlink, for each principal of a managed
// identity without its resource, and for each wrong count of administrators. It ends after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	return store.Examine(tx, allChecks(), "d/", store.RevocationKind.Keys)
}

// allChecks has one check for each kind of record.
func allChecks() store.Checks {
	return store.Checks{
		store.TenantKind:           checkTenant,
		store.DomainIndex:          checkDomain,
		store.AppKind:              checkApplication,
		store.AppIDIndex:           lookup(applicationIDs, applications, applicationKey, func(a Application) []string { return []string{applicationIDKey(a.TenantID, a.ID)} }),
		store.AppURIIndex:          lookup(identifiers, applications, applicationKey, Application.identifierKeys),
		store.PrincipalKind:        checkPrincipal,
		store.PrincipalAppIndex:    lookup(principalApps, principals, principalKey, func(p ServicePrincipal) []string { return []string{principalAppKey(p.TenantID, p.AppID)} }),
		store.UserKind:             checkUser,
		store.UserNameIndex:        lookup(userNames, users, userKey, func(u userRecord) []string { return []string{userNameKey(u.TenantID, u.UserPrincipalName)} }),
		store.GroupKind:            checkGroup,
		store.MemberIndex:          membership.checkForward,
		store.MemberOfIndex:        membership.checkBack,
		store.OwnerIndex:           ownership.checkForward,
		store.OwnerOfIndex:         ownership.checkBack,
		store.DirectoryRoleIndex:   roleMembership.checkForward,
		store.DirectoryRoleOfIndex: roleMembership.checkBack,
		store.AppRoleKind:          checkAppRole,
		store.AppRoleToIndex:       checkAppRoleTo,
		store.PermissionGrantKind:  checkPermissionGrant,
		store.GrantAllIndex:        checkGrantIndex,
		store.GrantClientIndex:     checkGrantIndex,
		store.GrantResourceIndex:   checkGrantIndex,
		store.GrantUserIndex:       checkGrantIndex,
		store.AdministratorsKind:   checkAdministrators,
		store.RevocationKind:       checkRevocation,
	}
}

// segments splits a key d/<tenant>/<kind>/<rest>.
func segments(key string) (tenant, rest string) {
	parts := strings.SplitN(key, "/", 4)
	if len(parts) < 4 {
		return "", ""
	}
	return parts[1], parts[3]
}

// lookup checks that the object of a look-up key exists and has that key. key makes the key of the object, and keys the
// look-up keys that it has.
func lookup[T any](table store.Table[reference], objects store.Table[T], key func(tenant, id string) string, keys func(T) []string) func(store.Tx, store.Record) error {
	return func(tx store.Tx, rec store.Record) error {
		ref, err := table.Decode(rec)
		if err != nil {
			return err
		}
		tenant, _ := segments(rec.Key)
		of := key(tenant, ref.ID)
		object, err := objects.Get(tx, of)
		if err != nil {
			return fmt.Errorf("its object %q: %w", of, err)
		}
		if !slices.Contains(keys(object), rec.Key) {
			return fmt.Errorf("its object %q has another name", of)
		}
		return nil
	}
}

func (a Application) identifierKeys() (all []string) {
	for _, uri := range a.IdentifierURIs {
		all = append(all, identifierKey(a.TenantID, uri))
	}
	return all
}

func checkDomain(tx store.Tx, rec store.Record) error {
	ref, err := domains.Decode(rec)
	if err != nil {
		return err
	}
	t, err := tenants.Get(tx, tenantKey(ref.ID))
	if err != nil {
		return fmt.Errorf("its object %q: %w", tenantKey(ref.ID), err)
	}
	if domainKey(t.DefaultDomain) != rec.Key {
		return fmt.Errorf("its object %q has another name", tenantKey(ref.ID))
	}
	return nil
}

// leadsTo checks that a look-up key exists and has an id.
func leadsTo(tx store.Tx, table store.Table[reference], key, id string) error {
	ref, err := table.Get(tx, key)
	if err != nil {
		return fmt.Errorf("its look-up key %q: %w", key, err)
	}
	if !arm.SameName(ref.ID, id) {
		return fmt.Errorf("its look-up key %q leads to %s", key, ref.ID)
	}
	return nil
}

// under checks that a record has a key.
func under(rec store.Record, key string) error {
	if rec.Key != key {
		return fmt.Errorf("its ids are those of %q", key)
	}
	return nil
}

func checkTenant(tx store.Tx, rec store.Record) error {
	t, err := tenants.Decode(rec)
	if err != nil {
		return err
	}
	return errors.Join(under(rec, tenantKey(t.ID)), leadsTo(tx, domains, domainKey(t.DefaultDomain), t.ID))
}

func checkApplication(tx store.Tx, rec store.Record) error {
	a, err := applications.Decode(rec)
	if err != nil {
		return err
	}
	err = errors.Join(under(rec, applicationKey(a.TenantID, a.AppID)), leadsTo(tx, applicationIDs, applicationIDKey(a.TenantID, a.ID), a.AppID))
	for _, uri := range a.IdentifierURIs {
		err = errors.Join(err, leadsTo(tx, identifiers, identifierKey(a.TenantID, uri), a.AppID))
	}
	return err
}

func checkPrincipal(tx store.Tx, rec store.Record) error {
	p, err := principals.Decode(rec)
	if err != nil {
		return err
	}
	err = errors.Join(under(rec, principalKey(p.TenantID, p.ID)), leadsTo(tx, principalApps, principalAppKey(p.TenantID, p.AppID), p.ID))
	if p.Type != TypeManagedIdentity || p.ResourceID == "" {
		return err
	}
	id, parsed := arm.ParseID(p.ResourceID)
	if parsed != nil {
		return errors.Join(err, parsed)
	}
	return errors.Join(err, store.Exists(tx, "the resource of this managed identity", store.ResourceKind.Keys+id.Key()))
}

func checkUser(tx store.Tx, rec store.Record) error {
	u, err := users.Decode(rec)
	if err != nil {
		return err
	}
	return errors.Join(under(rec, userKey(u.TenantID, u.ID)), leadsTo(tx, userNames, userNameKey(u.TenantID, u.UserPrincipalName), u.ID))
}

func checkGroup(_ store.Tx, rec store.Record) error {
	g, err := groups.Decode(rec)
	if err != nil {
		return err
	}
	return under(rec, groupKey(g.TenantID, g.ID))
}

func (r *relation) checkForward(tx store.Tx, rec store.Record) error {
	tenant, rest := segments(rec.Key)
	container, member, _ := strings.Cut(rest, "/")
	err := errors.Join(store.Exists(tx, "the other direction", r.backKey(tenant, member, container)), linked(tx, tenant, member))
	if r == roleMembership { // a role has no record
		return err
	}
	return errors.Join(err, linked(tx, tenant, container))
}

func (r *relation) checkBack(tx store.Tx, rec store.Record) error {
	tenant, rest := segments(rec.Key)
	member, container, _ := strings.Cut(rest, "/")
	return store.Exists(tx, "the other direction", r.key(tenant, container, member))
}

// linked checks that an object exists, or that its links are still to be removed.
func linked(tx store.Tx, tenant, oid string) error {
	for _, key := range []string{principalKey(tenant, oid), userKey(tenant, oid), groupKey(tenant, oid), applicationIDKey(tenant, oid), unlinkKey(tenant, oid)} {
		switch _, err := tx.Get(key); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	return fmt.Errorf("there is no object %s", oid)
}

func checkAppRole(tx store.Tx, rec store.Record) error {
	a, err := appRoles.Decode(rec)
	if err != nil {
		return err
	}
	return errors.Join(under(rec, appRoleKey(a.TenantID, a.PrincipalID, a.ID)),
		leadsTo(tx, appRolesTo, appRoleToKey(a.TenantID, a.ResourceID, a.ID), a.PrincipalID), linked(tx, a.TenantID, a.PrincipalID))
}

func checkAppRoleTo(tx store.Tx, rec store.Record) error {
	ref, err := appRolesTo.Decode(rec)
	if err != nil {
		return err
	}
	tenant, rest := segments(rec.Key)
	_, id, _ := strings.Cut(rest, "/")
	return store.Exists(tx, "its assignment", appRoleKey(tenant, ref.ID, id))
}

func checkPermissionGrant(tx store.Tx, rec store.Record) error {
	g, err := permissionGrants.Decode(rec)
	if err != nil {
		return err
	}
	err = errors.Join(under(rec, permissionGrantKey(g.TenantID, g.ID)), linked(tx, g.TenantID, g.ClientID))
	for _, entry := range g.indexEntries() {
		err = errors.Join(err, store.Exists(tx, "its look-up key", entry.key))
	}
	return err
}

func checkGrantIndex(tx store.Tx, rec store.Record) error {
	tenant, rest := segments(rec.Key)
	_, id, _ := strings.Cut(rest, "/")
	return store.Exists(tx, "its grant", permissionGrantKey(tenant, id))
}

// checkAdministrators counts the enabled members of the role of the administrators.
func checkAdministrators(tx store.Tx, rec store.Record) error {
	kept, err := administratorCounts.Decode(rec)
	if err != nil {
		return err
	}
	tenant, _ := segments(rec.Key)
	prefix, enabled := roleMembership.key(tenant, GlobalAdministrator, ""), 0
	for link, err := range tx.Scan(store.Range{Prefix: prefix}) {
		if err != nil {
			return err
		}
		on, err := isEnabledUnguarded(tx, tenant, strings.TrimPrefix(link.Key, prefix))
		if err != nil {
			return err
		}
		if on {
			enabled++
		}
	}
	if enabled != kept.Enabled {
		return fmt.Errorf("the count is %d, and there are %d", kept.Enabled, enabled)
	}
	return nil
}

// checkRevocation checks that the list has a version, without which no relying party sees the revocation.
func checkRevocation(tx store.Tx, rec store.Record) error {
	if _, err := revocations.Decode(rec); err != nil {
		return err
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(rec.Key, store.RevocationKind.Keys), "/")
	return store.Exists(tx, "the list of the tenant", revocationListKey(tenant))
}
