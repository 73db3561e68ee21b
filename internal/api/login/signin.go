package login

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/grant"
)

// formLifetime is how long after a page was made its form is accepted.
const formLifetime = time.Hour

// signIn has the pages: authorization requests, the sign-in, the device page, consent, and sessions.
type signIn struct{ *accounts }

// pending is the state of a sign-in. The page's form carries it sealed, so that the server stores nothing
// about users who have not signed in, and so that no other site can make such a form.
type pending struct {
	Browser       string         `json:"browser"`
	Begun         time.Time      `json:"begun"`
	Tenant        string         `json:"tenant"` // the path's first segment
	Authorization *authorization `json:"authorization,omitempty"`
	Device        *grant.Device  `json:"device,omitempty"`
	App           string         `json:"app,omitempty"` // name of the device's application
	Who           *proof         `json:"who,omitempty"` // the user whom the page asks
	Consent       *consent       `json:"consent,omitempty"`
}

// app returns the name of the application for the page.
func (p *pending) app() string {
	if p.Authorization != nil {
		return p.Authorization.app()
	}
	return isolated(p.App, "application "+p.Device.ClientID)
}

// ask shows the sign-in page, with the error of the last attempt if failed is not nil.
func (h *signIn) ask(x *request, about pending, user string, failed *Error) error {
	about.Who, about.Consent = nil, nil
	p := page{Title: "Sign in", User: user}
	status := http.StatusOK
	if failed != nil {
		status = failed.Status
		p.Error, p.ErrorCode = friendly(failed)
	}
	return h.showPending(x, status, "signin", about, p)
}

// pick asks a signed-in user whether to continue with this account.
func (h *signIn) pick(x *request, about pending, who *user) error {
	about.Who = who.proof()
	return h.showPending(x, http.StatusOK, "pick", about, page{
		Title: "Choose an account", User: isolated(who.UserPrincipalName, who.ID), Local: about.Authorization.Public,
	})
}

// confirm asks whether the user has started the sign-in on the device themselves.
func (h *signIn) confirm(x *request, about pending, who *user) error {
	about.Who = who.proof()
	return h.showPending(x, http.StatusOK, "confirm", about, page{
		Title: "Are you trying to sign in to " + about.app() + "?", User: isolated(who.UserPrincipalName, who.ID), Code: about.Device.UserCode,
	})
}

func (h *signIn) showPending(x *request, status int, name string, about pending, p page) error {
	about.Browser, about.Begun, about.Tenant = h.browser(x), h.Now().UTC(), x.pathTenant
	sealed, err := h.Grants.Sealer.Seal("page", about)
	if err != nil {
		return err
	}
	p.Request, p.App, p.Device = sealed, about.app(), about.Device != nil
	p.Action = "/" + url.PathEscape(x.pathTenant) + "/login"
	if about.Authorization != nil {
		p.target, p.framer = about.Authorization.RedirectURI, about.Authorization.framer()
	}
	if !shared(x.pathTenant) {
		t, err := h.namedTenant(x)
		if err != nil {
			return err
		}
		p.Tenant = isolated(t.DisplayName, t.DefaultDomain)
	}
	return x.show(status, name, p)
}

// friendly returns the text and code of an error for the sign-in page. A wrong name and a wrong password
// have the same text, so that the page does not reveal which users exist.
func friendly(e *Error) (text, code string) {
	switch e.Number {
	case 50034, 50126:
		return "The user name or the password is wrong.", "AADSTS50126"
	case 50053:
		return "There were too many wrong passwords. Try again in " + inWords(e.RetryAfter) + ".", "AADSTS50053"
	case 50057:
		return "This account is switched off.", "AADSTS50057"
	}
	return e.Text, "AADSTS" + strconv.Itoa(e.Number)
}

func inWords(d time.Duration) string {
	if seconds := int(math.Ceil(d.Seconds())); seconds != 1 {
		return strconv.Itoa(seconds) + " seconds"
	}
	return "a second"
}

// signIn handles the forms of the pages above.
func (h *signIn) signIn(x *request) error {
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	about, err := h.opened(x, values.Get("request"))
	if errors.Is(err, errOtherBrowser) {
		return h.start(x, about)
	}
	if err != nil {
		return err
	}
	action := values.Get("action")
	if action != "accept" {
		about.Consent = nil // the user may be another than the one who was asked
	}
	switch action {
	case "cancel":
		return h.cancel(x, about)
	case "other":
		return h.ask(x, about, "", nil)
	case "resume":
		return h.resume(x, about, values.Get("key"))
	case "continue":
		return h.proceed(x, about)
	case "accept":
		return h.accept(x, about, values.Get("organization") == "true")
	}
	return h.signInWith(x, about, values)
}

// signInWith checks a user name and password and begins a session.
func (h *signIn) signInWith(x *request, about pending, values url.Values) error {
	name := strings.TrimSpace(values.Get("username"))
	u, err := h.authenticateUser(x, name, directory.PasswordText(values.Get("password")))
	var e *Error
	if errors.As(err, &e) {
		x.ev.Err, x.ev.ErrorCode = err, "AADSTS"+strconv.Itoa(e.Number)
		return h.ask(x, about, name, e)
	}
	if err != nil {
		return err
	}
	x.ev.Caller = u.ID
	if err := h.remember(x, u, values.Get("key")); err != nil {
		return err
	}
	if about.Device != nil {
		return h.confirm(x, about, u)
	}
	return h.allow(x, about, u)
}

// errOtherBrowser says that a form was made for a browser with another name. That happens when two pages
// are opened at the same time in a new browser, which stores only the last of the two names, and when a
// form of another site opens a page, because the browser then sends no cookie. The user is asked again:
// of such a form only the authorization or device counts.
var errOtherBrowser = errors.New("the form was made for another browser")

// opened opens the state in a form, and checks that the form comes from a page of this server, in the
// browser for which the page was made. With errOtherBrowser it returns the state too.
func (h *signIn) opened(x *request, sealed string) (pending, error) {
	var about pending
	if err := new(http.CrossOriginProtection).Check(x.r); err != nil {
		return about, errSendAgain(err)
	}
	if err := h.Grants.Sealer.Open("page", sealed, &about); err != nil {
		return about, errStalePage(err)
	}
	switch {
	case h.Now().Sub(about.Begun) > formLifetime:
		return about, errStalePage(fmt.Errorf("the form was made at %s", about.Begun))
	case arm.Fold(about.Tenant) != arm.Fold(x.pathTenant):
		return about, errStalePage(fmt.Errorf("the form was made for %s", quote(about.Tenant)))
	case (about.Authorization == nil) == (about.Device == nil):
		return about, errStalePage(errors.New("the form belongs to another page"))
	case !h.sameBrowser(x, about.Browser):
		return about, errOtherBrowser
	}
	return about, nil
}

// cancel tells the client or the device that the user has declined.
func (h *signIn) cancel(x *request, about pending) error {
	if about.Authorization != nil {
		return h.replyError(x, about.Authorization, errCancelled())
	}
	if err := h.Grants.Decide(x.r.Context(), *about.Device, nil); err != nil && !errors.Is(err, grant.ErrInvalid) {
		return err
	}
	return x.show(http.StatusOK, "message", page{Title: "Cancelled", Text: "The device was not signed in. You can close this window."})
}
