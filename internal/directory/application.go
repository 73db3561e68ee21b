package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// maxSecrets limits the number of hashes that a wrong secret is compared with.
const maxSecrets = 20

// Application is an app registration: a client with its credentials, a resource with its app roles, or
// both.
type Application struct {
	ID             string        `json:"id"`    // object id
	AppID          string        `json:"appId"` // client id
	TenantID       string        `json:"tenantId"`
	DisplayName    string        `json:"displayName"`
	IdentifierURIs []string      `json:"identifierUris,omitempty"` // names as a resource, unique in the tenant
	Redirects      Redirects     `json:"redirects,omitzero"`
	PublicClient   bool          `json:"publicClient,omitempty"` // it may use flows without a secret even if it has one
	TokenVersion   int           `json:"tokenVersion,omitempty"` // of tokens for it: 0 (the default, as 1), 1 or 2
	SignInAudience string        `json:"signInAudience,omitempty"`
	AppRoles       []AppRole     `json:"appRoles,omitempty"`
	Secrets        []Secret      `json:"secrets,omitempty"`
	Certificates   []Certificate `json:"certificates,omitempty"`
	Created        time.Time     `json:"created"`

	// Federated are the federated identity credentials, in the order of their creation.
	Federated []FederatedCredential `json:"federated,omitempty"`

	// Extra are the opaque properties by name: clients of Microsoft Graph set and read them, and the server
	// does not interpret them.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`

	// FirstParty marks one of Microsoft's applications that exist in every tenant. It is never stored.
	FirstParty bool `json:"-"`
}

// Redirects are the redirect URIs, by kind of client.
type Redirects struct {
	Web    []string `json:"web,omitempty"`    // a web server with a secret
	SPA    []string `json:"spa,omitempty"`    // a page in a browser: PKCE, and the token endpoint answers across origins
	Public []string `json:"public,omitempty"` // a native application
}

// CreateApplication adds an application, or returns ErrExists, ErrInvalid or ErrReservedURI. It does not
// create the service principal. Callers check the identifier URIs with CheckVerified first.
func (d *Directory) CreateApplication(tx store.Tx, a Application) error {
	if a.ID == "" || a.AppID == "" || a.TenantID == "" {
		return errors.New("create application: object id, client id and tenant are required")
	}
	if err := a.check(Application{}); err != nil {
		return fmt.Errorf("create application %s: %w", a.AppID, err)
	}
	if a.Created.IsZero() {
		a.Created = d.Now().UTC()
	}
	record, byID := applicationKey(a.TenantID, a.AppID), applicationIDKey(a.TenantID, a.ID)
	for _, k := range []string{record, byID} {
		if err := checkAbsent(tx, k); err != nil {
			return fmt.Errorf("create application %s: %w", a.AppID, err)
		}
	}
	if _, taken := firstPartyClient(a.TenantID, a.AppID); taken || ResourceNames(a.AppID) != nil {
		return fmt.Errorf("create application %s: %w", a.AppID, ErrExists)
	}
	if err := d.updateIdentifierKeys(tx, Application{}, a); err != nil {
		return fmt.Errorf("create application %s: %w", a.AppID, err)
	}
	if err := applicationIDs.Put(tx, byID, reference{a.AppID}); err != nil {
		return err
	}
	return applications.Put(tx, record, a)
}

// ApplicationByAppID gives the application with a client id, or ErrNotFound.
func (d *Directory) ApplicationByAppID(tx store.Tx, tenant, appID string) (Application, error) {
	return applications.Get(tx, applicationKey(tenant, appID))
}

// Application gives the application with an object id, or ErrNotFound.
func (d *Directory) Application(tx store.Tx, tenant, id string) (Application, error) {
	ref, err := applicationIDs.Get(tx, applicationIDKey(tenant, id))
	if err != nil {
		return Application{}, err
	}
	return d.ApplicationByAppID(tx, tenant, ref.ID)
}

// Client returns the application of a client for the token endpoint: an application of the tenant, or a
// first-party one; otherwise ErrNotFound. It is read for every token request, so the result comes from a
// cache, is shared, and must not be changed.
func (d *Directory) Client(tx store.Tx, tenant, appID string) (Application, error) {
	if a, found := firstPartyClient(tenant, appID); found {
		return a, nil
	}
	return applications.GetShared(tx, applicationKey(tenant, appID), &d.decoded.apps)
}

