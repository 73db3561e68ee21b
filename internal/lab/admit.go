package lab

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"

	"midas/internal/api/bearer"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// admit refuses every request but those of the administrator. It sets Event.Caller.
func (h *Handler) admit(req *request) error {
	if !h.Remote && (!local(req.http.RemoteAddr) || forwarded(req.http.Header)) {
		return arm.Errorf(http.StatusForbidden, "ClientNotLocal",
			"The laboratory answers only to clients on the machine of the server, without a proxy. Set 'names' or 'origin' in its configuration to answer to others.")
	}
	if err := http.NewCrossOriginProtection().Check(req.http); err != nil {
		return arm.Errorf(http.StatusForbidden, "CrossOriginRequest", "The laboratory refuses requests of pages of other origins.")
	}
	if id, secret, basic := req.http.BasicAuth(); basic {
		return h.admitSecret(req, id, secret)
	}
	claims, err := h.bearer.Verify(req.http)
	if err != nil {
		return unauthorized(err)
	}
	return h.Store.View(req.context(), func(tx store.Tx) error {
		subject, err := h.bearer.Subject(tx, claims)
		if err != nil {
			return unauthorized(err)
		}
		req.ev.Caller = subject.ObjectID
		return h.administers(tx, subject)
	})
}

// local reports whether a peer is on this machine.
func local(peer string) bool {
	at, err := netip.ParseAddrPort(peer)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// forwarded reports whether a proxy has sent a request for a client that may be on another machine. What the headers name
// does not matter: a client can send them as well, and a proxy on this machine may pass them on.
func forwarded(header http.Header) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if len(header[name]) > 0 {
			return true
		}
	}
	return false
}

// admitSecret compares credentials with those of admin.json, not with those in the directory: a test that has changed
// the directory must still be able to reset it.
func (h *Handler) admitSecret(req *request, id, secret string) error {
	named := subtle.ConstantTimeCompare([]byte(arm.Fold(id)), []byte(arm.Fold(h.Admin.ClientID)))
	proved := subtle.ConstantTimeCompare([]byte(secret), []byte(h.Admin.ClientSecret))
	if named&proved != 1 || h.Admin.ClientID == "" || h.Admin.ClientSecret == "" {
		return unauthorized(errWrongSecret)
	}
	req.ev.Caller = h.Admin.ClientID
	return nil
}

// administers refuses subjects other than the application and the user of the administrator.
func (h *Handler) administers(tx store.Tx, subject bearer.Subject) error {
	refusal := arm.Errorf(http.StatusForbidden, "AuthorizationFailed",
		"The client with object id '%s' is not the administrator of the server, who alone may use the laboratory.", subject.ObjectID)
	if subject.TenantID != h.Admin.TenantID {
		return refusal
	}
	if !subject.User {
		p, err := h.Directory.ServicePrincipal(tx, subject.TenantID, subject.ObjectID)
		if err == nil && p.AppID != h.Admin.ClientID || errors.Is(err, directory.ErrNotFound) {
			return refusal
		}
		return err
	}
	u, err := h.Directory.User(tx, subject.TenantID, subject.ObjectID)
	if err == nil && !arm.SameName(u.UserPrincipalName, h.Admin.UserName) || errors.Is(err, directory.ErrNotFound) {
		return refusal
	}
	return err
}

var errWrongSecret = errors.New("lab: the client id or the secret is not that of admin.json")

// unauthorized maps an error of package bearer to a 401. Any other error is returned as it is. The challenge does not
// offer Basic authentication, so that browsers never keep the secret.
func unauthorized(err error) error {
	if !bearer.IsRefusal(err) && !errors.Is(err, errWrongSecret) {
		return err
	}
	message := "The access token is invalid, has expired or was revoked."
	var audience *bearer.AudienceError
	switch {
	case errors.Is(err, errWrongSecret):
		message = "The client id or the secret is not that of the administrator in admin.json."
	case errors.Is(err, bearer.ErrNoToken), errors.Is(err, bearer.ErrNotBearer):
		message = "The laboratory needs the administrator's access token, or the client id and secret of admin.json by HTTP Basic authentication."
	case errors.As(err, &audience):
		message = "The access token is not for Azure Resource Manager."
	}
	refusal := arm.Errorf(http.StatusUnauthorized, "AuthenticationFailed", "%s", message)
	refusal.Header = http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}
	return refusal
}
