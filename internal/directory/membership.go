package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"midas/internal/store"
)

// MaxTokenGroups is the most groups that a JSON Web Token names. A token for a principal in more groups says
// where to ask for them instead, as in Entra.
const MaxTokenGroups = 200

// maxTokenGroupBytes bounds the groups of a token, in bytes: MaxTokenGroups object ids with quotes and commas.
// Names are up to six times as long as ids, and servers refuse requests whose headers are too long.
const maxTokenGroupBytes = MaxTokenGroups * (36 + 3)

// TokenMemberships are the memberships of a principal that are in a token for an application.
type TokenMemberships struct {
	Groups  []string // object ids or display names, sorted; nil if Overage
	AsRoles bool     // Groups are to be in the roles claim, in place of the app roles
	Overage bool     // the principal is in more than MaxTokenGroups of the groups, or their names are too long
	Roles   []string // template ids of directory roles
}

// Holder is the user or service principal of a token, and the kind of the token by the optional claims that
// the application asks for in it.
type Holder struct {
	ID     string
	Claims []OptionalClaim
}

// TokenMemberships returns the memberships that an application asks for in groupMembershipClaims, in the form
// that the optional claim groups asks for. It reads nothing where the application asks for none. The service
// principal is that of the application.
func (d *Directory) TokenMemberships(tx store.Tx, app Application, sp ServicePrincipal, of Holder) (m TokenMemberships, err error) {
	asked := app.GroupClaims()
	form, _ := Predefined(of.Claims, "groups")
	switch {
	case asked.All:
		m.Groups, err = d.groupsWithin(tx, sp.TenantID, of.ID)
	case asked.Assigned:
		m.Groups, err = d.assignedGroups(tx, sp, of.ID)
	}
	if errors.Is(err, ErrTooManyGroups) || len(m.Groups) > MaxTokenGroups {
		m.Groups, m.Overage, err = nil, true, nil
	}
	// Anybody who may create a group chooses its name. So names are given only of the groups that somebody has
	// assigned to the application, as in Entra.
	if err == nil && asked.Assigned && !asked.All && form.Has("cloud_displayname") {
		m.Groups, err = d.groupNames(tx, sp.TenantID, m.Groups)
		if size := len(strings.Join(m.Groups, `","`)); size > maxTokenGroupBytes {
			m.Groups, m.Overage = nil, true
		}
	}
	if err == nil && asked.Roles {
		m.Roles, err = d.DirectoryRoles(tx, sp.TenantID, of.ID)
	}
	if err != nil {
		return TokenMemberships{}, fmt.Errorf("memberships of %s: %w", of.ID, err)
	}
	m.AsRoles = (asked.All || asked.Assigned) && form.Has("emit_as_roles")
	slices.Sort(m.Groups)
	return m, nil
}

// groupsWithin returns all groups of a principal, or ErrTooManyGroups as soon as there are more than
// MaxTokenGroups.
func (d *Directory) groupsWithin(tx store.Tx, tenant, principal string) ([]string, error) {
	return transitiveClosure(principal, MaxTokenGroups, func(id string) ([]string, error) { return d.MemberOf(tx, tenant, id) })
}

// assignedGroups returns the groups of which the principal is a direct member and which are assigned to the
// application. As in Entra, nested groups do not count.
func (d *Directory) assignedGroups(tx store.Tx, sp ServicePrincipal, principal string) ([]string, error) {
	groups, err := d.MemberOf(tx, sp.TenantID, principal)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, id := range groups {
		assigned, err := d.isAssigned(tx, sp, id)
		if err != nil {
			return nil, err
		}
		if assigned {
			found = append(found, id)
		}
	}
	return found, nil
}

func (d *Directory) groupNames(tx store.Tx, tenant string, ids []string) ([]string, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		g, err := d.Group(tx, tenant, id)
		if err != nil {
			return nil, fmt.Errorf("name of group %s: %w", id, err)
		}
		names[i] = g.DisplayName
	}
	return names, nil
}

// TokenAudience is what the directory knows of a token's audience and of a principal there.
type TokenAudience struct {
	Roles       []string         // values of the app roles that the principal has
	Application Application      // of the tenant; empty for Microsoft's resources and audiences that are not registered
	Memberships TokenMemberships // that Application asks for
}

// Name returns the audience of a token: the requested one, or the client id where the application accepts v2.0
// tokens, or asks for the id by the optional claim aud with use_guid.
func (at *TokenAudience) Name(requested string) string {
	if at.Application.TokenVersion == 2 {
		return at.Application.AppID
	}
	if aud, asked := Predefined(at.Application.OptionalClaims().AccessToken, "aud"); asked && aud.Has("use_guid") {
		return at.Application.AppID
	}
	return requested
}

// TokenAudience looks up an audience for a token of a principal. An audience that is not registered gives the
// zero value; an audience whose resource refuses the principal a token gives the error of Admit.
func (d *Directory) TokenAudience(ctx context.Context, tenant, principal, audience string) (at TokenAudience, err error) {
	err = d.Store.View(ctx, func(tx store.Tx) error {
		at = TokenAudience{}
		p, err := d.Resource(tx, tenant, audience)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err == nil {
			err = d.Admit(tx, p, principal)
		}
		if err == nil {
			at, err = d.TokenAudienceAt(tx, p, principal)
		}
		return err
	})
	if err != nil {
		return TokenAudience{}, fmt.Errorf("audience %s for %s: %w", audience, principal, err)
	}
	return at, nil
}

// TokenAudienceAt is TokenAudience for the resource for which an audience stands, after Admit.
func (d *Directory) TokenAudienceAt(tx store.Tx, resource ServicePrincipal, principal string) (at TokenAudience, err error) {
	if at.Roles, err = d.AppRolesAt(tx, resource, principal); err != nil {
		return at, err
	}
	at.Application, err = d.ApplicationByAppID(tx, resource.TenantID, resource.AppID)
	if errors.Is(err, ErrNotFound) {
		return at, nil // Microsoft's, a managed identity, or an application that was deleted
	}
	if err == nil {
		of := Holder{ID: principal, Claims: at.Application.OptionalClaims().AccessToken}
		at.Memberships, err = d.TokenMemberships(tx, at.Application, resource, of)
	}
	return at, err
}
