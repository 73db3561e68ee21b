package metadata

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"midas/internal/host"
)

// The versions of the protocol of App Service, Functions and Container Apps. Each has another header for the
// secret, which proves that the caller is a program of the application.
const (
	appService2017 = "2017-09-01"
	appService2019 = "2019-08-01"
)

// pathMSI is the path of the endpoint. Clients read it from the environment.
const pathMSI = "/msi/token"

// appService is the protocol of App Service, in both versions.
type appService struct{ secret secret }

// NewAppService serves the protocol of Azure App Service, Functions and Container Apps to clients that send
// the secret.
func NewAppService(c Config, known host.Secret) *Endpoint {
	return newEndpoint(c, appService{newSecret(known)})
}

func (p appService) serve(req *request) error {
	if !req.pathIs(pathMSI) && !req.pathIs("/MSI/token") {
		return errNotFound()
	}
	req.ev.Operation = "appservice/token"
	if err := req.method(http.MethodGet); err != nil {
		return err
	}
	if err := req.admit(); err != nil {
		return err
	}
	q, err := req.query()
	if err != nil {
		return err
	}
	switch q.get("api-version") {
	case appService2019:
		return p.token2019(req, q)
	case appService2017:
		return p.token2017(req, q)
	}
	return errVersion(appService2019, appService2017)
}

func (p appService) token2019(req *request, q query) error {
	if !p.secret.matches(req.r.Header["X-Identity-Header"]) {
		return errSecret(http.StatusForbidden)
	}
	t, err := req.token(q, selectorNames{
		client: []string{"client_id"}, object: []string{"principal_id", "object_id"}, resource: []string{"mi_res_id"},
	})
	if err != nil {
		return err
	}
	return req.send(newBody(t).
		text("access_token", string(t.Raw)).
		text("client_id", t.Principal.ClientID).
		quotedNumber("expires_on", t.Expires.Unix()).
		quotedNumber("not_before", t.NotBefore.Unix()).
		text("resource", t.Audience).
		text("token_type", "Bearer"))
}

// token2017 writes expires_on as .NET formats a DateTimeOffset, as this version of the protocol does.
func (p appService) token2017(req *request, q query) error {
	if !p.secret.matches(req.r.Header["Secret"]) {
		return errSecret(http.StatusForbidden)
	}
	t, err := req.token(q, selectorNames{client: []string{"clientid"}})
	if err != nil {
		return err
	}
	return req.send(newBody(t).
		text("access_token", string(t.Raw)).
		text("expires_on", t.Expires.UTC().Format("01/02/2006 15:04:05 +00:00")).
		text("resource", t.Audience).
		text("token_type", "Bearer").
		text("client_id", t.Principal.ClientID))
}

func (p appService) errorBody(req *request, f *fault) any { return appServiceError(req, f) }

// appServiceError is the body of a refusal by App Service.
func appServiceError(req *request, f *fault) any {
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
	}{f.status, text, req.NewID()}
}

// secret is the hash of a secret. Comparing hashes takes the same time for every guess.
type secret [sha256.Size]byte

func newSecret(s host.Secret) secret { return sha256.Sum256([]byte(s)) }

// matches reports whether a header has exactly one value and this is the secret.
func (s secret) matches(values []string) bool {
	if len(values) != 1 {
		return false
	}
	given := sha256.Sum256([]byte(values[0]))
	return subtle.ConstantTimeCompare(given[:], s[:]) == 1
}

// query checks the method, the host, the header "Secret" and the api-version of a request, for protocols with
// one version. It returns the parameters.
func (s secret) query(req *request, version string) (query, error) {
	if err := req.method(http.MethodGet); err != nil {
		return nil, err
	}
	if err := req.admit(); err != nil {
		return nil, err
	}
	if !s.matches(req.r.Header["Secret"]) {
		return nil, errSecret(http.StatusUnauthorized)
	}
	q, err := req.query()
	if err != nil {
		return nil, err
	}
	if q.get("api-version") != version {
		return nil, errVersion(version)
	}
	return q, nil
}
