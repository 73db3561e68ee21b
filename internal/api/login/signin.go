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

// formLifetime is for how long a page may be left open before its form is sent.
const formLifetime = time.Hour

// signIn has the pages: authorization requests, the sign-in, the device page, consent, and sessions.
type signIn struct{ *accounts }

// pending is what a page is about. It travels through the page's form, sealed, so that the server
// keeps nothing about users who have not signed in, and so that no other site can make such a form.
type pending struct {
	Browser       string         `json:"browser"`
	Begun         time.Time      `json:"begun"`
	Tenant        string         `json:"tenant"` // as the path names it
	Authorization *authorization `json:"authorization,omitempty"`
	Device        *grant.Device  `json:"device,omitempty"`
	App           string         `json:"app,omitempty"` // that waits at the device
	Who           *proof         `json:"who,omitempty"` // was asked whether to continue
	Consent       *consent       `json:"consent,omitempty"`
}

// app names the application that a page is about.
func (p *pending) app() string {
	if p.Authorization != nil {
		return p.Authorization.app()
	}
	return isolated(p.App, "application "+p.Device.ClientID)
}

// ask shows the sign-in page. With an error it is shown again.
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

// pick asks who has signed in before whether to continue as such.
func (h *signIn) pick(x *request, about pending, who *user) error {
	about.Who = who.proof()
	return h.showPending(x, http.StatusOK, "pick", about, page{
		Title: "Choose an account", User: isolated(who.UserPrincipalName, who.ID), Local: about.Authorization.Public,
	})
}

// confirm asks whether it was the user themselves who has begun to sign in on a device.
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

// friendly words an error for the user who has made it. A wrong name and a wrong password look the
// same, so that the page does not tell strangers who is known here.
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

// signIn takes the forms of the pages above.
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
		about.Consent = nil // who signs in or continues now may be somebody else than was asked
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

// signInWith takes a name and a password, and begins a session.
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

// errOtherBrowser says that a form was made for a browser of another name. Two pages that are opened at
// once in a new browser are given a name each, of which the browser keeps the last, and a page opened by a
// form of another site is given a new one. The user is asked anew: nothing that such a form says counts
// but what it is about.
var errOtherBrowser = errors.New("the form was made for another browser")

// opened reads what a form is about, and makes sure that it comes from a page of ours, in the browser
// for which the page was made. With errOtherBrowser, what the form is about is given too.
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
		return about, errStalePage(errors.New("the form is of another page"))
	case !h.sameBrowser(x, about.Browser):
		return about, errOtherBrowser
	}
	return about, nil
}

// cancel tells who waits that the user does not want to.
func (h *signIn) cancel(x *request, about pending) error {
	if about.Authorization != nil {
		return h.replyError(x, about.Authorization, errCancelled())
	}
	if err := h.Grants.Decide(x.r.Context(), *about.Device, nil); err != nil && !errors.Is(err, grant.ErrInvalid) {
		return err
	}
	return x.show(http.StatusOK, "message", page{Title: "Cancelled", Text: "The device was not signed in. You can close this window."})
}
