package graph

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// application is an application with its publisher domain, which is the domain of its tenant.
type application struct {
	directory.Application
	domain string
}

func applicationSchema() *schema[application] {
	extra := opaque[application](func(a *application) *map[string]json.RawMessage { return &a.Extra })
	null := func(name string) field[application] {
		return readOnly(name, notQueryable, func(application) any { return nil })
	}
	return &schema[application]{typ: "application", set: "applications", class: "Application", fields: []field[application]{
		{name: "id", use: text, get: func(a application) any { return a.ID }},
		null("deletedDateTime"),
		readOnly("appId", text, func(a application) any { return a.AppID }),
		null("applicationTemplateId"), null("disabledByMicrosoftStatus"),
		readOnly("createdDateTime", dateTime, func(a application) any { return timeOrNull(a.Created) }),
		requiredText("Application", "displayName", 256, func(a *application) *string { return &a.DisplayName }),
		extra.property("description", "null"), groupMembershipClaims(extra),
		{
			name: "identifierUris", use: collection, get: func(a application) any { return list(a.IdentifierURIs) },
			set: func(a *application, raw json.RawMessage) error {
				return setURIs("identifierUris", notEmpty, &a.IdentifierURIs, raw)
			},
		},
		extra.property("isDeviceOnlyAuthSupported", "null"),
		{
			name: "isFallbackPublicClient", use: boolean,
			get: func(a application) any { return trueOrNull(a.PublicClient) },
			set: func(a *application, raw json.RawMessage) error {
				if json.Unmarshal(raw, &a.PublicClient) != nil {
					return errValue("isFallbackPublicClient")
				}
				a.PublicClient = a.PublicClient && !isNull(raw)
				return nil
			},
		},
		extra.property("notes", "null"), readOnly("publisherDomain", text, func(a application) any { return orNull(a.domain) }), extra.property("serviceManagementReference", "null"),
		{
			name: "signInAudience", use: text, get: func(a application) any { return signInAudience(a.Application) },
			set: func(a *application, raw json.RawMessage) error { return setAudience(&a.SignInAudience, raw) },
		},
		extra.texts("tags"), extra.property("tokenEncryptionKeyId", "null"), extra.property("samlMetadataUrl", "null"),
		extra.property("defaultRedirectUri", "null"), null("certification"), optionalClaims(extra),
		extra.property("servicePrincipalLockConfiguration", "null"), extra.property("requestSignatureVerification", "null"),
		extra.property("addIns", "[]"), extra.property("nativeAuthenticationApisEnabled", "null"), null("uniqueName"),
		checked(extra.nested("api", object{{"acceptMappedClaims", nil}, {"knownClientApplications", []any{}}, {"oauth2PermissionScopes", []any{}}, {"preAuthorizedApplications", []any{}}}, tokenVersion()), validAPI),
		{name: "appRoles", get: func(a application) any { return appRoleObjects(a.AppRoles) }, set: setAppRoles},
		extra.nested("info", nullObject("logoUrl", "marketingUrl", "privacyStatementUrl", "supportUrl", "termsOfServiceUrl")),
		keyCredentialsField(func(a *application) *[]directory.Certificate { return &a.Certificates }),
		extra.nested("parentalControlSettings", object{{"countriesBlockedForMinors", []any{}}, {"legalAgeGroupRule", "Allow"}}),
		passwordCredentialsField(func(a *application) *[]directory.Secret { return &a.Secrets }),
		extra.nested("publicClient", nil, redirectPart(isPublicRedirect, func(a *application) *[]string { return &a.Redirects.Public })),
		checked(extra.property("requiredResourceAccess", "[]"), validAccess),
		readOnly("verifiedPublisher", notQueryable, func(application) any {
			return nullObject("displayName", "verifiedPublisherId", "addedDateTime")
		}),
		checkLogoutURL(extra.nested("web", object{
			{"homePageUrl", nil}, {"logoutUrl", nil},
			{"implicitGrantSettings", object{{"enableAccessTokenIssuance", false}, {"enableIdTokenIssuance", false}}},
		}, redirectPart(isWebRedirect, func(a *application) *[]string { return &a.Redirects.Web }), redirectSettings())),
		extra.nested("spa", nil, redirectPart(isWebRedirect, func(a *application) *[]string { return &a.Redirects.SPA })),
	}}
}

