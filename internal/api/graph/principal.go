package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// principal is a service principal with its application, which defines most of its properties. Service
// principals of managed identities have no application.
type principal struct {
	directory.ServicePrincipal
	app   directory.Application
	roles []directory.AppRole

	permissions []directory.Permission
}

func principalSchema(now func() time.Time) *schema[principal] {
	extra := opaque[principal](func(p *principal) *map[string]json.RawMessage { return &p.Extra })
	null := func(name string) field[principal] {
		return readOnly(name, notQueryable, func(principal) any { return nil })
	}
	none := func(name string) field[principal] {
		return readOnly(name, notQueryable, func(principal) any { return []any{} })
	}
	ofApp := func(name string, get func(p principal) any) field[principal] {
		return readOnly(name, notQueryable, func(p principal) any {
			if p.app.ID == "" {
				return nil
			}
			return get(p)
		})
	}
	app := ofApplication{applicationSchema()}
	return &schema[principal]{typ: "servicePrincipal", set: "servicePrincipals", class: "ServicePrincipal", fields: []field[principal]{
		{name: "id", use: text, get: func(p principal) any { return p.ID }},
		null("deletedDateTime"),
		writableBoolean("accountEnabled", func(p *principal) *bool { return &p.Enabled }),
		alternativeNames(),
		readOnly("appDisplayName", notQueryable, appName), app.field("appDescription", "description"),
		readOnly("appId", text, func(p principal) any { return p.AppID }), null("applicationTemplateId"),
		readOnly("appOwnerOrganizationId", text, func(p principal) any { return ownerTenant(p) }),
		writableBoolean("appRoleAssignmentRequired", func(p *principal) *bool { return &p.AssignmentRequired }),
		readOnly("createdDateTime", dateTime, func(p principal) any { return timeOrNull(p.Created) }),
		extra.property("description", "null"), null("disabledByMicrosoftStatus"),
		{name: "displayName", use: text, get: func(p principal) any { return orNull(p.DisplayName) }, set: setPrincipalName},
		app.unlessSet(extra.property("homepage", "null"), "web", "homePageUrl"), extra.property("loginUrl", "null"),
		app.unlessSet(extra.property("logoutUrl", "null"), "web", "logoutUrl"), extra.property("notes", "null"),
		extra.property("notificationEmailAddresses", "[]"), extra.property("preferredSingleSignOnMode", "null"),
		extra.property("preferredTokenSigningKeyThumbprint", "null"),
		readOnly("replyUrls", notQueryable, func(p principal) any {
			return list(slices.Concat(p.app.Redirects.Web, p.app.Redirects.SPA, p.app.Redirects.Public))
		}),
		readOnly("servicePrincipalNames", collection, func(p principal) any { return p.names() }),
		readOnly("servicePrincipalType", text, func(p principal) any { return p.Type }),
		ofApp("signInAudience", func(p principal) any { return signInAudience(p.app) }),
		extra.texts("tags"), extra.property("tokenEncryptionKeyId", "null"), extra.property("samlSingleSignOnSettings", "null"), none("addIns"),
		readOnly("appRoles", notQueryable, func(p principal) any { return appRoleObjects(p.roles) }),
		app.field("info", "info"),
		principalKeys(now), readOnly("oauth2PermissionScopes", notQueryable, func(p principal) any { return list(p.permissions) }),
		passwordCredentialsField(func(p *principal) *[]directory.Secret { return &p.Secrets }), none("resourceSpecificApplicationPermissions"),
		readOnly("verifiedPublisher", notQueryable, func(principal) any {
			return nullObject("displayName", "verifiedPublisherId", "addedDateTime")
		}),
	}}
}

// ownerTenant is the tenant of the application, or nil for a principal without one.
func ownerTenant(p principal) any {
	switch {
	case p.FirstParty:
		return directory.MicrosoftTenant
	case p.app.ID == "":
		return nil
	}
	return p.TenantID
}

// appName is the name of the application, or nil for a principal without one.
func appName(p principal) any {
	if p.FirstParty {
		return p.DisplayName
	}
	return orNull(p.app.DisplayName)
}

// names are the servicePrincipalNames: the resource names by which clients request tokens for it.
func (p principal) names() []string {
	if p.Type == directory.TypeManagedIdentity {
		return []string{p.AppID, p.ManagedName()}
	}
	return slices.Concat([]string{p.AppID}, p.app.IdentifierURIs, directory.ResourceNames(p.AppID))
}

