package login

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// offer is a resource with the delegated permissions that it defines.
type offer struct {
	directory.ServicePrincipal
	app     directory.Application // empty for Microsoft's own resources
	defined []directory.Permission
}

// offer finds the resource of an audience in a tenant, or returns errResource.
func (a *accounts) offer(tx store.Tx, tenant, audience string) (o offer, err error) {
	if o.ServicePrincipal, err = a.Directory.Resource(tx, tenant, audience); err == nil {
		return a.offerOf(tx, o.ServicePrincipal)
	}
	if !errors.Is(err, directory.ErrNotFound) {
		return o, err
	}
	t, err := a.Directory.Tenant(tx, tenant)
	if err != nil {
		return o, err
	}
	return o, errResource(audience, t.DisplayName)
}

func (a *accounts) offerOf(tx store.Tx, p directory.ServicePrincipal) (o offer, err error) {
	o.ServicePrincipal = p
	if !p.FirstParty {
		o.app, err = a.Directory.ApplicationByAppID(tx, p.TenantID, p.AppID)
	}
	if err == nil || errors.Is(err, directory.ErrNotFound) {
		o.defined, err = a.Directory.PermissionsOf(tx, p)
	}
	return o, err
}

func (o offer) graph() bool { return arm.SameName(o.AppID, directory.GraphAppID) }

// named returns the values of the permissions that a client names. If the resource defines permissions,
// other names are errors; if it defines none, any name is accepted, because only the resource interprets
// it.
func (o offer) named(client directory.Application, names []string) (values []string, err error) {
	for _, name := range names {
		if name == wholeResource {
			continue
		}
		if len(o.defined) > 0 {
			p, found := directory.FindPermission(o.defined, name)
			if !found {
				return nil, errUnknownPermission(client.DisplayName, name, o.AppID)
			}
			name = p.Value
		}
		values = union(values, []string{name})
	}
	return values, nil
}

// whole returns the permissions that .default stands for: all that were granted, or, if none were or
// consent is asked for again, those that the client's registration lists.
func (o offer) whole(s subject, granted []string) ([]string, error) {
	if beyondBasic(granted) && !s.again {
		var usable []string
		for _, value := range without(granted, []string{directory.ScopeOfflineAccess}) {
			p, found := directory.FindPermission(o.defined, value)
			switch {
			case found:
				usable = union(usable, []string{p.Value})
			case len(o.defined) == 0:
				usable = union(usable, []string{value})
			}
		}
		if beyondBasic(usable) {
			return usable, nil
		}
	}
	for _, needs := range s.client.RequiredAccess() {
		if listed := o.byID(needs.Permissions); arm.SameName(needs.ResourceAppID, o.AppID) && len(listed) > 0 {
			return listed, nil
		}
	}
	// Entra refuses a resource that the registration does not list. Here a registration need not list
	// permissions; .default then stands for the least permission that is useful.
	usual := directory.UserImpersonation
	if o.graph() {
		usual = directory.ScopeUserRead
	}
	if _, found := directory.FindPermission(o.defined, usual); !found && len(o.defined) > 0 {
		return nil, errUnlistedResource(s.client.Application, s.scopes.audience, o.AppID)
	}
	return []string{usual}, nil
}

// byID returns the values of the enabled permissions with these ids.
func (o offer) byID(ids []string) (values []string) {
	for _, p := range o.defined {
		if p.Enabled && contains(ids, p.ID) {
			values = append(values, p.Value)
		}
	}
	return values
}

// needsAdmin reports whether only an administrator may consent to a permission. That includes a permission
// that the resource has removed since the client asked for it.
func (o offer) needsAdmin(value string) bool {
	p, found := directory.FindPermission(o.defined, value)
	return len(o.defined) > 0 && (!found || p.NeedsAdmin())
}

// offered is offer for the resource with an object id.
func (a *accounts) offered(tx store.Tx, tenant, id string) (offer, error) {
	p, err := a.Directory.ServicePrincipal(tx, tenant, id)
	if err != nil {
		return offer{}, fmt.Errorf("find resource %s: %w", id, err)
	}
	return a.offerOf(tx, p)
}
