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

// How long a browser need not ask for the password again if nothing else is said: at most, and when
// nobody uses the session.
const (
	DefaultSessionLifetime = 8 * time.Hour
	DefaultSessionIdle     = 2 * time.Hour
)

// proofLifetime is for how long after the password a user whose browser keeps no session may answer questions.
const proofLifetime = 10 * time.Minute

// The kinds of cookies. Their prefix makes browsers refuse them from anybody but this host, over TLS.
// A host has one set of cookies for all its ports, so their names differ by installation.
const (
	sessionCookie = "__Host-midas-session-" // the id of the session
	browserCookie = "__Host-midas-browser-" // a random name, by which a form is known to come from this browser
)

// cookieName is the name of a cookie of this installation.
func (h *signIn) cookieName(kind string) string {
	sum := sha256.Sum256([]byte(arm.Fold(h.HomeTenant) + "\x00" + arm.Fold(h.issuer().Origin)))
	return kind + hex.EncodeToString(sum[:6])
}

// cookieSession is the session that the cookie names, and whose it is; or nil. Other programs of this
// machine may have the cookie too, so it alone neither grants anything nor names anybody: see byKey and
// byForm.
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
	if errors.As(err, &e) { // disabled, deleted, or with another password since
		return nil, nil, h.Grants.EndSession(x.r.Context(), id)
	}
	if err != nil {
		return nil, nil, err
	}
	u.session = s.Name()
	return s, u, nil
}

// byKey is the user of the session that the cookie names, if the browser has sent the session's key
// too; or nil.
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

// proof says who has shown a key or a password before a form was made for them.
type proof struct {
	Tenant        string    `json:"t"`
	User          string    `json:"u"`
	Authenticated time.Time `json:"a"`
	Session       string    `json:"s,omitempty"` // its name; empty: the browser keeps none
}

func (u *user) proof() *proof { return &proof{u.TenantID, u.ID, u.authenticated, u.session} }

// byForm is the user for whom a form was made, or nil when their session has ended since, or there is
// none and they have shown their password too long ago: each answer makes a new form, so that the age of
// the form tells nothing.
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

// leave forgets the browser's name too, so that no form is good that was made for it before. Who keeps no
// session has nothing else that could end.
func (h *signIn) leave(x *request) error {
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

// remember begins a session in a browser that has made a key. One that runs no scripts has none, and is
// asked for the password each time.
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

// isKey reports whether a browser's key has the form that our pages give it: 32 bytes in base64url.
func isKey(key string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	return err == nil && len(raw) == 32 && len(key) == 43
}

// forget ends the session of the browser, whoever else has its cookie.
func (h *signIn) forget(x *request) error {
	id := h.sessionID(x)
	if id == "" {
		return nil
	}
	setCookie(x.w, h.cookieName(sessionCookie), "", -1)
	return h.Grants.EndSession(x.r.Context(), id)
}

// setCookie sets a cookie that no script reads. It is sent when a link of another site leads here,
// which is how clients bring users, but not with what other sites post or embed.
func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// browser is the name of the browser, which it is given if it has none yet, as it is sealed into
// forms: hashed, so that a page does not tell the cookie.
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

// sameBrowser reports whether a form was made for the browser that has sent it.
func (h *signIn) sameBrowser(x *request, hash string) bool {
	cookie, err := x.r.Cookie(h.cookieName(browserCookie))
	return err == nil && cookie.Value != "" && browserHash(cookie.Value) == hash
}

func browserHash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
