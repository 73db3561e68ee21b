package graph

import (
	"context"
	"net/http"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

func organizationSchema() *schema[directory.Tenant] {
	type tenant = directory.Tenant
	return &schema[tenant]{typ: "organization", set: "organization", fields: []field[tenant]{
		{name: "id", use: text, get: func(t tenant) any { return t.ID }},
		readOnly("deletedDateTime", shown, func(tenant) any { return nil }),
		readOnly("businessPhones", shown, func(tenant) any { return []any{} }),
		readOnly("countryLetterCode", shown, func(tenant) any { return nil }),
		readOnly("createdDateTime", times, func(t tenant) any { return timeOrNull(t.Created) }),
		readOnly("defaultUsageLocation", shown, func(tenant) any { return nil }),
		readOnly("displayName", text, func(t tenant) any { return t.DisplayName }),
		readOnly("onPremisesSyncEnabled", shown, func(tenant) any { return nil }),
		readOnly("preferredLanguage", shown, func(tenant) any { return nil }),
		readOnly("technicalNotificationMails", shown, func(tenant) any { return []any{} }),
		readOnly("tenantType", shown, func(tenant) any { return "AAD" }),
		readOnly("assignedPlans", shown, func(tenant) any { return []any{} }),
		readOnly("provisionedPlans", shown, func(tenant) any { return []any{} }),
		readOnly("verifiedDomains", shown, func(t tenant) any {
			if t.DefaultDomain == "" {
				return []any{}
			}
			return []object{{{"capabilities", ""}, {"isDefault", true}, {"isInitial", true}, {"name", t.DefaultDomain}, {"type", "Managed"}}}
		}),
	}}
}

// domain is a domain name of a tenant; there is one at most.
type domain string

func domainSchema() *schema[domain] {
	return &schema[domain]{typ: "domain", set: "domains", fields: []field[domain]{
		readOnly("authenticationType", shown, func(domain) any { return "Managed" }),
		readOnly("availabilityStatus", shown, func(domain) any { return nil }),
		{name: "id", use: text, get: func(d domain) any { return string(d) }},
		readOnly("isAdminManaged", truth, func(domain) any { return true }),
		readOnly("isDefault", truth, func(domain) any { return true }),
		readOnly("isInitial", truth, func(domain) any { return true }),
		readOnly("isRoot", truth, func(domain) any { return true }),
		readOnly("isVerified", truth, func(domain) any { return true }),
		readOnly("supportedServices", shown, func(domain) any { return []any{} }),
	}}
}

func (h *Handler) tenant(ctx context.Context, req *Request) (t directory.Tenant, err error) {
	err = h.Store.View(ctx, func(tx store.Tx) error {
		t, err = h.Directory.Tenant(tx, req.Caller.tenant)
		return err
	})
	return t, err
}

func (h *Handler) listOrganizations(ctx context.Context, req *Request) (*Response, error) {
	t, err := h.tenant(ctx, req)
	if err != nil {
		return nil, err
	}
	return page(ctx, h, req, only(h.organizations, t))
}

// only is a source of one object or of a few.
func only[T any](s *schema[T], all ...T) source[T] {
	return source[T]{
		shape: s, first: all, cursor: func(T) string { return "" },
		after: func(store.Tx, string, int) ([]T, string, error) { return nil, "", nil },
	}
}

func (h *Handler) getOrganization(ctx context.Context, req *Request) (*Response, error) {
	t, err := h.tenant(ctx, req)
	if err != nil {
		return nil, err
	}
	if !arm.SameName(t.ID, req.Path.id.text) {
		return nil, errNotFound(req.Path.id.text)
	}
	return entity(req, h.organizations, t)
}

func (h *Handler) listDomains(ctx context.Context, req *Request) (*Response, error) {
	t, err := h.tenant(ctx, req)
	if err != nil {
		return nil, err
	}
	if t.DefaultDomain == "" {
		return page(ctx, h, req, only(h.domains))
	}
	return page(ctx, h, req, only(h.domains, domain(t.DefaultDomain)))
}

func (h *Handler) getDomain(ctx context.Context, req *Request) (*Response, error) {
	t, err := h.tenant(ctx, req)
	if err != nil {
		return nil, err
	}
	if t.DefaultDomain == "" || !arm.SameName(t.DefaultDomain, req.Path.id.text) {
		return nil, errorf(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist.", clip(req.Path.id.text))
	}
	return entity(req, h.domains, domain(t.DefaultDomain))
}
