package login

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"midas/internal/api/bearer"
	"midas/internal/api/httpx"
	"midas/internal/directory"
	"midas/internal/token"
)

// tokens has the endpoints that programs call: token, device code and user information.
type tokens struct {
	*accounts
	bearer     bearer.Checker // of the user information endpoint
	assertions assertions
	deviceWait time.Duration // between two polls of a device, in whole seconds
}

func newTokens(a *accounts) *tokens {
	return &tokens{
		accounts: a, bearer: bearer.Checker{Tokens: a.Tokens, Directory: a.Directory, Audiences: graphAudiences()},
		assertions: assertions{limit: maxAssertions}, deviceWait: deviceWait,
	}
}

// tokenRequest is a parsed token request.
type tokenRequest struct {
	*request
	form
	tenant directory.Tenant    // empty until setTenant if the path does not name one
	v1     bool                // the v1.0 endpoint, whose requests name a resource and whose answers have strings for numbers
	cnf    *token.Confirmation // the key to which the access token is bound, or nil

	exchange *exchangeAttempt // the client has presented an assertion; nil: it has not, or it has signed it itself
}

// granted is the result of a grant.
type granted struct {
	access *token.Token

	// Set only by grants for users.
	user         *user
	scope        string
	idToken      string
	refreshToken string
}

func (h *tokens) tokenV2(x *request) error { return h.token(x, false) }

func (h *tokens) tokenV1(x *request) error { return h.token(x, true) }

// token answers a token request: it reads the form, finds the tenant and calls the grant.
func (h *tokens) token(x *request, v1 bool) error {
	if x.r.Header.Get("Origin") != "" {
		crossOrigin.Set(x.w.Header())
	}
	req := &tokenRequest{request: x, v1: v1}
	var unread error
	req.form, unread = readForm(x.r)
	if unread != nil && x.r.Context().Err() != nil {
		return unread // the body has not arrived in time, and the context has ended
	}
	if req.grantType == "password" {
		// A refusal costs less than finding the tenant.
		if wait := h.Passwords.Refused(x.source()); wait > 0 {
			return errThrottled(wait)
		}
	}
	if !shared(x.pathTenant) {
		var err error
		if req.tenant, err = h.namedTenant(x); err != nil {
			return err
		}
	}
	if unread != nil {
		return unread
	}
	given, err := h.grant(req)
	h.noteExchange(req, err)
	if err != nil {
		var e *Error
		if req.basic && errors.As(err, &e) {
			e.Challenge = e.Status == http.StatusUnauthorized
		}
		return err
	}
	return h.answer(req, given)
}

// grant calls the handler of the request's grant type.
func (h *tokens) grant(req *tokenRequest) (*granted, error) {
	if req.grantType == "" {
		return nil, errMissingParameter("grant_type")
	}
	var err error
	if req.cnf, err = req.confirmation(); err != nil {
		return nil, err
	}
	switch req.grantType {
	case "authorization_code":
		return h.authorizationCode(req)
	case "refresh_token":
		return h.refresh(req)
	case "urn:ietf:params:oauth:grant-type:device_code", "device_code":
		return h.deviceCode(req)
	case "password":
		return h.password(req)
	case "client_credentials", onBehalf:
		// These requests have nothing from which the tenant could be found.
		if shared(req.pathTenant) {
			return nil, errSharedTenant()
		}
		if req.grantType == onBehalf {
			return h.onBehalfOf(req)
		}
		return h.clientCredentials(req)
	}
	return nil, errGrantType(req.grantType)
}

// answerV2 is the answer of the v2.0 endpoint.
type answerV2 struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	ExtExpiresIn int64  `json:"ext_expires_in"`
	AccessToken  string `json:"access_token"`
	userAnswer
}

// userAnswer has the further fields of an answer for a user.
type userAnswer struct {
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	ClientInfo   string `json:"client_info,omitempty"`
}

// answerV1 is the answer of the v1.0 endpoint, which has strings for numbers.
type answerV1 struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    string `json:"expires_in"`
	ExtExpiresIn string `json:"ext_expires_in"`
	ExpiresOn    string `json:"expires_on"`
	NotBefore    string `json:"not_before"`
	Resource     string `json:"resource"`
	AccessToken  string `json:"access_token"`
	userAnswer
}

func (h *tokens) answer(req *tokenRequest, given *granted) error {
	head, t := req.w.Header(), given.access
	private.Set(head)
	noError.Set(head)
	left := remaining(t.Claims.Expires, h.Now())
	user := userAnswer{Scope: given.scope, RefreshToken: given.refreshToken, IDToken: given.idToken}
	if given.user != nil && req.clientInfo == "1" {
		var err error
		if user.ClientInfo, err = clientInfo(given.user); err != nil {
			return err
		}
	}
	kind := bearerType
	if t.Claims.Confirmation != nil {
		kind = popType
	}
	if !req.v1 {
		return httpx.WriteJSON(req.w, http.StatusOK, answerV2{kind, left, left, t.Raw(), user})
	}
	seconds := strconv.FormatInt(left, 10)
	return httpx.WriteJSON(req.w, http.StatusOK, answerV1{
		TokenType: kind, ExpiresIn: seconds, ExtExpiresIn: seconds,
		ExpiresOn:   strconv.FormatInt(t.Claims.Expires.Unix(), 10),
		NotBefore:   strconv.FormatInt(t.Claims.NotBefore.Unix(), 10),
		Resource:    t.Claims.Audience,
		AccessToken: t.Raw(),
		userAnswer:  user,
	})
}

// clientInfo returns the client_info parameter, by which MSAL identifies the user in its cache.
func clientInfo(u *user) (string, error) {
	data, err := json.Marshal(struct {
		UID  string `json:"uid"`
		UTID string `json:"utid"`
	}{u.ID, u.TenantID})
	if err != nil {
		return "", fmt.Errorf("encode client_info: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(data), nil
}

// remaining returns for how many whole seconds a token is still valid, rounded so that it is never too
// long: a new token of one hour has 3599, as Entra's do.
func remaining(expires, now time.Time) int64 { return max(0, expires.Unix()-now.Unix()-1) }

// setTenant sets the tenant of a request whose path may not name one, or refuses it (see admit).
func (h *tokens) setTenant(req *tokenRequest, tenant string) (err error) {
	req.tenant, err = h.admit(req.request, tenant)
	return err
}

func (h *tokens) tokenLifetime() time.Duration {
	if h.TokenLifetime == 0 {
		return DefaultTokenLifetime
	}
	return h.TokenLifetime
}

// lifetimeOf returns the lifetime of a client's own tokens.
func (h *tokens) lifetimeOf(c client) time.Duration {
	switch {
	case !c.managed():
		return h.tokenLifetime()
	case h.ManagedLifetime == 0:
		return DefaultManagedLifetime
	}
	return h.ManagedLifetime
}
