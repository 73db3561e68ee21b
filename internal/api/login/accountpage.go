package login

import (
	"net/http"
	"net/url"
)

// choice is one of the accounts that a page shows. The names are isolated.
type choice struct {
	User, Name string
	Request    string // the sealed state of its form
	First      bool
}

// showAccounts shows which users are signed in in the browser. Errors and the pages at the end of a
// sign-in or sign-out lead here.
func (h *signIn) showAccounts(x *request, about pending, users []*user) error {
	if moved, err := h.move(x, step{Page: stepAccounts, Pending: about, Accounts: proofs(users)}); moved || err != nil {
		return err
	}
	choices, err := h.choices(x, about, users)
	if err != nil {
		return err
	}
	about.Who = users[0].proof()
	return h.showPending(x, http.StatusOK, "accounts", about, page{
		Title: "Your accounts", Accounts: choices, SignOut: "/" + url.PathEscape(x.pathTenant) + "/oauth2/logout",
	})
}

// signOutOne ends the session of the account whose form was sent.
func (h *signIn) signOutOne(x *request, about pending) error {
	u, err := h.byForm(x, about)
	if err != nil {
		return err
	}
	accounts, err := h.cookieAccounts(x)
	if err != nil {
		return err
	}
	var ids []string
	for _, one := range accounts {
		if u != nil && one.user.session == u.session {
			ids = append(ids, one.id)
		}
	}
	ended, err := h.endSessions(x, ids)
	if err != nil {
		return err
	}
	return h.tell(x, ended, loginPath(x.pathTenant)) // back to the accounts that are left
}