// principalKeys is the property keyCredentials. A managed identity shows the certificate that Azure has for it.
func principalKeys(now func() time.Time) field[principal] {
	own := keyCredentialsField(func(p *principal) *[]directory.Certificate { return &p.Certificates })
	return field[principal]{
		name: own.name,
		get: func(p principal) any {
			if p.Type == directory.TypeManagedIdentity {
				return keyCredentials([]directory.Certificate{p.ManagedCertificate(now())})
			}
			return own.get(p)
		},
		set: func(p *principal, raw json.RawMessage) error {
			if p.Type == directory.TypeManagedIdentity {
				return errBadRequest("Property 'keyCredentials' of the service principal of a managed identity cannot be changed.")
			}
			return own.set(p, raw)
		},
	}
}

// setPrincipalName refuses a new name, because the name follows the application or managed identity.
func setPrincipalName(p *principal, raw json.RawMessage) error {
	var name string
	if json.Unmarshal(raw, &name) == nil && name == p.DisplayName {
		return nil
	}
	return errBadRequest("Property 'displayName' of a service principal follows its application or managed identity.")
}

// principal reads a service principal with its application.
func (h *Handler) principal(tx store.Tx, tenant, id string) (principal, error) {
	p, err := h.Directory.ServicePrincipal(tx, tenant, id)
	if err != nil {
		return principal{}, err
	}
	return h.withApplication(tx, p)
}

func (h *Handler) withApplication(tx store.Tx, p directory.ServicePrincipal) (full principal, err error) {
	full.ServicePrincipal = p
	if p.Type == directory.TypeManagedIdentity {
		return full, nil
	}
	full.app, err = h.Directory.ApplicationByAppID(tx, p.TenantID, p.AppID)
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return full, err
	}
	if full.roles, err = h.Directory.RolesOf(tx, p); err != nil {
		return full, err
	}
	full.permissions, err = h.Directory.PermissionsOf(tx, p)
	return full, err
}

func (h *Handler) principalSource(tenant string) source[principal] {
	s := source[principal]{shape: h.principals, cursor: func(p principal) string { return p.ID }}
	for _, p := range directory.FirstPartyPrincipals(tenant) {
		full := principal{ServicePrincipal: p}
		full.roles, _ = h.Directory.RolesOf(nil, p) // they are not in the store
		full.permissions, _ = h.Directory.PermissionsOf(nil, p)
		s.first = append(s.first, full)
	}
	s.after = listByID(func(tx store.Tx, after string, limit int) (all []principal, err error) {
		found, err := h.Directory.ServicePrincipals(tx, tenant, after, limit)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			full, err := h.withApplication(tx, p)
			if err != nil {
				return nil, err
			}
			all = append(all, full)
		}
		return all, nil
	}, s.cursor)
	s.direct = func(tx store.Tx, f *filter) ([]principal, bool, error) {
		find := map[string]func(string) (directory.ServicePrincipal, error){
			"appId": func(v string) (directory.ServicePrincipal, error) {
				return h.Directory.ServicePrincipalByAppID(tx, tenant, v)
			},
			"servicePrincipalNames": func(v string) (directory.ServicePrincipal, error) { return h.Directory.Resource(tx, tenant, v) },
			"id":                    func(v string) (directory.ServicePrincipal, error) { return h.Directory.ServicePrincipal(tx, tenant, v) },
		}
		for name, find := range find {
			value, known := f.equal(name)
			if !known || strings.HasPrefix(arm.Fold(value), directory.ManagedNames) {
				continue // names of managed identities have no look-up key
			}
			p, err := find(value)
			if err != nil {
				return oneOrNone(principal{}, err)
			}
			return oneOrNone(h.withApplication(tx, p))
		}
		return nil, false, nil
	}
	return s
}

func (h *Handler) listPrincipals(ctx context.Context, req *Request) (*Response, error) {
	return pageResponse(ctx, h, req, h.principalSource(req.Caller.tenant))
}

func (h *Handler) countPrincipals(ctx context.Context, req *Request) (*Response, error) {
	return countResponse(ctx, h, req, h.principalSource(req.Caller.tenant))
}

