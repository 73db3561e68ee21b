package login

import "net/http"

// start asks the user at the browser who they are: by the session of the browser, if it names one that
// suits, or else by the sign-in page.
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

// resume goes on with the session of the browser, which has sent its key.
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
	// A program on the user's machine takes whatever port is free, or a scheme that another program may
	// take as well, so its address does not show who it is. The user has to want it (RFC 8252, 8.6).
	a := about.Authorization
	switch asked := a.asks("select_account") || a.Public; {
	case asked && a.silent():
		return h.replyError(x, a, errMustPick())
	case asked:
		return h.pick(x, about, u)
	}
	return h.allow(x, about, u)
}

// proceed goes on as the user who was asked by name whether to, and has said yes.
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

// usable reports whether a user who has signed in before may be the one whom a request wants.
func (h *signIn) usable(x *request, about pending, u *user) bool {
	if about.Device != nil {
		return h.mayApprove(x, *about.Device, u) == nil
	}
	return h.satisfies(x, about.Authorization, u)
}

// unknown goes on without a session.
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

// framer is the origin of the page that holds a silent request in a frame: the client's own, as its
// libraries for browsers do it.
func (a *authorization) framer() string {
	scheme, host := policyOrigin(a.RedirectURI)
	if !a.silent() || host == "" {
		return ""
	}
	return scheme + "://" + host
}

// silent reports whether the user must not be shown anything.
func (a *authorization) silent() bool { return a.asks("none") }