// checkLogoutURL returns the field web that also refuses a logoutUrl to which browsers cannot be sent at a
// sign-out. Otherwise the application would wait for a call that never comes.
func checkLogoutURL(web field[application]) field[application] {
	set := web.set
	web.set = func(a *application, raw json.RawMessage) error {
		var given struct {
			LogoutURL string `json:"logoutUrl"`
		}
		if json.Unmarshal(raw, &given) != nil {
			return errValue("web")
		}
		if uri := given.LogoutURL; uri != "" && !isWebRedirect(uri) {
			return errBadRequest("The value '%s' of property '%s' is invalid.", clip(uri), "logoutUrl")
		}
		return set(a, raw)
	}
	return web
}

// notEmpty accepts every text but the empty one; the directory checks identifier URIs.
func notEmpty(s string) bool { return s != "" }

// nullObject is an object whose properties are all null.
func nullObject(names ...string) (o object) {
	for _, name := range names {
		o = append(o, property{name, nil})
	}
	return o
}

func trueOrNull(b bool) any {
	if b {
		return true
	}
	return nil
}

// tokenVersion is the version of the access tokens that are issued for an application.
func tokenVersion() part[application] {
	return part[application]{
		name: "requestedAccessTokenVersion",
		get: func(a application) any {
			if a.TokenVersion == 0 {
				return nil
			}
			return a.TokenVersion
		},
		set: func(a *application, raw json.RawMessage) error {
			a.TokenVersion = 0
			if json.Unmarshal(raw, &a.TokenVersion) != nil || a.TokenVersion < 0 || a.TokenVersion > 2 {
				return errValue("requestedAccessTokenVersion")
			}
			return nil
		},
	}
}

func redirectPart(valid func(string) bool, at func(*application) *[]string) part[application] {
	return part[application]{
		name: "redirectUris",
		get:  func(a application) any { return list(*at(&a)) },
		set:  func(a *application, raw json.RawMessage) error { return setURIs("redirectUris", valid, at(a), raw) },
	}
}

// redirectSettings repeats the redirect URIs. Clients send the property back unchanged in a PATCH, so set
// accepts it and ignores it.
func redirectSettings() part[application] {
	return part[application]{
		name: "redirectUriSettings",
		get: func(a application) any {
			settings := []object{}
			for _, uri := range a.Redirects.Web {
				settings = append(settings, object{{"uri", uri}, {"index", nil}})
			}
			return settings
		},
		set: func(*application, json.RawMessage) error { return nil },
	}
}

// audienceValues are the values of signInAudience. The value is stored and not enforced: only users of the
// tenant can sign in here.
func audienceValues() []string {
	return []string{"AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"}
}

func signInAudience(a directory.Application) any {
	if a.SignInAudience == "" {
		return audienceValues()[0]
	}
	return a.SignInAudience
}

func setAudience(at *string, raw json.RawMessage) error {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return errValue("signInAudience")
	}
	for _, known := range append(audienceValues(), "") {
		if s == known {
			*at = s
			return nil
		}
	}
	return errValue("signInAudience")
}

func (h *Handler) applicationSource(tenant string) source[application] {
	return source[application]{
		shape: h.applications, cursor: func(a application) string { return a.AppID },
		after: listByID(func(tx store.Tx, after string, limit int) ([]application, error) {
			found, err := h.Directory.Applications(tx, tenant, after, limit)
			if err != nil {
				return nil, err
			}
			return h.withDomain(tx, tenant, found...)
		}, func(a application) string { return a.AppID }),
		direct: func(tx store.Tx, f *filter) ([]application, bool, error) {
			find := h.Directory.ApplicationByAppID
			value, known := f.equal("appId")
			if !known {
				find = h.Directory.Application
				value, known = f.equal("id")
			}
			if !known {
				return nil, false, nil
			}
			a, err := find(tx, tenant, value)
			if err != nil {
				return oneOrNone(application{}, err)
			}
			all, err := h.withDomain(tx, tenant, a)
			return all, true, err
		},
	}
}

func (h *Handler) listApplications(ctx context.Context, req *Request) (*Response, error) {
	return pageResponse(ctx, h, req, h.applicationSource(req.Caller.tenant))
}

func (h *Handler) countApplications(ctx context.Context, req *Request) (*Response, error) {
	return countResponse(ctx, h, req, h.applicationSource(req.Caller.tenant))
}

