package login

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/throttle"
)

// The shared names, which stand for the tenant of the user who signs in. The name consumers stands for
// personal Microsoft accounts, which do not exist here.
const (
	common        = "common"
	organizations = "organizations"
	consumers     = "consumers"
)

// adfs is the first segment of AD FS paths, which name no tenant. Clients with such an authority do not
// check it with another server.
const adfs = "adfs"

func shared(tenant string) bool {
	switch arm.Fold(tenant) {
	case common, organizations, consumers:
		return true
	}
	return false
}

// tenant finds the tenant that a path names, or returns an error that wraps directory.ErrNotFound.
func (a *accounts) tenant(ctx context.Context, name string) (directory.Tenant, error) {
	if len(name) > throttle.MaxName {
		return directory.Tenant{}, fmt.Errorf("find tenant %q: %w", quote(name), directory.ErrNotFound)
	}
	if arm.Fold(name) == adfs {
		name = a.HomeTenant
	}
	t, err := a.Directory.FindTenant(ctx, name)
	if err != nil {
		return directory.Tenant{}, fmt.Errorf("find tenant %q: %w", quote(name), err)
	}
	return t, nil
}

// namedTenant returns the tenant that the path names, or errTenant.
func (a *accounts) namedTenant(x *request) (directory.Tenant, error) {
	t, err := a.tenant(x.r.Context(), x.pathTenant)
	if errors.Is(err, directory.ErrNotFound) {
		return t, errTenant(x.pathTenant)
	}
	return t, err
}

// admit returns the tenant of a user or a grant. It refuses the tenant if the path names another one.
func (a *accounts) admit(x *request, tenant string) (directory.Tenant, error) {
	if arm.Fold(x.pathTenant) == consumers {
		return directory.Tenant{}, errOtherTenant()
	}
	if !shared(x.pathTenant) {
		named, err := a.namedTenant(x)
		if err == nil && !arm.SameName(named.ID, tenant) {
			err = errOtherTenant()
		}
		return named, err
	}
	t, err := a.tenant(x.r.Context(), tenant)
	if errors.Is(err, directory.ErrNotFound) {
		return t, errOtherTenant()
	}
	return t, err
}

// homeOf returns the tenant in which a user signs in: the one that the path names, or else the one with the
// domain of the user's name, or else the home tenant.
func (a *accounts) homeOf(x *request, user string) (directory.Tenant, error) {
	if !shared(x.pathTenant) {
		return a.namedTenant(x)
	}
	if _, domain, found := strings.Cut(user, "@"); found && domain != "" && len(user) <= throttle.MaxName {
		t, err := a.Directory.FindTenant(x.r.Context(), domain)
		if !errors.Is(err, directory.ErrNotFound) {
			return t, err
		}
	}
	return a.tenant(x.r.Context(), a.HomeTenant)
}

// issuerV1 returns a tenant's v1.0 issuer: Azure's if the request was sent to one of Azure's names, or else
// this server's.
func (a *accounts) issuerV1(x *request, tenant string) string {
	if x.azure {
		return "https://sts.windows.net/" + tenant + "/"
	}
	return a.issuer().IssuerV1(tenant)
}

// issuerV2 is issuerV1 for v2.0.
func (a *accounts) issuerV2(x *request, tenant string) string {
	if x.azure {
		return "https://" + azure.LoginHost + "/" + tenant + "/v2.0"
	}
	return a.issuer().IssuerV2(tenant)
}
