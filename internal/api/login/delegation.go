package login

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// permissions are the permissions of one client at one resource. A consent page shows several such sets,
// and its form carries them sealed.
type permissions struct {
	Client   string   `json:"client"`   // object id of its service principal
	Resource string   `json:"resource"` // object id of its service principal
	Scopes   []string `json:"scopes,omitempty"`
	Roles    []string `json:"roles,omitempty"` // ids of app roles, which only an administrator can consent to
}

// subject is a client that wants to act for a user, in the user's tenant.
type subject struct {
	client client
	user   *user
	scopes scopes
	again  bool // ask for consent even if it was granted before
}

// delegation compares the permissions that a client asks for with those that were granted.
type delegation struct {
	scopes   []string      // the scp claim; only valid if nothing is missing
	missing  []permissions // the client gets no token without them
	combined []permissions // a middle-tier service lacks them; the same page asks for them
}

// delegatedScopes returns the scp claim of a client's tokens for a user. The error is errConsent if a
// permission was not granted.
func (a *accounts) delegatedScopes(ctx context.Context, s subject) (scopes []string, err error) {
	if s.client.FirstParty {
		return s.scopes.firstParty(), nil
	}
	var d delegation
	err = a.Directory.Store.Recent(ctx, func(tx store.Tx) error {
		if d, err = a.delegated(tx, s); err == nil && len(d.missing) > 0 {
			err = errConsent(s.client.Application)
		}
		return err
	})
	var visible *Error
	switch {
	case errors.As(err, &visible):
		return nil, visible
	case err != nil:
		return nil, fmt.Errorf("find permission grants: %w", err)
	}
	return d.scopes, nil
}

// delegated compares the requested permissions of a client with those that were granted. Microsoft's own
// clients need no grants, and neither does an application at itself. A resource that is not registered is
// an error, because nothing can be granted there.
func (a *accounts) delegated(tx store.Tx, s subject) (d delegation, err error) {
	if s.client.FirstParty {
		d.scopes = s.scopes.firstParty()
		return d, nil
	}
	at, err := a.offer(tx, s.user.TenantID, s.scopes.audience)
	if err != nil {
		return d, err
	}
	if !at.Enabled {
		return d, errResourceDisabled(s.scopes.audience)
	}
	wanted, err := at.named(s.client.Application, s.scopes.names)
	if err != nil {
		return d, err
	}
	if arm.SameName(at.AppID, s.client.AppID) {
		if s.scopes.whole() {
			wanted = union(wanted, []string{directory.UserImpersonation})
		}
		d.scopes = wanted
		return d, nil
	}
	granted, err := a.Directory.GrantedPermissions(tx, s.client.principal, at.ServicePrincipal, s.user.ID)
	if err != nil {
		return d, err
	}
	if s.scopes.whole() {
		all, err := at.whole(s, granted)
		if err != nil {
			return d, err
		}
		wanted = union(wanted, all)
		if d.combined, err = a.combined(tx, s, at); err != nil {
			return d, err
		}
	}
	d.scopes = wanted
	if at.graph() {
		d.scopes = union(wanted, without(s.scopes.basic(), []string{directory.ScopeOfflineAccess}))
	}
	lacks := without(wanted, granted)
	if s.again {
		lacks = wanted
	}
	basic, err := a.lackingBasic(tx, s, beyondBasic(wanted) && len(lacks) == 0)
	if err == nil {
		d.missing, err = a.missing(tx, s, basic, permissions{Resource: at.ID, Scopes: lacks})
	}
	return d, err
}

// lackingBasic returns the requested permissions of OpenID Connect that were not granted. They are
// permissions of Microsoft Graph. Any other permission there includes them, and so does having all requested
// permissions at another resource (rest): a user who lets a client act for them also lets it know who they
// are.
func (a *accounts) lackingBasic(tx store.Tx, s subject, rest bool) ([]string, error) {
	basic := s.scopes.basic()
	switch {
	case s.again || len(basic) == 0:
		return basic, nil
	case rest:
		return nil, nil
	}
	graph, err := a.Directory.ServicePrincipalByAppID(tx, s.user.TenantID, directory.GraphAppID)
	if err != nil {
		return nil, err
	}
	granted, err := a.Directory.GrantedPermissions(tx, s.client.principal, graph, s.user.ID)
	if err != nil || beyondBasic(granted) {
		return nil, err
	}
	return without(basic, granted), nil
}

// missing combines the missing permissions at Microsoft Graph and at the requested resource.
func (a *accounts) missing(tx store.Tx, s subject, basic []string, rest permissions) (all []permissions, err error) {
	rest.Client = s.client.principal.ID
	if len(basic) > 0 {
		graph, err := a.Directory.ServicePrincipalByAppID(tx, s.user.TenantID, directory.GraphAppID)
		if err != nil {
			return nil, err
		}
		if arm.SameName(graph.ID, rest.Resource) {
			rest.Scopes = union(basic, rest.Scopes)
		} else {
			all = append(all, permissions{Client: rest.Client, Resource: graph.ID, Scopes: basic})
		}
	}
	if len(rest.Scopes) > 0 {
		all = append(all, rest)
	}
	return all, nil
}

// combined returns the permissions that a middle-tier service lacks at its own resources, if its
// registration lists the client as a known client. It omits permissions that the user may not grant.
func (a *accounts) combined(tx store.Tx, s subject, middle offer) (all []permissions, err error) {
	if !middle.app.HasKnownClient(s.client.AppID) {
		return nil, nil
	}
	for _, needs := range middle.app.RequiredAccess() {
		p, err := a.required(tx, s.user, middle.ServicePrincipal, needs)
		if err != nil {
			return nil, err
		}
		if len(p.Scopes) > 0 {
			all = append(all, p)
		}
	}
	return all, nil
}

// required returns the delegated permissions that a registration lists, that were not granted yet and that
// the user may grant.
func (a *accounts) required(tx store.Tx, u *user, client directory.ServicePrincipal, needs directory.RequiredAccess) (permissions, error) {
	lacks := permissions{Client: client.ID}
	at, err := a.offer(tx, u.TenantID, needs.ResourceAppID)
	var unknown *Error
	if errors.As(err, &unknown) || err == nil && arm.SameName(at.ID, client.ID) {
		return lacks, nil
	}
	if err != nil {
		return lacks, err
	}
	granted, err := a.Directory.GrantedPermissions(tx, client, at.ServicePrincipal, u.ID)
	if err != nil {
		return lacks, err
	}
	lacks.Resource = at.ID
	for _, value := range without(at.byID(needs.Permissions), granted) {
		if !at.needsAdmin(value) || directory.MayConsentForAllUsers(u.roles) {
			lacks.Scopes = append(lacks.Scopes, value)
		}
	}
	return lacks, nil
}

// beyondBasic reports whether there are permissions other than those of OpenID Connect.
func beyondBasic(values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return !openID(arm.Fold(v)) })
}

func contains(values []string, value string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return arm.SameName(v, value) })
}

// without returns the values that are not among others.
func without(values, others []string) []string {
	var rest []string
	for _, v := range values {
		if !contains(others, v) {
			rest = append(rest, v)
		}
	}
	return rest
}

// union returns the values of both, each once.
func union(values, more []string) []string {
	all := slices.Clone(values)
	for _, v := range more {
		if !contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}
