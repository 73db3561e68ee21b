package login

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/store"
)

// tell continues a sign-out whose sessions have ended: the browser tells their applications (OpenID Connect
// Front-Channel Logout 1.0). It has to show its key first, because the addresses tell which applications
// the user has, and another program may have the cookie.
func (h *signIn) tell(x *request, ended []grant.Session, to string) error {
	frames, err := h.logoutURLs(x, ended)
	if err != nil {
		return err
	}
	if len(frames) == 0 || !x.browses() {
		return h.signedOut(x, to)
	}
	return h.askKey(x, signingOut{To: to, Ended: ended})
}

// frame shows the page whose frames tell the applications of sessions, and which then leads on.
func (h *signIn) frame(x *request, ended []grant.Session, to string) error {
	frames, err := h.logoutURLs(x, ended)
	if err != nil {
		return err
	}
	if len(frames) == 0 {
		return h.signedOut(x, to)
	}
	if to == "" {
		if to, err = h.address(x, step{Page: stepSignedOut, Pending: pending{Tenant: x.pathTenant}}); err != nil {
			return err
		}
	}
	return x.show(http.StatusOK, "signedout", page{Title: "You are signed out", Frames: frames, Next: template.URL(to)})
}

// logoutURLs returns the addresses by which the applications of ended sessions sign the user out. Each
// gets the issuer and the session's sid claim.
func (h *signIn) logoutURLs(x *request, ended []grant.Session) (all []template.URL, err error) {
	for _, s := range ended {
		query := url.Values{"iss": {h.issuerV2(x, s.TenantID)}, "sid": {s.PublicID}}.Encode()
		if s.PublicID == "" { // a session of an older version
			query = ""
		}
		err := h.clientsOf(x, s, func(app directory.Application) {
			to := app.LogoutURL()
			if to == "" {
				return
			}
			sep := "?"
			if strings.Contains(to, "?") {
				sep = "&"
			}
			all = append(all, template.URL(to+sep+query))
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// registeredByClients reports whether an application of a session has registered an address.
func (h *signIn) registeredByClients(x *request, s grant.Session, to string) (registered bool, err error) {
	err = h.clientsOf(x, s, func(app directory.Application) {
		if _, found := findRedirect(app.Redirects, to); found {
			registered = true
		}
	})
	return registered, err
}

// clientsOf calls fn with the applications of a session that still exist.
func (h *signIn) clientsOf(x *request, s grant.Session, fn func(directory.Application)) error {
	var apps []directory.Application
	err := h.Directory.Store.View(x.r.Context(), func(tx store.Tx) error {
		apps = nil
		for _, id := range s.Clients {
			app, err := h.Directory.Client(tx, s.TenantID, id)
			if errors.Is(err, directory.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			apps = append(apps, app)
		}
		return nil
	})
	for _, app := range apps {
		fn(app)
	}
	return err
}
