package login

import (
	"errors"
	"net/http"

	"midas/internal/api/bearer"
	"midas/internal/api/httpx"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// userAnswerInfo is the answer of the user information endpoint (OpenID Connect Core, 5.3).
type userAnswerInfo struct {
	Subject    string `json:"sub"` // as in the client's id_tokens
	Name       string `json:"name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	GivenName  string `json:"given_name,omitempty"`
	Email      string `json:"email,omitempty"`
}

// userInfo answers with the claims about the user of an access token, whose audience must be Microsoft
// Graph.
func (h *tokens) userInfo(x *request) error {
	crossOriginReads.Set(x.w.Header())
	claims, u, err := h.tokenUser(x)
	if bearer.IsRefusal(err) || errors.Is(err, errNoUser) {
		x.w.Header().Set("Www-Authenticate", `Bearer error="invalid_token"`)
		return errBearer(err)
	}
	if err != nil {
		return err
	}
	x.ev.Caller = u.ID
	private.Set(x.w.Header())
	return httpx.WriteJSON(x.w, http.StatusOK, userAnswerInfo{
		Subject: pairwise(claims.AppID, u.ID), Name: u.DisplayName, FamilyName: u.Surname, GivenName: u.GivenName, Email: u.Mail,
	})
}

// errNoUser refuses an access token that was issued to an application for itself.
var errNoUser = errors.New("the token has no user")

// tokenUser returns the claims and the user of a request's access token. The error is errNoUser, or one of
// package bearer.
func (h *tokens) tokenUser(x *request) (*token.Claims, directory.User, error) {
	claims, err := h.bearer.Verify(x.r)
	if err == nil && claims.Scopes == "" {
		err = errNoUser
	}
	if err != nil {
		return nil, directory.User{}, err
	}
	var u directory.User
	err = h.Directory.Store.Recent(x.r.Context(), func(tx store.Tx) error {
		subject, err := h.bearer.Subject(tx, claims)
		if err == nil && !subject.User {
			err = errNoUser
		}
		if err == nil {
			u, err = h.Directory.User(tx, subject.TenantID, subject.ObjectID)
		}
		return err
	})
	return claims, u, err
}

// graphAudiences returns the audiences of tokens for Microsoft Graph.
func graphAudiences() map[string]bool {
	set := map[string]bool{directory.GraphAppID: true}
	for _, name := range directory.ResourceNames(directory.GraphAppID) {
		set[name] = true
	}
	return set
}
