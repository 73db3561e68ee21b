// Package directory stores tenants and their users, groups, applications with credentials, and service
// principals.
//
// An application is an app registration. A service principal represents an application or a managed identity
// in a tenant; roles are assigned to it. Both the application and its service principal can hold credentials.
// A managed identity has a service principal and no application, and it has no secrets.
//
// The keys of a tenant begin with d/<tenant>/: one record for each object, under the id by which tokens
// are requested, and a look-up key for every other id. Tenants are stored under d//. Functions that write
// take the caller's transaction, so that an identity and its service principal are created together.
package directory

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
	"midas/internal/throttle"
)

// The errors that callers tell apart with errors.Is.
var (
	ErrNotFound           = fmt.Errorf("directory: no such object: %w", store.ErrNotFound)
	ErrExists             = errors.New("directory: the object exists already")
	ErrUnknownApplication = errors.New("directory: no such application in this tenant")
	ErrWrongSecret        = errors.New("directory: wrong secret")
	ErrExpiredSecret      = errors.New("directory: the secret is outside its time")
	ErrDisabled           = errors.New("directory: the service principal is disabled")
	ErrWeakSecret         = errors.New("directory: the secret is too weak")
	ErrTooManySecrets     = errors.New("directory: too many secrets or certificates")
	ErrUnknownUser        = errors.New("directory: no such user in this tenant")
	ErrWrongPassword      = errors.New("directory: wrong password")
	ErrUserDisabled       = errors.New("directory: the user is disabled")
	ErrWeakPassword       = errors.New("directory: the password is too weak")
	ErrBusy               = throttle.ErrBusy // too many passwords are being hashed
	ErrInvalid            = errors.New("directory: invalid")
	ErrTooManyGroups      = errors.New("directory: too many groups")
	ErrTooManyGrants      = errors.New("directory: too many permission grants")
	ErrTooManyFederated   = errors.New("directory: too many federated identity credentials")
	ErrTooManyRevocations = errors.New("directory: too many objects were deleted or revoked lately, so no new ones are accepted")
	ErrFirstParty         = errors.New("directory: the object belongs to every tenant and cannot be changed")
)

// Directory is the directory of all tenants. It must not be copied. Store, Now and NewID are required.
type Directory struct {
	Store store.Store
	Now   func() time.Time
	NewID func() string

	// Hosts are the names and addresses, without ports, under which this server is reached. No
	// application may have them in its identifier URIs.
	Hosts []string

	// LongestToken is the longest lifetime of an access token; 0 means a day. Revocations are kept for longer.
	LongestToken time.Duration

	// Latest returns the time by the fastest clock of the replicas that share the store, not before now and some hours
	// after it at most. A revocation includes all tokens until that time. Nil: no other replicas.
	Latest func(now time.Time) time.Time

	// MaxRevocations is the number of revocations from which on no subjects are created; 0 means 100,000.
	MaxRevocations int64

	// CheckNotDeleting returns an *arm.Error if a resource or one of its parents is being deleted, and
	// guards the result. Nil skips the check.
	CheckNotDeleting func(tx store.Tx, resource arm.ID) error

	// Logger receives the warnings of Run. Nil discards them.
	Logger *slog.Logger

	// Reservations are the ids that a laboratory has reserved. Nil: all ids are new.
	Reservations Reservations

	// hashing limits concurrent password hashes to the number of cores, because each hash takes 19 MiB and
	// one core.
	hashing throttle.Queue

	revoked  revocationCount
	decoded  decodedRecords
	groupsOf store.Memo[groupIDs] // by tenant and object id
}

// decodedRecords caches the decoded records that every token request reads. They are shared.
type decodedRecords struct {
	tenants    store.Decoded[Tenant]
	apps       store.Decoded[Application]
	principals store.Decoded[ServicePrincipal]
	users      store.Decoded[userRecord]
	references store.Decoded[reference]
}

