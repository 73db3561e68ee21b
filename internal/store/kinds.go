package store

import (
	"slices"
	"strings"
)

// Kind describes one kind of stored record or index entry: its name in error texts, the format of its
// keys, and the version that this Midas writes.
type Kind struct {
	Name string

	// Keys is the prefix of all keys of the kind. A '*' stands for one segment that differs from key to
	// key, such as the tenant in "d/*/user/".
	Keys string

	// Version is the version of the records that this Midas writes, and the newest version that it can
	// read. 0 marks an index entry: a plain text that repeats a part of a record and has no version of its
	// own. Changing an index needs a new Format.
	Version int
}

// The kinds, in the order of their keys. All key formats are defined here, so that no two kinds have the
// same key. K(id) stands for the key of an ARM id.
var (
	AssociationIndex = Kind{"association", "a/", 0} // a/K(identity)\x00K(resource): the resources that use the identity

	DenyAssignmentKind  = Kind{"deny assignment", "da/", 1}       // da/K(scope)\x00<deny assignment>
	DenyAssignmentCount = Kind{"deny assignment count", "dc/", 1} // dc/<tenant>

	AdministratorsKind   = Kind{"count of administrators", "d/*/administrators/", 1} // one for each tenant
	AppKind              = Kind{"application", "d/*/app/", 1}
	AppIDIndex           = Kind{"application id", "d/*/app-object/", 1}
	AppURIIndex          = Kind{"identifier URI", "d/*/app-uri/", 1}
	AppRoleKind          = Kind{"app role assignment", "d/*/approle/", 1}
	AppRoleToIndex       = Kind{"app role assignment of a resource", "d/*/approle-to/", 1}
	AssertionKind        = Kind{"used client assertion", "d/*/assertion/", 1} // by the hash of the application and its id
	BrowsersKind         = Kind{"list of sessions", "d/*/browsers/", 1}       // of a user
	CodeKind             = Kind{"authorization code", "d/*/code/", 1}
	DeviceKind           = Kind{"device code", "d/*/device/", 1}
	DomainIndex          = Kind{"domain", "d/*/domain/", 1}
	ExpiryIndex          = Kind{"expiry", "d/*/expiry/", 1}
	FamiliarKind         = Kind{"familiar addresses", "d/*/familiar/", 1} // of a user, by a hash of the name
	GroupKind            = Kind{"group", "d/*/group/", 1}
	MemberIndex          = Kind{"group member", "d/*/member/", 1}
	MemberOfIndex        = Kind{"group membership", "d/*/member-of/", 1}
	OwnerIndex           = Kind{"owner", "d/*/owner/", 1}
	OwnerOfIndex         = Kind{"ownership", "d/*/owner-of/", 1}
	PermissionGrantKind  = Kind{"permission grant", "d/*/permission-grant/", 1}
	GrantAllIndex        = Kind{"permission grant of a client for all users", "d/*/permission-grant-all/", 1}
	GrantClientIndex     = Kind{"permission grant of a client", "d/*/permission-grant-client/", 1}
	GrantResourceIndex   = Kind{"permission grant at a resource", "d/*/permission-grant-resource/", 1}
	GrantUserIndex       = Kind{"permission grant of a user", "d/*/permission-grant-user/", 1}
	DirectoryRoleIndex   = Kind{"directory role holder", "d/*/role/", 1}
	DirectoryRoleOfIndex = Kind{"directory role", "d/*/role-of/", 1}
	RefreshKind          = Kind{"refresh token family", "d/*/rt/", 2}
	SessionKind          = Kind{"session", "d/*/session/", 1}                         // by the hash of its id
	SignInsKind          = Kind{"list of refresh token families", "d/*/sign-ins/", 1} // of a user
	PrincipalKind        = Kind{"service principal", "d/*/sp/", 1}
	PrincipalAppIndex    = Kind{"service principal's application", "d/*/sp-app/", 1}
	TenantKind           = Kind{"tenant", "d/*/tenant/", 1}
	UserKind             = Kind{"user", "d/*/user/", 1}
	UserNameIndex        = Kind{"user name", "d/*/user-name/", 1}
	UserCodeKind         = Kind{"user code", "d/*/usercode/", 1}
	UnlinkKind           = Kind{"deleted object", "d/*/unlink/", 1} // d//unlink/<tenant>/<object>: its references must be removed

	AssignmentByPrincipalIndex = Kind{"role assignment of a principal", "g/", 0} // g/<principal>\x00K(scope)\x00<role>
	HostKind                   = Kind{"host", "h/host/", 1}
	EnrollmentTokenKind        = Kind{"enrollment token", "h/invitation/", 1}
	ResourceIdentityKind       = Kind{"identity of a resource", "i/", 1} // i/K(resource)
	JobKind                    = Kind{"lease of a job", "jb/", 1}        // jb/<name>: which replica does the work now
	KeyKind                    = Kind{"signing key", "k/", 1}            // k/<kid>; k/ itself is the guard of the set
	LockCount                  = Kind{"lock count", "lc/", 1}            // lc/<subscription>
	LockKind                   = Kind{"lock", "lk/", 1}                  // lk/K(scope)\x00<lock>
	AdminKind                  = Kind{"administrator", "m/admin", 1}
	ClockKind                  = Kind{"time that was seen", "m/clock", 1}
	FormatKind                 = Kind{"format", "m/format", 1}

	AuthorityKind      = Kind{"certificate authority", "m/authority/", 1} // m/authority/<name>, sealed
	InstallationKind   = Kind{"installation", "m/installation", 1}        // its id, its origin and its keys, sealed
	RestoredKind       = Kind{"last restore", "m/restored", 1}            // from which backup, and what follows from it
	RestoringKind      = Kind{"unfinished restore", "m/restoring", 1}     // while it exists no server starts on the store
	SecretsRemovedKind = Kind{"removal of secrets", "m/secrets", 1}

	ManagementGroupKind   = Kind{"management group", "mg/", 1}                    // mg/<tenant>/<group>
	ManagementChildIndex  = Kind{"child of a management group", "mgc/", 0}        // mgc/<tenant>/<parent>/<g or s>/<child>
	SubscriptionPlaceKind = Kind{"management group of a subscription", "mgs/", 1} // mgs/<tenant>/<subscription>
	ManagementTreeKind    = Kind{"management group hierarchy", "mgt/", 1}         // mgt/<tenant>

	SubscriptionAliasKind = Kind{"subscription alias", "sa/", 1}             // sa/<tenant>/<alias>
	AliasCountKind        = Kind{"count of subscription aliases", "sat/", 1} // sat/<tenant>

	OperationKind       = Kind{"operation", "o/", 1}
	ResourceKind        = Kind{"resource", "r/", 2}                     // r/K(id); version 1 could contain secrets
	RoleAssignmentIndex = Kind{"assignment of a custom role", "ra/", 0} // ra/<tenant>/<role>\x00K(scope)\x00<assignment>
	ImportedRolesKind   = Kind{"list of imported roles", "rb/", 1}      // rb/roles
	CustomRoleKind      = Kind{"custom role", "rd/", 1}                 // rd/<tenant>/<role>
	ReplicaKind         = Kind{"replica", "rp/", 1}                     // rp/<replica>
	RoleNameIndex       = Kind{"name of a custom role", "rn/", 0}       // rn/<tenant>/<folded name>
	RoleCount           = Kind{"count of custom roles", "rt/", 1}       // rt/<tenant>
	RoleUseCount        = Kind{"count of a custom role", "ru/", 1}      // ru/<tenant>/<role>: how many assignments it has

	RevocationKind     = Kind{"revocation", "rv/", 1}       // rv/<tenant>/<object>: of the tokens of a subject
	RevocationListKind = Kind{"revocation list", "rvl/", 1} // rvl/<tenant>: its revision is the version of the list

	AssignmentKind     = Kind{"role assignment", "s/", 1}    // s/K(scope)\x00<assignment>
	AssignmentCount    = Kind{"assignment count", "sc/", 1}  // sc/<subscription>, sc/K(other scope)\x00<tenant>
	AssignmentIndex    = Kind{"assignment name", "sn/", 0}   // sn/<tenant>/<assignment>
	PredefinedTagsKind = Kind{"predefined tags", "tn/", 1}   // tn/<subscription>
	TypeIndex          = Kind{"resource of a type", "t/", 0} // t/<type>/<subscription>/<group>/<name>
	EventKind          = Kind{"activity event", "x/", 1}     // x/<time>-<id>
	RefusalKind        = Kind{"event of refusals", "xr/", 1} // xr/<time>-<id>
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		AssociationIndex,
		DenyAssignmentKind,
		DenyAssignmentCount,
		AdministratorsKind,
		AppKind,
		AppIDIndex,
		AppURIIndex,
		AppRoleKind,
		AppRoleToIndex,
		AssertionKind,
		BrowsersKind,
		CodeKind,
		DeviceKind,
		DomainIndex,
		ExpiryIndex,
		FamiliarKind,
		GroupKind,
		MemberIndex,
		MemberOfIndex,
		OwnerIndex,
		OwnerOfIndex,
		PermissionGrantKind,
		GrantAllIndex,
		GrantClientIndex,
		GrantResourceIndex,
		GrantUserIndex,
		DirectoryRoleIndex,
		DirectoryRoleOfIndex,
		RefreshKind,
		SessionKind,
		SignInsKind,
		PrincipalKind,
		PrincipalAppIndex,
		TenantKind,
		UserKind,
		UserNameIndex,
		UserCodeKind,
		UnlinkKind,
		AssignmentByPrincipalIndex,
		HostKind,
		EnrollmentTokenKind,
		ResourceIdentityKind,
		JobKind,
		KeyKind,
		LockCount,
		LockKind,
		AdminKind,
		AuthorityKind,
		ClockKind,
		FormatKind,
		InstallationKind,
		RestoredKind,
		RestoringKind,
		SecretsRemovedKind,
		ManagementGroupKind,
		ManagementChildIndex,
		SubscriptionPlaceKind,
		ManagementTreeKind,
		OperationKind,
		ResourceKind,
		RoleAssignmentIndex,
		ImportedRolesKind,
		CustomRoleKind,
		ReplicaKind,
		RoleNameIndex,
		RoleCount,
		RoleUseCount,
		RevocationKind,
		RevocationListKind,
		AssignmentKind,
		AssignmentCount,
		AssignmentIndex,
		SubscriptionAliasKind,
		AliasCountKind,
		PredefinedTagsKind,
		TypeIndex,
		EventKind,
		RefusalKind,
	}
}

// Key returns the key of this kind that ends in rest. segment replaces the '*', if there is one.
func (k Kind) Key(segment, rest string) string {
	before, after, varies := strings.Cut(k.Keys, "*")
	if !varies {
		return before + rest
	}
	return before + segment + after + rest
}

// Holds reports whether a key has the format of this kind.
func (k Kind) Holds(key string) bool {
	before, after, tenant := strings.Cut(k.Keys, "*")
	rest, ok := strings.CutPrefix(key, before)
	if !strings.HasSuffix(k.Keys, "/") {
		return ok && rest == "" // there is one record
	}
	if !ok || !tenant {
		return ok
	}
	end := strings.IndexByte(rest, '/')
	return end >= 0 && strings.HasPrefix(rest[end:], after)
}

// KindOf finds the kind of a key.
func KindOf(key string) (Kind, bool) {
	all := Kinds()
	if i := slices.IndexFunc(all, func(k Kind) bool { return k.Holds(key) }); i >= 0 {
		return all[i], true
	}
	return Kind{}, false
}
