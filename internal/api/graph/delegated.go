package graph

import (
	"strings"

	"midas/internal/directory"
	"midas/internal/token"
)

// delegation is what a client may do of what its user may: the permissions in the scp of the token. A
// service principal that acts for itself has no such limit.
type delegation struct {
	may     privilege
	self    bool // the client may read who its user is
	limited bool // the caller is a user, by a client that may not do all that the user may
}

// delegated reads the permissions of a user's token. They narrow what the user may do, and never widen
// it.
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
		case directory.ScopeGroupMemberReadAll:
			d.may |= readGroups
		case directory.ScopeRoleManagementRead:
			d.may |= readRoles
		default:
			d.may |= appRolePrivileges(scope)
		}
	}
	return d
}

// covers reports whether a client may do what takes one of some privileges, and what its user may for
// another reason than a privilege, as an owner does. What everybody may takes none; a client that only
// signs people in may not even that.
func (d delegation) covers(needs privilege) bool {
	return !d.limited || d.may&needs != 0 || needs == 0 && (d.self || d.may != 0)
}

// coversSelf is covers for what is about the user: who may read the user's profile may read what else
// is told of the user.
func (d delegation) coversSelf(needs privilege) bool {
	return d.covers(needs) || d.self && needs&^(readAll|grantPermissions) == 0
}
