package login

import (
	"errors"
	"net/http"
	"slices"

	"midas/internal/api/bearer"
	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// introspection is the answer about a token (RFC 7662, 2.2). If the token is not active, it has nothing but Active,
// so that a client without the right to ask learns nothing.
type introspection struct {
	Active    bool     `json:"active"`
	TokenType string   `json:"token_type,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  string   `json:"aud,omitempty"`
	Expires   int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	NotBefore int64    `json:"nbf,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	Scope     string   `json:"scope,omitempty"`
	Username  string   `json:"username,omitempty"`
	ID        string   `json:"jti,omitempty"`
	ObjectID  string   `json:"oid,omitempty"`
	TenantID  string   `json:"tid,omitempty"`
	Roles     []string `json:"roles,omitempty"`
}

// introspectPath is the path of a tenant's introspection endpoint.
const introspectPath = "/oauth2/v2.0/introspect"

// introspect says whether an access token is active now: it is valid, its subject exists and is enabled, and the
// token was not revoked. The client must authenticate, as at the token endpoint. It gets an answer about tokens for
// itself, and about all tokens of the tenant if it may read the directory. Anything else is not active: a token of
// another kind or tenant, and a token about which the client may not ask (RFC 7662, 2.2 and 4).
func (h *tokens) introspect(x *request) error {
	req := &tokenRequest{request: x}
	c, err := h.introspecting(req)
	if err != nil {
		return err
	}
	x.ev.Caller = c.principal.ID
	claims, err := h.Tokens.Verify(x.r.Context(), req.token)
	if err == nil {
		err = h.mayIntrospect(req, c, claims)
	}
	private.Set(x.w.Header())
	switch {
	case bearer.IsRefusal(err) || errors.Is(err, errMayNotAsk):
		return httpx.WriteJSON(x.w, http.StatusOK, introspection{})
	case err != nil:
		return err
	}
	return httpx.WriteJSON(x.w, http.StatusOK, describe(claims))
}

// introspecting reads the request and authenticates its client.
func (h *tokens) introspecting(req *tokenRequest) (client, error) {
	if shared(req.pathTenant) {
		return client{}, errSharedTenant()
	}
	var err error
	if req.form, err = readForm(req.r); err != nil {
		return client{}, err
	}
	if req.tenant, err = h.namedTenant(req.request); err != nil {
		return client{}, err
	}
	c, err := h.authenticate(req)
	if err == nil {
		err = c.confidential()
	}
	if err != nil {
		return client{}, req.unauthorized(err)
	}
	if req.token == "" {
		return client{}, errMissingParameter("token")
	}
	return c, nil
}

// unauthorized answers with 401 if the client is missing or unknown, as if its credential is wrong (RFC 7662, 2.3);
// the token endpoint has Entra's 400. Each 401 names the scheme (RFC 9110, 11.6.1).
func (req *tokenRequest) unauthorized(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if req.clientID == "" || e.Number == unknownApplication {
		e.Status, e.Code = http.StatusUnauthorized, "invalid_client"
	}
	e.Challenge = e.Status == http.StatusUnauthorized
	return err
}

// errMayNotAsk means that the client may not know anything about the token.
var errMayNotAsk = errors.New("the client may not introspect the token")

// mayIntrospect returns an error of package bearer if the token is not active, or errMayNotAsk.
func (h *tokens) mayIntrospect(req *tokenRequest, c client, claims *token.Claims) error {
	if !arm.SameName(claims.TenantID, req.tenant.ID) {
		return errMayNotAsk
	}
	return h.Directory.Store.Recent(req.r.Context(), func(tx store.Tx) error {
		if _, err := h.bearer.Subject(tx, claims); err != nil {
			return err
		}
		at, err := h.Directory.Resource(tx, req.tenant.ID, claims.Audience)
		if err == nil && arm.SameName(at.ID, c.principal.ID) {
			return nil
		}
		if err := ifFound(err); err != nil {
			return err
		}
		reads, err := h.readsDirectory(tx, c.principal)
		if err == nil && !reads {
			err = errMayNotAsk
		}
		return err
	})
}

// readsDirectory reports whether a principal has an app role of Microsoft Graph with which it may read every object
// of the directory, and so whether subjects are enabled.
func (h *tokens) readsDirectory(tx store.Tx, p directory.ServicePrincipal) (bool, error) {
	graph, err := h.Directory.ServicePrincipalByAppID(tx, p.TenantID, directory.GraphAppID)
	if err != nil {
		return false, err
	}
	roles, err := h.Directory.AppRolesAt(tx, graph, p.ID)
	return slices.Contains(roles, directory.RoleDirectoryReadAll) || slices.Contains(roles, directory.RoleDirectoryReadWriteAll), err
}

// describe returns the answer about an active token.
func describe(c *token.Claims) introspection {
	return introspection{
		Active: true, TokenType: bearerType, Issuer: c.Issuer, Subject: c.Subject, Audience: c.Audience,
		Expires: c.Expires.Unix(), IssuedAt: c.IssuedAt.Unix(), NotBefore: c.NotBefore.Unix(),
		ClientID: c.AppID, Scope: c.Scopes, Username: c.UPN, ID: c.UniqueID,
		ObjectID: c.ObjectID, TenantID: c.TenantID, Roles: c.Roles,
	}
}
