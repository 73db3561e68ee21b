package login

import (
	"errors"
	"net/http"
	"strings"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/token"
)

// userAnswerInfo is what OpenID Connect's user information endpoint tells (Core, 5.3).
type userAnswerInfo struct {
	Subject    string `json:"sub"` // as in the client's id_tokens
	Name       string `json:"name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	GivenName  string `json:"given_name,omitempty"`
	Email      string `json:"email,omitempty"`
}

// userInfo tells a client about the user of its access token, which must be one for Microsoft Graph.
func (h *Handler) userInfo(x *exchange) error {
	setAll(x.w.Header(), crossOrigin)
	claims, err := h.bearer(x)
	if err != nil {
		x.w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
		return err
	}
	p, err := h.returning(x.r.Context(), claims.TenantID, claims.ObjectID, claims.IssuedAt)
	var e *Error
	if errors.As(err, &e) {
		x.w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
		return errBearer(err)
	}
	if err != nil {
		return err
	}
	x.ev.Caller = p.ID
	setAll(x.w.Header(), private)
	return httpx.WriteJSON(x.w, http.StatusOK, userAnswerInfo{
		Subject: pairwise(claims.AppID, p.ID), Name: p.DisplayName, FamilyName: p.Surname, GivenName: p.GivenName, Email: p.Mail,
	})
}

// bearer reads the access token of a request.
func (h *Handler) bearer(x *exchange) (*token.Claims, error) {
	headers := x.r.Header["Authorization"]
	if len(headers) != 1 {
		return nil, errBearer(errors.New("there is not exactly one Authorization header"))
	}
	scheme, raw, found := strings.Cut(headers[0], " ")
	if !found || arm.Fold(scheme) != "bearer" {
		return nil, errBearer(errors.New("the Authorization header is not a bearer token"))
	}
	claims, err := h.Tokens.Verify(x.r.Context(), strings.TrimSpace(raw))
	if err != nil {
		return nil, errBearer(err)
	}
	if at := (scopes{audience: claims.Audience}); !at.atGraph() || claims.Scopes == "" {
		return nil, errBearer(errors.New("the token is for another resource, or not of a user"))
	}
	return claims, nil
}
