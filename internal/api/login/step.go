package login

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
)

// stepLifetime is how long the address of a page shows accounts without the browser's key. Addresses get
// into histories and logs, so an older one only leads to the page that asks for the key.
const stepLifetime = time.Minute

// maxStepURI bounds the address of a page, in bytes. Proxies refuse longer lines than httpx.MaxURI too.
const maxStepURI = httpx.MaxURI - 1024

// The pages that have an address of their own.
const (
	stepStart    = "start" // whichever page the browser's sessions lead to
	stepSignIn   = "signin"
	stepPick     = "pick"
	stepConfirm  = "confirm"
	stepConsent  = "consent"
	stepAccounts = "accounts"
	stepCode     = "code"
	stepApproved = "approved"
	stepDeclined = "declined"

	stepSignedOut = "signedout"
)

// step is the page that follows a form. Its address carries it sealed, so that the page can be reloaded
// and found again, and no form is sent twice by that.
type step struct {
	Page     string  `json:"page"`
	Pending  pending `json:"pending"`
	Accounts []proof `json:"accounts,omitempty"` // whom the page shows
	Typed    string  `json:"typed,omitempty"`    // user name or code
	Failed   *Error  `json:"failed,omitempty"`   // what was wrong with the form
	Named    bool    `json:"named,omitempty"`    // the browser got its name together with this address
}

// browses reports whether the client is a browser. Other programs that send forms do not ask for HTML; they
// get each answer at once and in the form that is easiest to read.
func (x *request) browses() bool { return strings.Contains(x.r.Header.Get("Accept"), "text/html") }

// move answers the form of a browser with a redirect to the page that follows. It returns false if the
// caller has to show the page: the request is not a form, or the address would be too long.
func (h *signIn) move(x *request, s step) (bool, error) {
	if x.r.Method != http.MethodPost || !x.browses() {
		return false, nil
	}
	s.Named = !h.named(x)
	s.Pending.Browser, s.Pending.Begun, s.Pending.Tenant = h.browser(x), h.Now().UTC(), x.pathTenant
	s.Pending.Who, s.Pending.Consent = nil, nil
	to, err := h.address(x, s)
	if err != nil || len(to) > maxStepURI {
		return false, err
	}
	x.redirect(to)
	return true, nil
}

// address returns the address of a page.
func (h *signIn) address(x *request, s step) (string, error) {
	sealed, err := h.Grants.Sealer.Seal("step", s)
	return loginPath(x.pathTenant) + "?ctx=" + sealed, err
}

// loginPath returns the path of the pages for a tenant.
func loginPath(tenant string) string { return "/" + url.PathEscape(tenant) + "/login" }

// redirect answers with a redirect that the browser follows with GET.
func (x *request) redirect(to string) {
	head := x.w.Header()
	private.Set(head)
	unframed.Set(head)
	head.Set("Location", to)
	x.w.WriteHeader(http.StatusSeeOther)
}

// revisit shows the page of an address: the one that follows a form, or without one the user's accounts.
func (h *signIn) revisit(x *request) error {
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	if values.Has("request") || values.Has("password") {
		return errMethod(posts, http.MethodGet)
	}
	sealed := values.Get("ctx")
	if sealed == "" {
		return h.start(x, pending{AccountPage: true})
	}
	var s step
	if err := h.Grants.Sealer.Open("step", sealed, &s); err != nil {
		return errStalePage(err)
	}
	age := h.Now().Sub(s.Pending.Begun)
	switch {
	case arm.Fold(s.Pending.Tenant) != arm.Fold(x.pathTenant):
		return errStalePage(errTenant(s.Pending.Tenant))
	case s.Page == stepSignedOut: // whichever browser it is
		return h.signedOut(x, "")
	case !h.named(x) && s.Named && age < stepLifetime:
		return h.withoutCookies(x, s)
	case age > formLifetime, !h.sameBrowser(x, s.Pending.Browser), age > stepLifetime && len(s.Accounts) > 0:
		return h.restart(x, s.Pending)
	case age > stepLifetime:
		s.Failed = nil
	}
	return h.showStep(x, s)
}

func (h *signIn) showStep(x *request, s step) error {
	about := s.Pending
	switch s.Page {
	case stepSignIn:
		return h.ask(x, about, s.Typed, s.Failed)
	case stepCode:
		return h.askCode(x, s.Typed, s.Failed)
	case stepApproved:
		return h.approved(x, about)
	case stepDeclined:
		return h.declined(x, about)
	}
	users, err := h.proven(x, s.Accounts)
	if err != nil {
		return err
	}
	if len(users) == 0 {
		return h.start(x, about)
	}
	switch s.Page {
	case stepPick:
		return h.pick(x, about, users)
	case stepConfirm:
		return h.confirm(x, about, users)
	case stepAccounts:
		return h.showAccounts(x, about, users)
	case stepConsent:
		return h.allow(x, about, users[0])
	}
	return h.start(x, about)
}

// restart begins a sign-in anew whose page is too old, or was made for another browser. Only what was asked
// for counts of it: the user is asked again, and the code of a device has to be sent again, because
// otherwise a link would lead to the confirmation of a stranger's device.
func (h *signIn) restart(x *request, about pending) error {
	switch {
	case about.Device != nil:
		return h.askCode(x, about.Device.UserCode, nil)
	case about.Authorization == nil && !about.AccountPage:
		return h.askCode(x, "", nil)
	case about.Authorization == nil:
		return h.start(x, pending{AccountPage: true})
	}
	a := about.Authorization
	app, err := h.application(x, a.ClientID)
	if err != nil {
		return err
	}
	if to, found := findRedirect(app.Redirects, a.RedirectURI); !found || to.page != a.Page || to.public != a.Public {
		return errRedirect(a.RedirectURI, a.ClientID)
	}
	return h.start(x, pending{Authorization: a})
}

// withoutCookies tells a user whose browser sends no cookies, not even the one that was set with the
// redirect to this page.
func (h *signIn) withoutCookies(x *request, s step) error {
	e := errCookies(x.origin)
	x.ev.Err, x.ev.ErrorCode = e, "AADSTS90015"
	if s.Page == stepCode || s.Pending.Device != nil || s.Pending.Authorization == nil && !s.Pending.AccountPage {
		return h.askCode(x, s.Typed, e)
	}
	return h.ask(x, s.Pending, s.Typed, e)
}