// withDomain adds the publisher domain to applications of a tenant.
func (h *Handler) withDomain(tx store.Tx, tenant string, found ...directory.Application) ([]application, error) {
	t, err := h.Directory.Tenant(tx, tenant)
	if err != nil {
		return nil, err
	}
	all := make([]application, 0, len(found))
	for _, a := range found {
		all = append(all, application{a, t.DefaultDomain})
	}
	return all, nil
}

// application reads one application.
func (h *Handler) application(tx store.Tx, tenant, id string) (application, error) {
	a, err := h.Directory.Application(tx, tenant, id)
	if err != nil {
		return application{}, err
	}
	all, err := h.withDomain(tx, tenant, a)
	if err != nil {
		return application{}, err
	}
	return all[0], nil
}

func (h *Handler) getApplication(ctx context.Context, req *Request) (_ *Response, err error) {
	var a application
	err = h.Store.View(ctx, func(tx store.Tx) error {
		a, err = h.application(tx, req.Caller.tenant, req.Object.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entityResponse(req, h.applications, a)
}

func (h *Handler) createApplication(ctx context.Context, req *Request) (*Response, error) {
	owners, err := takeReferences(req.Body, "owners")
	if err != nil {
		return nil, err
	}
	a := application{Application: directory.Application{TenantID: req.Caller.tenant, Created: h.Now().UTC()}}
	if err := h.applications.apply(&a, req.Body); err != nil {
		return nil, err
	}
	if a.DisplayName == "" {
		return nil, errBadRequest("A value is required for property 'displayName' of resource 'Application'.")
	}
	a.ID, a.AppID = h.Directory.NewIDs(directory.ReservedApplication, a.DisplayName, h.NewID)
	h.assignKeyIDs(a.Certificates)
	owners = withOwner(owners, req.Caller.id)
	err = h.update(ctx, req, func(tx store.Tx) error {
		if err := h.checkIdentifierURIs(tx, req.Caller, a.Application); err != nil {
			return err
		}
		if err := h.Directory.CreateApplication(tx, a.Application); err != nil {
			return duplicateURI(err)
		}
		if err := h.addReferences(tx, ownersOf, a.TenantID, a.ID, owners); err != nil {
			return err
		}
		a, err = h.application(tx, a.TenantID, a.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	h.Directory.UsedIDs(directory.ReservedApplication, a.DisplayName)
	return createdResponse(req, h.applications, a, a.ID), nil
}

// withOwner adds the creator of an object to its owners.
func withOwner(owners []string, creator string) []string {
	if slices.ContainsFunc(owners, func(id string) bool { return arm.SameName(id, creator) }) {
		return owners
	}
	return append(owners, creator)
}

// duplicateURI maps ErrExists to Graph's duplicate identifierUris error.
func duplicateURI(err error) error {
	if errors.Is(err, directory.ErrExists) {
		return errBadRequest("Another object with the same value for property identifierUris already exists.")
	}
	return err
}

// checkIdentifierURIs requires identifier URIs in a verified domain, except from Global Administrators.
func (h *Handler) checkIdentifierURIs(tx store.Tx, c caller, a directory.Application) error {
	if c.admins() {
		return nil
	}
	return h.Directory.CheckVerified(tx, a)
}

// assignKeyIDs sets the key id of every new certificate.
func (h *Handler) assignKeyIDs(certificates []directory.Certificate) {
	for i := range certificates {
		if certificates[i].KeyID == "" {
			certificates[i].KeyID = h.NewID()
		}
	}
}

func (h *Handler) updateApplication(ctx context.Context, req *Request) (*Response, error) {
	err := h.update(ctx, req, func(tx store.Tx) error {
		a, err := h.application(tx, req.Caller.tenant, req.Object.id)
		if err != nil {
			return err
		}
		if err := h.applications.apply(&a, req.Body); err != nil {
			return err
		}
		h.assignKeyIDs(a.Certificates)
		if err := h.checkIdentifierURIs(tx, req.Caller, a.Application); err != nil {
			return err
		}
		return h.Directory.UpdateApplication(tx, a.Application)
	})
	if err != nil {
		return nil, duplicateURI(err)
	}
	return noContentResponse(), nil
}

func (h *Handler) deleteApplication(ctx context.Context, req *Request) (*Response, error) {
	return h.remove(ctx, req, func(tx store.Tx) error {
		_, err := h.Directory.DeleteApplication(tx, req.Caller.tenant, req.Object.id)
		return err
	})
}
