package login

import "net/http"

// start identifies the user: by the browser's session, if it has one that satisfies the request, or else by
// the sign-in page.
func (h *signIn) start(x *request, about pending) error {
	_, u, err := h.cookieSession(x)
	if err != nil {
		return err
	}
	if u == nil || !h.usable(x, about, u) {
		return h.unknown(x, about)
	}
	about.Who, about.Consent = nil, nil
	return h.showPending(x, http.StatusOK, "resume", about, page{Title: "One moment"})
}

// resume continues with the browser's session, after the browser has sent its key.
func (h *signIn) resume(x *request, about pending, key string) error {
	u, err := h.byKey(x, key)
	if err != nil {
		return err
	}
	if u == nil || !h.usable(x, about, u) {
		return h.unknown(x, about)
	}
	if about.Device != nil {
		return h.confirm(x, about, u)
	}
	// A program on the user's machine uses any free port, or a scheme that another program may use too, so
	// its redirect URI does not authenticate it. The user has to confirm (RFC 8252, 8.6).
	a := about.Authorization
	switch asked := a.asks("select_account") || a.Public; {
	case asked && a.silent():
		return h.replyError(x, a, errMustPick())
	case asked:
		return h.pick(x, about, u)
	}
	return h.allow(x, about, u)
}

// proceed continues after the user has confirmed the account on the page.
func (h *signIn) proceed(x *request, about pending) error {
	u, err := h.byForm(x, about)
	switch {
	case err != nil:
		return err
	case u == nil:
		return h.ask(x, about, "", nil)
	}
	return h.allow(x, about, u)
}

// usable reports whether a request may continue with a user who has signed in before.
func (h *signIn) usable(x *request, about pending, u *user) bool {
	if about.Device != nil {
		return h.mayApprove(x, *about.Device, u) == nil
	}
	return h.satisfies(x, about.Authorization, u)
}

// unknown continues without a session: with the sign-in page, or an error if the request is silent.
func (h *signIn) unknown(x *request, about pending) error {
	a := about.Authorization
	switch {
	case a == nil:
		return h.ask(x, about, "", nil)
	case a.silent():
		return h.replyError(x, a, errInteraction())
	}
	return h.ask(x, about, a.Hint, nil)
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
