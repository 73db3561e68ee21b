package login

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/directory"
	"midas/internal/token"
)

// tokenRequest is a request for a token, read and not yet granted.
type tokenRequest struct {
	*exchange
	form
	tenant directory.Tenant
	v1     bool // the endpoint without version, which asks for a resource and answers in strings
}

func (h *Handler) tokenV2(x *exchange) error { return h.token(x, false) }

func (h *Handler) tokenV1(x *exchange) error { return h.token(x, true) }

// token answers a token request. What it grants is the business of the grant.
func (h *Handler) token(x *exchange, v1 bool) error {
	if shared(x.tenant) {
		return errSharedTenant()
	}
	tenant, err := h.tenant(x.r.Context(), x.tenant)
	if errors.Is(err, directory.ErrNotFound) {
		return errTenant(x.tenant)
	}
	if err != nil {
		return err
	}
	f, err := readForm(x.r)
	if err != nil {
		return err
	}
	req := &tokenRequest{exchange: x, form: f, tenant: tenant, v1: v1}
	granted, err := h.grant(req)
	if err != nil {
		var e *Error
		if f.basic && errors.As(err, &e) {
			e.Challenge = e.Status == http.StatusUnauthorized
		}
		return err
	}
	return h.answer(req, granted)
}

// grant leaves the request to the grant that it asks for.
func (h *Handler) grant(req *tokenRequest) (*token.Token, error) {
	switch req.grantType {
	case "":
		return nil, errMissingParameter("grant_type")
	case "client_credentials":
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
}

// answerV1 is the answer of the v1.0 endpoint, which has words for numbers.
type answerV1 struct {
	TokenType    string `json:"token_type"`
	ExpiresIn    string `json:"expires_in"`
	ExtExpiresIn string `json:"ext_expires_in"`
	ExpiresOn    string `json:"expires_on"`
	NotBefore    string `json:"not_before"`
	Resource     string `json:"resource"`
	AccessToken  string `json:"access_token"`
}

func (h *Handler) answer(req *tokenRequest, t *token.Token) error {
	head := req.w.Header()
	setAll(head, private)
	head["X-Ms-Clitelem"] = noError
	left := remaining(t.Claims.Expires, h.Now())
	if !req.v1 {
		return httpx.WriteJSON(req.w, http.StatusOK, answerV2{"Bearer", left, left, t.Raw()})
	}
	seconds := strconv.FormatInt(left, 10)
	return httpx.WriteJSON(req.w, http.StatusOK, answerV1{
		TokenType: "Bearer", ExpiresIn: seconds, ExtExpiresIn: seconds,
		ExpiresOn:   strconv.FormatInt(t.Claims.Expires.Unix(), 10),
		NotBefore:   strconv.FormatInt(t.Claims.NotBefore.Unix(), 10),
		Resource:    t.Claims.Audience,
		AccessToken: t.Raw(),
	})
}

// remaining is for how many whole seconds a token is good, counted so that it is never too many: a
// new token of an hour has 3599, as Entra's do.
func remaining(expires, now time.Time) int64 { return max(0, expires.Unix()-now.Unix()-1) }
