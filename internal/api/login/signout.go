package login

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/grant"
)

// signingOut is the state of a sign-out, which its forms carry sealed.
type signingOut struct {
	Begun  time.Time       `json:"begun"`
	To     string          `json:"to,omitempty"`     // where the browser goes at the end
	Choose bool            `json:"choose,omitempty"` // the user is asked which account
	Who    []proof         `json:"who,omitempty"`    // the accounts on the page, or the one of the form
	Ended  []grant.Session `json:"ended,omitempty"`  // what has ended already
}

// signOut ends sessions of the browser (OpenID Connect RP-Initiated Logout). With several accounts it ends
// the one that the request names, or asks. It sends the browser back only to an address that an
// application has registered: the one that the request names, or one that the sessions were used for.
func (h *signIn) signOut(x *request) error {
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	if x.r.Method == http.MethodPost && values.Has("request") {
		return h.continueSignOut(x, values)
	}
	accounts, err := h.cookieAccounts(x)
	if err != nil {
		return err
	}
	named := hintedAccounts(values, accounts)
	if len(accounts) > 1 && len(named) == 0 && x.browses() {
		to, err := h.afterSignOut(x, values, recordsOf(accounts))
		if err != nil {
			return err
		}
		return h.askKey(x, signingOut{To: to, Choose: true})
	}
	ids := h.sessionIDs(x)
	if len(named) > 0 {
		ids = nil
		for _, one := range named {
			ids = append(ids, one.id)
		}
	}
	ended, err := h.endAll(x, ids)
	if err != nil {
		return err
	}
	to, err := h.afterSignOut(x, values, ended)
	if err != nil {
		return err
	}
	return h.tell(x, ended, to)
}

// continueSignOut handles the forms of a sign-out.
func (h *signIn) continueSignOut(x *request, values url.Values) error {
	var s signingOut
	if err := new(http.CrossOriginProtection).Check(x.r); err != nil {
		return errSendAgain(err)
	}
	if err := h.Grants.Sealer.Open("sign-out", values.Get("request"), &s); err != nil {
		return errStalePage(err)
	}
	if h.Now().Sub(s.Begun) > formLifetime {
		return errStalePage(errors.New("the sign-out was not finished"))
	}
	if len(s.Ended) > 0 {
		var proven []grant.Session
		for _, one := range s.Ended {
			if one.HasKey(values.Get("key")) {
				proven = append(proven, one)
			}
		}
		return h.frame(x, proven, s.To)
	}
	if s.Choose && values.Get("action") == "resume" {
		accounts, err := h.byKey(x, values.Get("key"))
		if err != nil {
			return err
		}
		if len(accounts) > 1 {
			return h.chooseSignOut(x, s, accounts)
		}
	}
	return h.endProven(x, s, values.Get("action") == "one")
}

// endProven ends the account of a form, or all of the browser. Of those whose key the browser has shown,
// the applications are told.
func (h *signIn) endProven(x *request, s signingOut, one bool) error {
	accounts, err := h.cookieAccounts(x)
	if err != nil {
		return err
	}
	shown := map[string]bool{}
	for _, p := range s.Who {
		shown[p.Session] = true
	}
	ids := h.sessionIDs(x)
	if one {
		ids = nil
		for _, a := range accounts {
			if shown[a.user.session] {
				ids = append(ids, a.id)
			}
		}
	}
	ended, err := h.endAll(x, ids)
	if err != nil {
		return err
	}
	var proven []grant.Session
	for _, one := range ended {
		if shown[one.Name()] {
			proven = append(proven, one)
		}
	}
	return h.frame(x, proven, s.To)
}

// endAll ends sessions. With the last one, it removes the browser's name, so that forms which were made for
// it before are no longer valid. That also signs out a user without a session.
func (h *signIn) endAll(x *request, ids []string) ([]grant.Session, error) {
	if len(ids) == len(h.sessionIDs(x)) {
		setCookie(x.w, h.cookieName(browserCookie), "", -1)
	}
	return h.endSessions(x, ids)
}

