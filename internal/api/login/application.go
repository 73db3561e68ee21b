package login

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
)

// application finds an application by its client id: in the tenant of the path, or in any tenant if the
// path names none.
func (a *accounts) application(x *request, id string) (directory.Application, error) {
	if id == "" {
		return directory.Application{}, errMissingParameter("client_id")
	}
	if !shared(x.pathTenant) {
		tenant, err := a.namedTenant(x)
		if err != nil {
			return directory.Application{}, err
		}
		c, err := a.findClient(x.r.Context(), tenant, id)
		return c.Application, err
	}
	if len(id) > throttle.MaxName {
		return directory.Application{}, errUnknownApplication(id, x.pathTenant)
	}
	app, err := a.anywhere(x.r.Context(), id)
	if errors.Is(err, directory.ErrNotFound) {
		return app, errUnknownApplication(id, x.pathTenant)
	}
	return app, err
}

// anywhere finds an application in any tenant. Client ids are GUIDs, so each is registered in one tenant.
func (a *accounts) anywhere(ctx context.Context, id string) (app directory.Application, err error) {
	err = a.Directory.Store.Recent(ctx, func(tx store.Tx) error {
		tenants, err := a.Directory.Tenants(tx)
		if err != nil {
			return err
		}
		for _, t := range tenants {
			if app, err = a.Directory.Client(tx, t.ID, id); !errors.Is(err, directory.ErrNotFound) {
				return err
			}
		}
		return directory.ErrNotFound
	})
	if err != nil {
		return directory.Application{}, fmt.Errorf("find application: %w", err)
	}
	return app, nil
}

// findClient finds an application in a tenant. An application without a service principal there cannot act there.
func (a *accounts) findClient(ctx context.Context, tenant directory.Tenant, id string) (client, error) {
	c, err := a.findAny(ctx, tenant, id)
	if err == nil && c.managed() {
		return client{}, errUnknownApplication(id, tenant.DisplayName)
	}
	return c, err
}

// findAny finds an application or a managed identity in a tenant by its client id.
func (a *accounts) findAny(ctx context.Context, tenant directory.Tenant, id string) (c client, err error) {
	if len(id) > throttle.MaxName {
		return client{}, errUnknownApplication(id, tenant.DisplayName)
	}
	err = a.Directory.Store.Recent(ctx, func(tx store.Tx) (err error) {
		c, err = a.readClient(tx, tenant.ID, id)
		return err
	})
	switch {
	case errors.Is(err, directory.ErrNotFound) && c.AppID != "":
		return client{}, errNoPrincipal(id, tenant.ID)
	case errors.Is(err, directory.ErrNotFound):
		return client{}, errUnknownApplication(id, tenant.DisplayName)
	case err != nil:
		return client{}, fmt.Errorf("find client: %w", err)
	}
	return c, nil
}

// readClient reads an application and its service principal, or a managed identity. With directory.ErrNotFound, the
// result has the application if only the service principal is missing.
func (a *accounts) readClient(tx store.Tx, tenant, id string) (c client, err error) {
	c.Application, err = a.Directory.Client(tx, tenant, id)
	unknown := errors.Is(err, directory.ErrNotFound)
	if err != nil && !unknown || c.FirstParty {
		return c, err
	}
	p, err := a.Directory.ClientPrincipal(tx, tenant, id)
	switch {
	case !unknown:
		c.principal = p
		return c, err
	case err != nil:
		return client{}, err
	case p.Type != directory.TypeManagedIdentity:
		return client{}, directory.ErrNotFound
	}
	app := directory.Application{AppID: p.AppID, TenantID: p.TenantID, DisplayName: p.DisplayName}
	return client{Application: app, principal: p}, nil
}