// ClientPrincipal returns the service principal of an application of the tenant. The result is shared and
// must not be changed.
func (d *Directory) ClientPrincipal(tx store.Tx, tenant, appID string) (ServicePrincipal, error) {
	ref, err := principalApps.GetShared(tx, principalAppKey(tenant, appID), &d.decoded.references)
	if err != nil {
		return ServicePrincipal{}, err
	}
	return principals.GetShared(tx, principalKey(tenant, ref.ID), &d.decoded.principals)
}

// Applications gives at most limit applications in the order of their client ids, after the given
// client id.
func (d *Directory) Applications(tx store.Tx, tenant, after string, limit int) ([]Application, error) {
	return list(tx, &applications, applicationKey(tenant, ""), after, limit)
}

// Limits of one application. They bound the size of a record that is read at every sign-in.
const (
	maxIdentifierURIs = 50
	maxIdentifierURI  = 255 // bytes
	maxRedirects      = 256
	maxRedirect       = 1024 // bytes
	maxAppRoleDefs    = 200
)

// check validates the application and its limits. Of the federated credentials it validates those that differ from the
// old ones.
func (a *Application) check(old Application) error {
	if err := a.credentials().check(); err != nil {
		return err
	}
	if err := checkFederated(old.Federated, a.Federated); err != nil {
		return err
	}
	redirects := slices.Concat(a.Redirects.Web, a.Redirects.SPA, a.Redirects.Public)
	long := func(most int) func(string) bool {
		return func(s string) bool { return s == "" || len(s) > most }
	}
	switch {
	case len(a.IdentifierURIs) > maxIdentifierURIs || slices.ContainsFunc(a.IdentifierURIs, long(maxIdentifierURI)):
		return fmt.Errorf("%w: an application has at most %d identifier URIs of at most %d bytes", ErrInvalid, maxIdentifierURIs, maxIdentifierURI)
	case len(redirects) > maxRedirects || slices.ContainsFunc(redirects, long(maxRedirect)):
		return fmt.Errorf("%w: an application has at most %d redirect URIs of at most %d bytes", ErrInvalid, maxRedirects, maxRedirect)
	case slices.ContainsFunc(redirects, func(uri string) bool { return !SafeRedirect(uri) }):
		return fmt.Errorf("%w: a redirect URI is absolute, in ASCII, of a scheme that leads to a client, without user, fragment, spaces and quotes, and its host has only letters, digits, hyphens, underscores and dots", ErrInvalid)
	case len(a.AppRoles) > maxAppRoleDefs:
		return fmt.Errorf("%w: an application has at most %d app roles", ErrInvalid, maxAppRoleDefs)
	case a.TokenVersion < 0 || a.TokenVersion > 2:
		return fmt.Errorf("%w: there is no token version %d", ErrInvalid, a.TokenVersion)
	}
	return nil
}

// UpdateApplication replaces an application and renames its service principal. It returns ErrNotFound,
// ErrInvalid, ErrTooManySecrets, ErrReservedURI, or ErrExists when another application has one of the
// identifier URIs.
func (d *Directory) UpdateApplication(tx store.Tx, a Application) error {
	old, err := d.ApplicationByAppID(tx, a.TenantID, a.AppID)
	if err == nil && !arm.SameName(old.ID, a.ID) {
		err = ErrNotFound
	}
	if err == nil {
		err = a.check(old)
	}
	if err == nil {
		err = d.updateIdentifierKeys(tx, old, a)
	}
	if err == nil && old.DisplayName != a.DisplayName {
		err = d.renamePrincipal(tx, a)
	}
	if err != nil {
		return fmt.Errorf("update application %s: %w", a.AppID, err)
	}
	return applications.Put(tx, applicationKey(a.TenantID, a.AppID), a)
}

