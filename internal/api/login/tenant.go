package login

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/directory"
)

// The names that stand for whichever tenant a user turns out to belong to.
const (
	common        = "common"
	organizations = "organizations"
)

func shared(tenant string) bool {
	folded := arm.Fold(tenant)
	return folded == common || folded == organizations
}

// tenant finds the tenant that a path names, or gives an error that wraps directory.ErrNotFound.
func (h *Handler) tenant(ctx context.Context, name string) (directory.Tenant, error) {
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
	return t.ID, t.ID, err
}

const tenantTemplate = "{tenantid}"
