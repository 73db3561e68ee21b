package login

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/throttle"
)

// The names that stand for whichever tenant a user turns out to belong to. Nobody belongs to
// consumers here, which stands for personal accounts at Microsoft.
const (
	common        = "common"
	organizations = "organizations"
	consumers     = "consumers"
)

// adfs stands where the paths of AD FS have no tenant. Clients that are given it as their authority
// ask no other server about it.
const adfs = "adfs"

func shared(tenant string) bool {
	switch arm.Fold(tenant) {
	case common, organizations, consumers:
		return true
	}
	return false
}

// tenant finds the tenant that a path names, or gives an error that wraps directory.ErrNotFound.
func (h *Handler) tenant(ctx context.Context, name string) (directory.Tenant, error) {
	if len(name) > throttle.MaxName {
		return directory.Tenant{}, fmt.Errorf("find tenant %q: %w", quote(name), directory.ErrNotFound)
	}
	if arm.Fold(name) == adfs {
		name = h.HomeTenant
	}
	t, err := h.Directory.FindTenant(ctx, name)
	if err != nil {
		return directory.Tenant{}, fmt.Errorf("find tenant %q: %w", quote(name), err)
	}
	return t, nil
}

// discovered is the tenant's name for the addresses in its discovery documents, and for its issuer,
// which of a shared name is a template that clients fill with the tenant of a token.
func (h *Handler) discovered(x *exchange) (name, issuerName string, err error) {
	if shared(x.tenant) {
		return arm.Fold(x.tenant), tenantTemplate, nil
	}
	t, err := h.tenant(x.r.Context(), x.tenant)
	if errors.Is(err, directory.ErrNotFound) {
		return "", "", errDiscoveryTenant(x.tenant)
	}
	if arm.Fold(x.tenant) == adfs {
		return adfs, t.ID, err
	}
	return t.ID, t.ID, err
}

// tenantTemplate stands in issuers for the tenant of each token.
const tenantTemplate = "{tenantid}"

// namedTenant is the tenant that the path names.
func (h *Handler) namedTenant(x *exchange) (directory.Tenant, error) {
	t, err := h.tenant(x.r.Context(), x.tenant)
	if errors.Is(err, directory.ErrNotFound) {
		return t, errTenant(x.tenant)
	}
	return t, err
}

// admit gives a tenant to whose people something was granted, or refuses when the path is for others.
func (h *Handler) admit(x *exchange, tenant string) (directory.Tenant, error) {
	if arm.Fold(x.tenant) == consumers {
		return directory.Tenant{}, errOtherTenant()
	}
	if !shared(x.tenant) {
		named, err := h.namedTenant(x)
		if err == nil && !arm.SameName(named.ID, tenant) {
			err = errOtherTenant()
		}
		return named, err
	}
	t, err := h.tenant(x.r.Context(), tenant)
	if errors.Is(err, directory.ErrNotFound) {
		return t, errOtherTenant()
	}
	return t, err
}

// settle is admit for a request whose path may leave the tenant open.
func (h *Handler) settle(req *tokenRequest, tenant string) (err error) {
	req.tenant, err = h.admit(req.exchange, tenant)
	return err
}

// homeOf finds the tenant in which a user signs in: the one that the path names, or else the one that
// has the domain of the user's name, or else the home tenant.
func (h *Handler) homeOf(x *exchange, user string) (directory.Tenant, error) {
	if !shared(x.tenant) {
		return h.namedTenant(x)
	}
	if _, domain, found := strings.Cut(user, "@"); found && domain != "" && len(user) <= throttle.MaxName {
		t, err := h.Directory.FindTenant(x.r.Context(), domain)
		if !errors.Is(err, directory.ErrNotFound) {
			return t, err
		}
	}
	return h.tenant(x.r.Context(), h.HomeTenant)
}
