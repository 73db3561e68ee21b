package login

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// signOut ends the browser's session (OpenID Connect RP-Initiated Logout). It sends the browser back to an
// application only if the request names the application and the application has registered the address.
func (h *signIn) signOut(x *request) error {
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	if err := h.endBrowser(x); err != nil {
		return err
	}
	to := values.Get("post_logout_redirect_uri")
	if to != "" {
		registered, err := h.registered(x, values, to)
		if err != nil {
			return err
		}
		if registered {
			if state := values.Get("state"); state != "" {
				sep := "?"
				if strings.Contains(to, "?") {
					sep = "&"
				}
				to += sep + "state=" + url.QueryEscape(state)
			}
			private.Set(x.w.Header())
			unframed.Set(x.w.Header())
			x.w.Header().Set("Location", to)
			x.w.WriteHeader(http.StatusSeeOther)
			return nil
		}
	}
	return x.show(http.StatusOK, "message", page{Title: "You are signed out", Text: "You can close this window."})
}

// registered reports whether the application of a sign-out request has registered the address to.
func (h *signIn) registered(x *request, values url.Values, to string) (bool, error) {
	id := values.Get("client_id")
	if id == "" {
		id = hinted(values.Get("id_token_hint"))
	}
	if id == "" {
		return false, nil
	}
	app, err := h.application(x, id)
	var e *Error
	if errors.As(err, &e) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, found := findRedirect(app.Redirects, to)
	return found, nil
}

// hinted returns the client id in an id_token. The token is not verified, because it only selects the
// application whose registered addresses are searched.
func hinted(idToken string) string {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Audience string `json:"aud"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Audience
}