func (d *Directory) renamePrincipal(tx store.Tx, a Application) error {
	p, err := d.ServicePrincipalByAppID(tx, a.TenantID, a.AppID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p.DisplayName = a.DisplayName
	return d.UpdateServicePrincipal(tx, p)
}

// updateIdentifierKeys replaces the look-up keys of the old identifier URIs by those of the new ones.
func (d *Directory) updateIdentifierKeys(tx store.Tx, old, a Application) error {
	for _, uri := range old.IdentifierURIs {
		tx.Delete(identifierKey(a.TenantID, uri))
	}
	for _, uri := range a.IdentifierURIs {
		if !slices.Contains(old.IdentifierURIs, uri) { // Resource checks URIs that an earlier version has accepted
			if err := d.checkIdentifier(a, uri); err != nil {
				return err
			}
		}
		k := identifierKey(a.TenantID, uri)
		switch ref, err := identifiers.Get(tx, k); {
		case err == nil && !arm.SameName(ref.ID, a.AppID):
			return fmt.Errorf("identifier URI %s: %w", uri, ErrExists)
		case err != nil && !errors.Is(err, ErrNotFound):
			return err
		}
		if err := identifiers.Put(tx, k, reference{a.AppID}); err != nil {
			return err
		}
	}
	return nil
}

// DeleteApplication removes an application by its object id, and its service principal. It returns the
// object id of that principal, if there was one, for Unlink; or ErrNotFound or ErrLastAdministrator.
func (d *Directory) DeleteApplication(tx store.Tx, tenant, id string) (principal string, err error) {
	a, err := d.Application(tx, tenant, id)
	if err != nil {
		return "", fmt.Errorf("delete application %s: %w", id, err)
	}
	tx.Delete(applicationKey(tenant, a.AppID))
	tx.Delete(applicationIDKey(tenant, id))
	for _, uri := range a.IdentifierURIs {
		tx.Delete(identifierKey(tenant, uri))
	}
	if err := markForUnlink(tx, tenant, id); err != nil {
		return "", err
	}
	p, err := d.ServicePrincipalByAppID(tx, tenant, a.AppID)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err == nil {
		err = d.DeleteServicePrincipal(tx, tenant, p.ID)
	}
	if err != nil {
		return "", fmt.Errorf("delete application %s: %w", id, err)
	}
	return p.ID, nil
}

// Resource returns the service principal of an audience, which is an identifier URI of an application, a
// client id, or a name of Microsoft Graph or ARM; otherwise ErrNotFound. It ignores reserved identifier
// URIs, because records of earlier versions may have them.
func (d *Directory) Resource(tx store.Tx, tenant, audience string) (ServicePrincipal, error) {
	folded := arm.Fold(audience)
	if p, found := firstPartyOf(tenant, func(appID string) bool {
		return appID == folded || slices.Contains(ResourceNames(appID), folded)
	}); found {
		return p, nil
	}
	for _, name := range []string{audience, trimAudience(audience), audience + "/"} {
		ref, err := identifiers.Get(tx, identifierKey(tenant, name))
		if err == nil && d.mayHaveIdentifier(Application{AppID: ref.ID, TenantID: tenant}, name) {
			return d.ServicePrincipalByAppID(tx, tenant, ref.ID)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return ServicePrincipal{}, err
		}
	}
	return d.ServicePrincipalByAppID(tx, tenant, clientIDIn(audience))
}

// clientIDIn returns the client id in an audience: the audience is the client id or api://{client id}, with or
// without a slash at the end. Microsoft's resources have only the names of ResourceNames.
func clientIDIn(audience string) string {
	folded := arm.Fold(audience)
	id := strings.TrimPrefix(strings.TrimSuffix(folded, "/"), "api://")
	if !arm.IsGUID(id) || id != folded && isFirstPartyAppID(id) {
		return audience
	}
	return id
}

// LogoutURL returns the address by which the application is told that its user has signed out
// (web.logoutUrl), or "" if it has none that a browser may be sent to.
func (a *Application) LogoutURL() string {
	var web struct {
		LogoutURL string `json:"logoutUrl"`
	}
	if raw, set := a.Extra["web"]; !set || json.Unmarshal(raw, &web) != nil {
		return ""
	}
	if u, err := url.Parse(web.LogoutURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || !SafeRedirect(web.LogoutURL) {
		return ""
	}
	return web.LogoutURL
}