// chooseSignOut asks which account is to be signed out.
func (h *signIn) chooseSignOut(x *request, s signingOut, accounts []account) error {
	var choices []choice
	var users []*user
	for _, one := range accounts {
		users = append(users, one.user)
		sealed, err := h.sealSignOut(signingOut{To: s.To, Who: proofs([]*user{one.user})})
		if err != nil {
			return err
		}
		choices = append(choices, choice{User: isolated(one.UserPrincipalName, one.ID), Name: isolated(one.DisplayName, one.UserPrincipalName), Request: sealed})
	}
	all, err := h.sealSignOut(signingOut{To: s.To, Who: proofs(users)})
	if err != nil {
		return err
	}
	return x.show(http.StatusOK, "signout", page{
		Title: "Which account do you want to sign out of?", Accounts: choices, Request: all, Action: x.r.URL.Path, Home: h.home(x),
	})
}

// askKey shows the page that sends the browser's key.
func (h *signIn) askKey(x *request, s signingOut) error {
	sealed, err := h.sealSignOut(s)
	if err != nil {
		return err
	}
	return x.show(http.StatusOK, "resume", page{Title: "Signing you out", Request: sealed, Action: x.r.URL.Path, Leaving: true})
}

func (h *signIn) sealSignOut(s signingOut) (string, error) {
	s.Begun = h.Now().UTC()
	return h.Grants.Sealer.Seal("sign-out", s)
}

// signedOut ends a sign-out.
func (h *signIn) signedOut(x *request, to string) error {
	switch {
	case strings.HasPrefix(to, "/"): // a page of this server
		x.redirect(to)
		return nil
	case to != "":
		return h.leave(x, exit{to: to, app: "the application"})
	}
	if moved, err := h.move(x, step{Page: stepSignedOut}); moved || err != nil {
		return err
	}
	return x.show(http.StatusOK, "message", page{Title: "You are signed out", Text: "You can close this window.", Home: h.home(x), HomeText: "Sign in again"})
}

// afterSignOut returns where the browser goes after a sign-out, or "".
func (h *signIn) afterSignOut(x *request, values url.Values, ended []grant.Session) (string, error) {
	to := values.Get("post_logout_redirect_uri")
	if to == "" {
		return "", nil
	}
	registered, err := h.registered(x, values, to)
	if err != nil {
		return "", err
	}
	for i := 0; i < len(ended) && !registered; i++ {
		if registered, err = h.registeredByClients(x, ended[i], to); err != nil {
			return "", err
		}
	}
	if !registered {
		return "", nil
	}
	if state := values.Get("state"); state != "" {
		sep := "?"
		if strings.Contains(to, "?") {
			sep = "&"
		}
		to += sep + "state=" + url.QueryEscape(state)
	}
	return to, nil
}

// registered reports whether the application of a sign-out request has registered the address to.
func (h *signIn) registered(x *request, values url.Values, to string) (bool, error) {
	id := values.Get("client_id")
	if id == "" {
		id = hinted(values.Get("id_token_hint")).Audience
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

// hint has the claims of an id_token that tell whose it is.
type hint struct {
	Audience string `json:"aud"`
	ObjectID string `json:"oid"`
	Session  string `json:"sid"`
}

// hinted returns the claims of an id_token. The token is not verified, because it only selects the
// application whose registered addresses are searched, and one of the accounts of this browser.
func hinted(idToken string) (claims hint) {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return hint{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return hint{}
	}
	return claims
}

// hintedAccounts returns the accounts that a sign-out request names.
func hintedAccounts(values url.Values, accounts []account) (named []account) {
	token, login := hinted(values.Get("id_token_hint")), values.Get("logout_hint")
	for _, one := range accounts {
		switch {
		case token.ObjectID != "" && arm.SameName(token.ObjectID, one.ID),
			token.Session != "" && arm.SameName(token.Session, one.sid),
			values.Get("sid") != "" && arm.SameName(values.Get("sid"), one.sid),
			login != "" && one.hinted(login):
			named = append(named, one)
		}
	}
	return named
}

// hinted reports whether a login_hint or logout_hint names the user.
func (u *user) hinted(hint string) bool {
	return arm.Fold(hint) == arm.Fold(u.UserPrincipalName) || arm.SameName(hint, u.ID)
}

func recordsOf(accounts []account) (all []grant.Session) {
	for _, one := range accounts {
		all = append(all, *one.session)
	}
	return all
}

// home returns the address of the user's accounts: at the tenant of the path, if it exists.
func (a *accounts) home(x *request) template.URL {
	tenant := x.pathTenant
	if !shared(tenant) {
		if _, err := a.namedTenant(x); err != nil {
			tenant = common
		}
	}
	return template.URL(loginPath(tenant))
}
