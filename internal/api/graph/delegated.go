package graph

import (
	"strings"

	"midas/internal/directory"
	"midas/internal/token"
)

// delegation limits a user's privileges to the delegated permissions of the client, which are the scp claim
// of the token. A token of a service principal (app-only access) has no such limit.
type delegation struct {
	may     privilege
	self    bool // the client may read its user's own profile
	limited bool // the client has fewer privileges than the user
}

// delegated reads the delegated permissions of a user's token. They can only reduce the user's privileges.
func delegated(claims *token.Claims) delegation {
	d := delegation{limited: true}
	for scope := range strings.FieldsSeq(claims.Scopes) {
		switch scope {
		case directory.ScopeDirectoryAccessAsUser, directory.UserImpersonation:
			return delegation{may: everything | selfOnly, self: true}
		case directory.ScopeUserRead, directory.ScopeUserReadWrite, directory.ScopeOrganizationReadAll, directory.ScopeDomainReadAll:
			d.self = true
		case directory.ScopeUserReadBasicAll:
			d.may |= readUsers
		case directory.ScopeRoleManagementRead:
			d.may |= readRoles
		default:
			d.may |= appRolePrivileges(scope)
		}
	}
	return d
}

// covers reports whether the client's permissions include one of the given privileges. authorize calls it
// also for users who need no privilege, such as owners. needs is 0 for operations that are open to every
// caller; a client that has only the sign-in permissions may not call even these.
func (d delegation) covers(needs privilege) bool {
	return !d.limited || d.may&needs != 0 || needs == 0 && (d.self || d.may != 0)
}

// coversSelf is covers for operations on the user itself: a client that may read the user's profile may
// also read the user's memberships and assignments.
func (d delegation) coversSelf(needs privilege) bool {
	return d.covers(needs) || d.self && needs&^(readAll|grantPermissions) == 0
}