// The kinds of records.
var (
	tenants      = store.Table[Tenant]{Kind: store.TenantKind, Missing: ErrNotFound}
	applications = store.Table[Application]{Kind: store.AppKind, Missing: ErrNotFound}
	principals   = store.Table[ServicePrincipal]{Kind: store.PrincipalKind, Missing: ErrNotFound}
	users        = store.Table[userRecord]{Kind: store.UserKind, Missing: ErrNotFound}
	groups       = store.Table[Group]{Kind: store.GroupKind, Missing: ErrNotFound}
	appRoles     = store.Table[AppRoleAssignment]{Kind: store.AppRoleKind, Missing: ErrNotFound}

	permissionGrants    = store.Table[PermissionGrant]{Kind: store.PermissionGrantKind, Missing: ErrNotFound}
	administratorCounts = store.Table[administrators]{Kind: store.AdministratorsKind, Missing: ErrNotFound}
	pendingUnlinks      = store.Table[noValue]{Kind: store.UnlinkKind, Missing: ErrNotFound}
)

// The look-up tables: each maps another key of an object to the id of its record.
var (
	domains        = references(store.DomainIndex)       // -> tenant id
	applicationIDs = references(store.AppIDIndex)        // -> client id
	identifiers    = references(store.AppURIIndex)       // -> client id
	principalApps  = references(store.PrincipalAppIndex) // -> object id
	userNames      = references(store.UserNameIndex)     // -> object id
	appRolesTo     = references(store.AppRoleToIndex)    // -> principal
)

// reference is the value of a look-up key.
type reference struct {
	ID string `json:"id"`
}

func references(kind store.Kind) store.Table[reference] {
	return store.Table[reference]{Kind: kind, Missing: ErrNotFound}
}

// key is a key of a kind in a tenant. Ids are GUIDs or domain names, which compare without regard to
// case.
func key(kind store.Kind, tenant, id string) string {
	return kind.Key(arm.Fold(tenant), arm.Fold(id))
}

// Keys by kind. An application is stored under its client id, with which tokens are requested, and a
// service principal under its object id, which tokens contain.
func tenantKey(id string) string                { return key(store.TenantKind, "", id) }
func domainKey(name string) string              { return key(store.DomainIndex, "", name) }
func applicationKey(tenant, app string) string  { return key(store.AppKind, tenant, app) }
func applicationIDKey(tenant, id string) string { return key(store.AppIDIndex, tenant, id) }
func principalKey(tenant, oid string) string    { return key(store.PrincipalKind, tenant, oid) }
func principalAppKey(tenant, app string) string { return key(store.PrincipalAppIndex, tenant, app) }
func identifierKey(tenant, uri string) string   { return key(store.AppURIIndex, tenant, uri) }
func userKey(tenant, oid string) string         { return key(store.UserKind, tenant, oid) }
func userNameKey(tenant, upn string) string     { return key(store.UserNameIndex, tenant, upn) }
func groupKey(tenant, oid string) string        { return key(store.GroupKind, tenant, oid) }

// An app role assignment is stored under its principal, because tokens need the roles of a principal.
func appRoleKey(tenant, principal, id string) string {
	return key(store.AppRoleKind, tenant, principal+"/"+id)
}

func appRoleToKey(tenant, resource, id string) string {
	return key(store.AppRoleToIndex, tenant, resource+"/"+id)
}

// A permission grant is stored under its id, which is derived from client, resource and user; look-up keys
// list the grants of each of these.
func permissionGrantKey(tenant, id string) string { return key(store.PermissionGrantKind, tenant, id) }

// list reads at most limit (0: all) records of one kind after an id. prefix is the key of the empty
// id.
func list[T any](tx store.Tx, table *store.Table[T], prefix, after string, limit int) ([]T, error) {
	r := store.Range{Prefix: prefix, Limit: limit}
	if after != "" {
		r.After = prefix + arm.Fold(after)
	}
	all, err := table.List(tx, r)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	return all, nil
}

// checkAbsent returns ErrExists if a key exists, and guards it.
func checkAbsent(tx store.Tx, key string) error {
	_, err := tx.Get(key)
	switch {
	case err == nil:
		return ErrExists
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return err
}
