package login

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"time"
)

// DefaultSessionLife is for how long a browser need not ask for the password again if nothing else is
// said.
const DefaultSessionLife = 8 * time.Hour

// The cookies. Their prefix makes browsers refuse them from anybody but this host, over TLS.
const (
	sessionCookie = "__Host-midas-session" // who has signed in, sealed
	browserCookie = "__Host-midas-browser" // a random name, by which a form is known to come from this browser
)

// sealedSession is what the session cookie says.
type sealedSession struct {
	Tenant        string    `json:"t"`
	User          string    `json:"u"`
	Authenticated time.Time `json:"a"`
	Expires       time.Time `json:"e"`
}

// session is the person who has signed in with this browser before, or nil.
func (h *Handler) session(x *exchange) (*person, error) {
	cookie, err := x.r.Cookie(sessionCookie)
	if err != nil {
		return nil, nil
	}
	var s sealedSession
	if h.Grants.Box.Open("session", cookie.Value, &s) != nil || !h.Now().Before(s.Expires) {
		return nil, nil
	}
	p, err := h.returning(x.r.Context(), s.Tenant, s.User, s.Authenticated)
	var e *Error
	if errors.As(err, &e) {
		return nil, nil // disabled, deleted, or with another password since
	}
	return p, err
}

// remember begins a session.
func (h *Handler) remember(x *exchange, p *person) error {
	life := or(h.SessionLife, DefaultSessionLife)
	sealed, err := h.Grants.Box.Seal("session", sealedSession{p.TenantID, p.ID, p.authenticated, h.Now().Add(life)})
	if err == nil {
		setCookie(x.w, sessionCookie, sealed, 0)
	}
	return err
}

// forget ends a session.
func (h *Handler) forget(x *exchange) { setCookie(x.w, sessionCookie, "", -1) }

// setCookie sets a cookie that no script reads. It is sent when a link of another site leads here,
// which is how clients bring people, but not with what other sites post or embed.
func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// browser is the name of the browser, which it is given if it has none yet, as it is sealed into
// forms: hashed, so that a page does not tell the cookie.
func (x *exchange) browser() string {
	name := ""
	if cookie, err := x.r.Cookie(browserCookie); err == nil && len(cookie.Value) <= 64 {
		name = cookie.Value
	}
	if name == "" {
		name = rand.Text()
		setCookie(x.w, browserCookie, name, 0)
	}
	return browserHash(name)
}

// sameBrowser reports whether a form was made for the browser that has sent it.
func (x *exchange) sameBrowser(hash string) bool {
	cookie, err := x.r.Cookie(browserCookie)
	return err == nil && cookie.Value != "" && browserHash(cookie.Value) == hash
}

func browserHash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