func (h *Handler) getPrincipal(ctx context.Context, req *Request) (_ *Response, err error) {
	var p principal
	err = h.Store.View(ctx, func(tx store.Tx) error {
		p, err = h.principal(tx, req.Caller.tenant, req.Object.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entityResponse(req, h.principals, p)
}

func (h *Handler) createPrincipal(ctx context.Context, req *Request) (*Response, error) {
	var appID string
	if json.Unmarshal(req.Body["appId"], &appID) != nil || appID == "" {
		return nil, errBadRequest("A value is required for property 'appId' of resource 'ServicePrincipal'.")
	}
	delete(req.Body, "appId")
	owners, err := takeReferences(req.Body, "owners")
	if err != nil {
		return nil, err
	}
	if !req.Caller.user {
		owners = withOwner(owners, req.Caller.id)
	}
	id := h.Directory.NewObjectID(directory.ReservedServicePrincipal, appID, h.NewID)
	var p principal
	err = h.update(ctx, req, func(tx store.Tx) error {
		a, err := h.backingApplication(tx, req.Caller.tenant, appID)
		if err != nil {
			return err
		}
		p = principal{app: a, roles: a.AppRoles, ServicePrincipal: directory.ServicePrincipal{
			ID: id, AppID: a.AppID, TenantID: a.TenantID, DisplayName: a.DisplayName,
			Type: directory.TypeApplication, Enabled: true, Created: h.Now().UTC(),
		}}
		if err := h.mayCreatePrincipal(tx, req.Caller, a); err != nil {
			return err
		}
		if err := h.principals.apply(&p, req.Body); err != nil {
			return err
		}
		h.assignKeyIDs(p.Certificates)
		err = h.Directory.CreateServicePrincipal(tx, p.ServicePrincipal)
		if errors.Is(err, directory.ErrExists) {
			return errNameInUse(appID)
		}
		if err != nil {
			return err
		}
		return h.addReferences(tx, ownersOf, p.TenantID, p.ID, owners)
	})
	if err != nil {
		return nil, err
	}
	h.Directory.UsedIDs(directory.ReservedServicePrincipal, appID)
	return createdResponse(req, h.principals, p, p.ID), nil
}

// backingApplication returns the application of a new service principal. Microsoft's service principals and
// those of managed identities exist without an application.
func (h *Handler) backingApplication(tx store.Tx, tenant, appID string) (directory.Application, error) {
	a, err := h.Directory.ApplicationByAppID(tx, tenant, appID)
	if !errors.Is(err, directory.ErrNotFound) {
		return a, err
	}
	_, err = h.Directory.ServicePrincipalByAppID(tx, tenant, appID)
	switch {
	case err == nil:
		return a, errNameInUse(appID)
	case errors.Is(err, directory.ErrNotFound):
		return a, errorf(http.StatusBadRequest, "NoBackingApplicationObject", "The appId '%s' of the service principal does not reference a valid application object.", clip(appID))
	}
	return a, err
}

// errNameInUse has the text of Graph's error, which clients show to users.
func errNameInUse(appID string) error {
	return errorf(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue",
		"The service principal cannot be created, updated, or restored because the service principal name %s is already in use.", clip(appID))
}

// mayCreatePrincipal requires a caller that may write only the applications that it owns
// (Application.ReadWrite.OwnedBy) to own the application.
func (h *Handler) mayCreatePrincipal(tx store.Tx, c caller, a directory.Application) error {
	if c.may&writeApplications != 0 {
		return nil
	}
	owns, err := h.Directory.Owns(tx, c.tenant, c.id, a.ID)
	if err == nil && !owns {
		err = errDenied()
	}
	return err
}

func (h *Handler) updatePrincipal(ctx context.Context, req *Request) (*Response, error) {
	err := h.update(ctx, req, func(tx store.Tx) error {
		p, err := h.principal(tx, req.Caller.tenant, req.Object.id)
		if err != nil {
			return err
		}
		if err := h.principals.apply(&p, req.Body); err != nil {
			return err
		}
		h.assignKeyIDs(p.Certificates)
		return h.Directory.UpdateServicePrincipal(tx, p.ServicePrincipal)
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

// deletePrincipal refuses service principals of managed identities, which are deleted with their identity.
func (h *Handler) deletePrincipal(ctx context.Context, req *Request) (*Response, error) {
	return h.remove(ctx, req, func(tx store.Tx) error {
		p, err := h.Directory.ServicePrincipal(tx, req.Caller.tenant, req.Object.id)
		if err != nil {
			return err
		}
		if p.Type == directory.TypeManagedIdentity {
			return errBadRequest("The service principal of a managed identity is deleted with the managed identity.")
		}
		return h.Directory.DeleteServicePrincipal(tx, req.Caller.tenant, req.Object.id)
	})
}
