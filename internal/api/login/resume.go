package login

import "net/http"

// start identifies the user: by the browser's sessions, if one of them satisfies the request, or else by the
// sign-in page.
func (h *signIn) start(x *request, about pending) error {
	if moved, err := h.move(x, step{Page: stepStart, Pending: about}); moved || err != nil {
		return err
	}
	accounts, err := h.cookieAccounts(x)
	if err != nil {
		return err
	}
	if len(h.usable(x, about, accounts)) == 0 {
		return h.unknown(x, about)
	}
	about.Who, about.Consent = nil, nil
	return h.showPending(x, http.StatusOK, "resume", about, page{Title: "One moment"})
}

// resume continues with the browser's sessions, after the browser has sent its key.
func (h *signIn) resume(x *request, about pending, key string) error {
	accounts, err := h.byKey(x, key)
	if err != nil {
		return err
	}
	users := h.usable(x, about, accounts)
	switch {
	case len(users) == 0:
		return h.unknown(x, about)
	case about.Device != nil:
		return h.confirm(x, about, users)
	case about.AccountPage:
		return h.showAccounts(x, about, users)
	}
	// A program on the user's machine uses any free port, or a scheme that another program may use too, so
	// its redirect URI does not authenticate it. The user has to confirm (RFC 8252, 8.6).
	a := about.Authorization
	switch asked := a.asks("select_account") || a.Public || len(users) > 1; {
	case asked && a.silent():
		return h.replyError(x, a, errMustPick())
	case asked:
		return h.pick(x, about, users)
	}
	return h.allow(x, about, users[0])
}

// proceed continues after the user has confirmed the account on the page.
func (h *signIn) proceed(x *request, about pending) error {
	u, err := h.byForm(x, about)
	switch {
	case err != nil:
		return err
	case u == nil:
		return h.ask(x, about, "", nil)
	case about.AccountPage:
		return h.start(x, about)
	}
	return h.allow(x, about, u)
}

// usable returns the accounts with which a request may continue.
func (h *signIn) usable(x *request, about pending, accounts []account) (users []*user) {
	for _, one := range accounts {
		switch {
		case about.AccountPage,
			about.Device != nil && h.mayApprove(x, *about.Device, one.user) == nil,
			about.Authorization != nil && h.satisfies(x, about.Authorization, one.user):
			users = append(users, one.user)
		}
	}
	return users
}

// unknown continues without a session: with the sign-in page, or an error if the request is silent.
func (h *signIn) unknown(x *request, about pending) error {
	name := ""
	if a := about.Authorization; a != nil {
		name = a.Hint
	}
	return h.ask(x, about, name, nil)
}

// framer returns the origin of the page that may show a silent request in a frame, as MSAL for browsers
// does: the client's own.
func (a *authorization) framer() string {
	scheme, host := policyOrigin(a.RedirectURI)
	if !a.silent() || host == "" {
		return ""
	}
	return scheme + "://" + host
}

// silent reports whether the request allows no page (prompt=none).
func (a *authorization) silent() bool { return a.asks("none") }
