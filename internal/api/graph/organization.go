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
		readOnly("deletedDateTime", notQueryable, func(tenant) any { return nil }),
		readOnly("businessPhones", notQueryable, func(tenant) any { return []any{} }),
		readOnly("countryLetterCode", notQueryable, func(tenant) any { return nil }),
		readOnly("createdDateTime", dateTime, func(t tenant) any { return timeOrNull(t.Created) }),
		readOnly("defaultUsageLocation", notQueryable, func(tenant) any { return nil }),
		readOnly("displayName", text, func(t tenant) any { return t.DisplayName }),
		readOnly("onPremisesSyncEnabled", notQueryable, func(tenant) any { return nil }),
		readOnly("preferredLanguage", notQueryable, func(tenant) any { return nil }),
		readOnly("technicalNotificationMails", notQueryable, func(tenant) any { return []any{} }),
		readOnly("tenantType", notQueryable, func(tenant) any { return "AAD" }),
		readOnly("assignedPlans", notQueryable, func(tenant) any { return []any{} }),
		readOnly("provisionedPlans", notQueryable, func(tenant) any { return []any{} }),
		readOnly("verifiedDomains", notQueryable, func(t tenant) any {
			if t.DefaultDomain == "" {
				return []any{}
			}
			return []object{{{"capabilities", ""}, {"isDefault", true}, {"isInitial", true}, {"name", t.DefaultDomain}, {"type", "Managed"}}}
		}),
	}}
}

// domain is a domain name of a tenant. A tenant has at most one.
type domain string

func domainSchema() *schema[domain] {
	return &schema[domain]{typ: "domain", set: "domains", fields: []field[domain]{
		readOnly("authenticationType", notQueryable, func(domain) any { return "Managed" }),
		readOnly("availabilityStatus", notQueryable, func(domain) any { return nil }),
		{name: "id", use: text, get: func(d domain) any { return string(d) }},
		readOnly("isAdminManaged", boolean, func(domain) any { return true }),
		readOnly("isDefault", boolean, func(domain) any { return true }),
		readOnly("isInitial", boolean, func(domain) any { return true }),
		readOnly("isRoot", boolean, func(domain) any { return true }),
		readOnly("isVerified", boolean, func(domain) any { return true }),
		readOnly("supportedServices", notQueryable, func(domain) any { return []any{} }),
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
	return pageResponse(ctx, h, req, fixedSource(h.organizations, t))
}

// fixedSource is a source of the given objects.
func fixedSource[T any](s *schema[T], all ...T) source[T] {
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
	return entityResponse(req, h.organizations, t)
}

func (h *Handler) listDomains(ctx context.Context, req *Request) (*Response, error) {
	t, err := h.tenant(ctx, req)
	if err != nil {
		return nil, err
	}
	if t.DefaultDomain == "" {
		return pageResponse(ctx, h, req, fixedSource(h.domains))
	}
	return pageResponse(ctx, h, req, fixedSource(h.domains, domain(t.DefaultDomain)))
}

func (h *Handler) getDomain(ctx context.Context, req *Request) (*Response, error) {
	t, err := h.tenant(ctx, req)
	if err != nil {
		return nil, err
	}
	if t.DefaultDomain == "" || !arm.SameName(t.DefaultDomain, req.Path.id.text) {
		return nil, errorf(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist.", clip(req.Path.id.text))
	}
	return entityResponse(req, h.domains, domain(t.DefaultDomain))
}
