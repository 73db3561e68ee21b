package login

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"midas/internal/arm"
	"midas/internal/grant"
)

// The default limits of a session: its lifetime, and how long it lasts without use.
const (
	DefaultSessionLifetime = 8 * time.Hour
	DefaultSessionIdle     = 2 * time.Hour
)

// proofLifetime is how long after the password check a user without a session may still send forms.
const proofLifetime = 10 * time.Minute

// Prefixes of cookie names. Browsers accept __Host- cookies only from the host itself, over TLS. A host has
// one set of cookies for all its ports, so the names differ by installation.
const (
	sessionCookie = "__Host-midas-session-" // has the session's id
	browserCookie = "__Host-midas-browser-" // has a random name, to which forms are bound
)

// cookieName returns the name of this installation's cookie of a kind.
func (h *signIn) cookieName(kind string) string {
	sum := sha256.Sum256([]byte(arm.Fold(h.HomeTenant) + "\x00" + arm.Fold(h.issuer().Origin)))
	return kind + hex.EncodeToString(sum[:6])
}

// cookieSession returns the session of the cookie and its user, or nil. Other programs on this machine may
// have the cookie too, so the cookie alone must not grant access or reveal the user: see byKey and byForm.
func (h *signIn) cookieSession(x *request) (*grant.Session, *user, error) {
	id := h.sessionID(x)
	if id == "" {
		return nil, nil, nil
	}
	s, err := h.Grants.Session(x.r.Context(), id)
	if errors.Is(err, grant.ErrInvalid) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	u, err := h.returning(x.r.Context(), s.TenantID, s.UserID, s.Authenticated)
	var e *Error
	if errors.As(err, &e) { // the user was disabled, deleted or revoked since
		return nil, nil, h.Grants.EndSession(x.r.Context(), id)
	}
	if err != nil {
		return nil, nil, err
	}
	u.session = s.Name()
	return s, u, nil
}

// byKey returns the user of the cookie's session if the browser has also sent the session's key, or nil.
func (h *signIn) byKey(x *request, key string) (*user, error) {
	s, u, err := h.cookieSession(x)
	if err != nil || s == nil || !s.HasKey(key) {
		return nil, err
	}
	err = h.Grants.UseSession(x.r.Context(), s)
	if errors.Is(err, grant.ErrInvalid) {
		return nil, nil
	}
	return u, err
}

// proof records in a form which user has proved a key or a password before the form was made.
type proof struct {
	Tenant        string    `json:"t"`
	User          string    `json:"u"`
	Authenticated time.Time `json:"a"`
	Session       string    `json:"s,omitempty"` // the session's name; empty: none
}

func (u *user) proof() *proof { return &proof{u.TenantID, u.ID, u.authenticated, u.session} }

// byForm returns the user for whom a form was made. It returns nil if the user's session has ended since,
// or if there is none and the password check is older than proofLifetime. The age of the form does not
// count, because each answer makes a new form.
func (h *signIn) byForm(x *request, about pending) (*user, error) {
	if about.Who == nil {
		return nil, nil
	}
	_, u, err := h.cookieSession(x)
	switch {
	case err != nil:
		return nil, err
	case u != nil && u.session == about.Who.Session:
		return u, nil
	case u != nil || about.Who.Session != "" || h.Now().Sub(about.Who.Authenticated) > proofLifetime:
		return nil, nil
	}
	u, err = h.returning(x.r.Context(), about.Who.Tenant, about.Who.User, about.Who.Authenticated)
	var e *Error
	if errors.As(err, &e) {
		return nil, nil
	}
	return u, err
}

// endBrowser ends the session and removes the browser's name, so that forms which were made for it before
// are no longer valid. That also signs out a user without a session.
func (h *signIn) endBrowser(x *request) error {
	setCookie(x.w, h.cookieName(browserCookie), "", -1)
	return h.forget(x)
}

func (h *signIn) sessionID(x *request) string {
	cookie, err := x.r.Cookie(h.cookieName(sessionCookie))
	if err != nil || len(cookie.Value) > 64 {
		return ""
	}
	return cookie.Value
}

// remember begins a session if the browser has sent a key. A browser without scripts has no key, and its
// user types the password each time.
func (h *signIn) remember(x *request, u *user, key string) error {
	if !isKey(key) {
		return h.forget(x)
	}
	id, name, err := h.Grants.BeginSession(x.r.Context(), grant.Session{
		TenantID: u.TenantID, UserID: u.ID, Authenticated: u.authenticated, Idle: cmp.Or(h.SessionIdle, DefaultSessionIdle),
	}, key, h.sessionID(x), cmp.Or(h.SessionLifetime, DefaultSessionLifetime))
	if err != nil {
		return err
	}
	u.session = name
	setCookie(x.w, h.cookieName(sessionCookie), id, 0)
	return nil
}

// isKey reports whether a key has the format that key.js produces: 32 bytes in base64url.
func isKey(key string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	return err == nil && len(raw) == 32 && len(key) == 43
}

// forget ends the browser's session.
func (h *signIn) forget(x *request) error {
	id := h.sessionID(x)
	if id == "" {
		return nil
	}
	setCookie(x.w, h.cookieName(sessionCookie), "", -1)
	return h.Grants.EndSession(x.r.Context(), id)
}

// setCookie sets a cookie that scripts cannot read. Browsers send it with links from other sites, by which
// clients send users here, but not with other sites' forms and embedded requests.
func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// browser returns the hash of the browser's name, to which forms are bound. It gives the browser a name if
// it has none. The name is hashed so that forms do not reveal the cookie.
func (h *signIn) browser(x *request) string {
	name := ""
	if cookie, err := x.r.Cookie(h.cookieName(browserCookie)); err == nil && len(cookie.Value) <= 64 {
		name = cookie.Value
	}
	if name == "" {
		name = rand.Text()
		setCookie(x.w, h.cookieName(browserCookie), name, 0)
	}
	return browserHash(name)
}

// sameBrowser reports whether a form, with the hash of the browser's name, was made for this browser.
func (h *signIn) sameBrowser(x *request, hash string) bool {
	cookie, err := x.r.Cookie(h.cookieName(browserCookie))
	return err == nil && cookie.Value != "" && browserHash(cookie.Value) == hash
}

func browserHash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
