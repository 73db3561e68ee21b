package login

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
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

// account is a user who is signed in in the browser.
type account struct {
	*user
	id      string // of the session, which is in the cookie
	session *grant.Session
}

// maxAccounts is how many accounts can be signed in in one browser. A further one ends the oldest.
const maxAccounts = 8

// cookieAccounts returns the accounts of the cookie, newest first. Other programs on this machine may have
// the cookie too, so the cookie alone must not grant access or reveal the users: see byKey and byForm.
func (h *signIn) cookieAccounts(x *request) (all []account, err error) {
	for _, id := range h.sessionIDs(x) {
		s, err := h.Grants.Session(x.r.Context(), id)
		if errors.Is(err, grant.ErrInvalid) {
			continue
		}
		if err != nil {
			return nil, err
		}
		u, err := h.returning(x.r.Context(), s.TenantID, s.UserID, s.Authenticated)
		var e *Error
		if errors.As(err, &e) { // the user was disabled, deleted or revoked since
			err = h.Grants.EndSession(x.r.Context(), id)
			u = nil
		}
		if err != nil {
			return nil, err
		}
		if u != nil {
			u.session, u.sid = s.Name(), s.PublicID
			all = append(all, account{u, id, s})
		}
	}
	return all, nil
}

// byKey returns the accounts of the cookie whose sessions have the key that the browser has sent.
func (h *signIn) byKey(x *request, key string) (proven []account, err error) {
	all, err := h.cookieAccounts(x)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if !one.session.HasKey(key) {
			continue
		}
		err := h.Grants.UseSession(x.r.Context(), one.session)
		if errors.Is(err, grant.ErrInvalid) {
			continue
		}
		if err != nil {
			return nil, err
		}
		proven = append(proven, one)
	}
	return proven, nil
}

// proof records in a form which user has proved a key or a password before the form was made.
type proof struct {
	Tenant        string    `json:"t"`
	User          string    `json:"u"`
	Authenticated time.Time `json:"a"`
	Session       string    `json:"s,omitempty"` // the session's name; empty: none
}

func (u *user) proof() *proof { return &proof{u.TenantID, u.ID, u.authenticated, u.session} }

func proofs(users []*user) (all []proof) {
	for _, u := range users {
		all = append(all, *u.proof())
	}
	return all
}

// byForm returns the user for whom a form was made. It returns nil if the user's session has ended since,
// or if there is none and the password check is older than proofLifetime. The age of the form does not
// count, because each answer makes a new form.
func (h *signIn) byForm(x *request, about pending) (*user, error) {
	if about.Who == nil {
		return nil, nil
	}
	users, err := h.proven(x, []proof{*about.Who})
	if err != nil || len(users) == 0 {
		return nil, err
	}
	return users[0], nil
}

// proven returns those of the users whose proofs still count.
func (h *signIn) proven(x *request, all []proof) (users []*user, err error) {
	accounts, err := h.cookieAccounts(x)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if i := slices.IndexFunc(accounts, func(one account) bool { return one.user.session == p.Session }); i >= 0 {
			users = append(users, accounts[i].user)
			continue
		}
		if len(accounts) > 0 || p.Session != "" || h.Now().Sub(p.Authenticated) > proofLifetime {
			continue
		}
		u, err := h.returning(x.r.Context(), p.Tenant, p.User, p.Authenticated)
		var e *Error
		if errors.As(err, &e) {
			continue
		}
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

// sessionIDs returns the ids in the cookie, newest first. A cookie of one id is one of an older version.
func (h *signIn) sessionIDs(x *request) (ids []string) {
	cookie, err := x.r.Cookie(h.cookieName(sessionCookie))
	if err != nil || len(cookie.Value) > maxAccounts*65 {
		return nil
	}
	for id := range strings.SplitSeq(cookie.Value, ".") {
		if id != "" && len(id) <= 64 && len(ids) < maxAccounts && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// remember begins a session if the browser has sent a key, beside the sessions of other users. The new
// session replaces the user's older one, of which it keeps what applications know. A browser without
// scripts has no key, and its user types the password each time.
func (h *signIn) remember(x *request, u *user, key string) error {
	if !isKey(key) {
		_, err := h.endSessions(x, h.sessionIDs(x))
		return err
	}
	accounts, err := h.cookieAccounts(x)
	if err != nil {
		return err
	}
	s := grant.Session{
		TenantID: u.TenantID, UserID: u.ID, Authenticated: u.authenticated, PublicID: h.NewID(),
		Idle: cmp.Or(h.SessionIdle, DefaultSessionIdle),
	}
	var replaced string
	var kept, ended []string
	for _, one := range accounts {
		switch {
		case !one.session.HasKey(key):
			ended = append(ended, one.id)
		case arm.SameName(one.TenantID, u.TenantID) && arm.SameName(one.ID, u.ID):
			replaced, s.Clients, s.PublicID = one.id, one.session.Clients, cmp.Or(one.session.PublicID, s.PublicID)
		case len(kept) == maxAccounts-1:
			ended = append(ended, one.id)
		default:
			kept = append(kept, one.id)
		}
	}
	if _, err := h.Grants.EndSessions(x.r.Context(), ended); err != nil {
		return err
	}
	id, name, err := h.Grants.BeginSession(x.r.Context(), s, key, replaced, cmp.Or(h.SessionLifetime, DefaultSessionLifetime))
	if err != nil {
		return err
	}
	u.session, u.sid = name, s.PublicID
	h.setSessions(x, append([]string{id}, kept...))
	return nil
}

// endSessions ends sessions of the cookie and returns them.
func (h *signIn) endSessions(x *request, ids []string) ([]grant.Session, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	h.setSessions(x, slices.DeleteFunc(h.sessionIDs(x), func(id string) bool { return slices.Contains(ids, id) }))
	return h.Grants.EndSessions(x.r.Context(), ids)
}

// setSessions sets the cookie of the sessions, or deletes it if there are none.
func (h *signIn) setSessions(x *request, ids []string) {
	maxAge := 0
	if len(ids) == 0 {
		maxAge = -1
	}
	setCookie(x.w, h.cookieName(sessionCookie), strings.Join(ids, "."), maxAge)
}

// isKey reports whether a key has the format that key.js produces: 32 bytes in base64url.
func isKey(key string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(key)
	return err == nil && len(raw) == 32 && len(key) == 43
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
	name := h.browserName(x)
	if name == "" {
		name = rand.Text()
		setCookie(x.w, h.cookieName(browserCookie), name, 0)
	}
	return browserHash(name)
}

// browserName returns the name that the browser sends, or "".
func (h *signIn) browserName(x *request) string {
	cookie, err := x.r.Cookie(h.cookieName(browserCookie))
	if err != nil || len(cookie.Value) > 64 {
		return ""
	}
	return cookie.Value
}

// named reports whether the browser sends the cookie with its name.
func (h *signIn) named(x *request) bool { return h.browserName(x) != "" }

// sameBrowser reports whether a form, with the hash of the browser's name, was made for this browser.
func (h *signIn) sameBrowser(x *request, hash string) bool {
	name := h.browserName(x)
	return name != "" && browserHash(name) == hash
}

func browserHash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
