package metadata

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"midas/internal/host"
)

// The versions of the protocol of App Service, Functions and Container Apps. Each has a header of its
// own for the secret that proves the caller to be a program of the application.
const (
	appService2017 = "2017-09-01"
	appService2019 = "2019-08-01"
)

// pathMSI is where the endpoint is; clients take it from the environment.
const pathMSI = "/msi/token"

// appService is the protocol of App Service, in both versions.
type appService struct{ secret secret }

// NewAppService serves the protocol of Azure App Service, Functions and Container Apps to those who
// know the secret.
func NewAppService(c Config, known host.Secret) *Endpoint {
	return newEndpoint(c, appService{newSecret(known)})
}

func (p appService) serve(x *exchange) error {
	if !x.at(pathMSI) && !x.at("/MSI/token") {
		return errNotFound()
	}
	x.ev.Operation = "appservice/token"
	if err := x.method(http.MethodGet); err != nil {
		return err
	}
	if err := x.admit(); err != nil {
		return err
	}
	q, err := x.query()
	if err != nil {
		return err
	}
	switch q.get("api-version") {
	case appService2019:
		return p.token2019(x, q)
	case appService2017:
		return p.token2017(x, q)
	}
	return errVersion(appService2019, appService2017)
}

func (p appService) token2019(x *exchange, q query) error {
	if !p.secret.shownIn(x.r.Header["X-Identity-Header"]) {
		return errSecret(http.StatusForbidden)
	}
	t, err := x.token(q, names{
		client: []string{"client_id"}, object: []string{"principal_id", "object_id"}, resource: []string{"mi_res_id"},
	})
	if err != nil {
		return err
	}
	return x.send(room(t).
		text("access_token", string(t.Raw)).
		text("client_id", t.Principal.ClientID).
		words("expires_on", t.Expires.Unix()).
		words("not_before", t.NotBefore.Unix()).
		text("resource", t.Audience).
		text("token_type", "Bearer"))
}

// token2017 tells the time in the words of the .NET of its day.
func (p appService) token2017(x *exchange, q query) error {
	if !p.secret.shownIn(x.r.Header["Secret"]) {
		return errSecret(http.StatusForbidden)
	}
	t, err := x.token(q, names{client: []string{"clientid"}})
	if err != nil {
		return err
	}
	return x.send(room(t).
		text("access_token", string(t.Raw)).
		text("expires_on", t.Expires.UTC().Format("01/02/2006 15:04:05 +00:00")).
		text("resource", t.Audience).
		text("token_type", "Bearer").
		text("client_id", t.Principal.ClientID))
}

func (p appService) word(x *exchange, f *fault) any { return appServiceError(x, f) }

// appServiceError is how App Service words a refusal.
func appServiceError(x *exchange, f *fault) any {
	text := f.text
	switch f.kind {
	case kindIdentity:
		text = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
	case kindSeveral:
		text = "Unable to load the proper Managed Identity."
	}
	return struct {
		Status      int    `json:"statusCode"`
		Message     string `json:"message"`
		Correlation string `json:"correlationId"`
	}{f.status, text, x.NewID()}
}

// secret is known by its hash, so that comparing takes as long for every guess.
type secret [sha256.Size]byte

func newSecret(s host.Secret) secret { return sha256.Sum256([]byte(s)) }

// shownIn tells whether a header has the secret, once.
func (s secret) shownIn(values []string) bool {
	if len(values) != 1 {
		return false
	}
	given := sha256.Sum256([]byte(values[0]))
	return subtle.ConstantTimeCompare(given[:], s[:]) == 1
}

// query lets those in who show the secret in the header of that name, and reads what they ask of the
// one version that a protocol has.
func (s secret) query(x *exchange, version string) (query, error) {
	if err := x.method(http.MethodGet); err != nil {
		return nil, err
	}
	if err := x.admit(); err != nil {
		return nil, err
	}
	if !s.shownIn(x.r.Header["Secret"]) {
		return nil, errSecret(http.StatusUnauthorized)
	}
	q, err := x.query()
	if err != nil {
		return nil, err
	}
	if q.get("api-version") != version {
		return nil, errVersion(version)
	}
	return q, nil
}
