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
	App           string         `json:"app,omitempty"`         // name of the device's application
	AccountPage   bool           `json:"accountPage,omitempty"` // the user wants to see the accounts of the browser
	Who           *proof         `json:"who,omitempty"`         // the user whom the page asks
	Consent       *consent       `json:"consent,omitempty"`
}

// kinds returns how many purposes a sign-in has; a valid one has one.
func (p *pending) kinds() (n int) {
	for _, is := range []bool{p.Authorization != nil, p.Device != nil, p.AccountPage} {
		if is {
			n++
		}
	}
	return n
}

// app returns the name of the application for the page.
func (p *pending) app() string {
	switch {
	case p.Authorization != nil:
		return p.Authorization.app()
	case p.Device == nil:
		return isolated("Midas", "")
	}
	return isolated(p.App, "application "+p.Device.ClientID)
}

// ask shows the sign-in page, with the error of the last attempt if failed is not nil. A silent request, to
// which a form or an address may lead here too, gets an error.
func (h *signIn) ask(x *request, about pending, name string, failed *Error) error {
	if a := about.Authorization; a != nil && a.silent() {
		return h.replyError(x, a, errInteraction())
	}
	about.Who, about.Consent = nil, nil
	if moved, err := h.move(x, step{Page: stepSignIn, Pending: about, Typed: name, Failed: failed}); moved || err != nil {
		return err
	}
	p := page{Title: "Sign in", User: name}
	status := http.StatusOK
	if failed != nil {
		status = failed.Status
		p.Error, p.ErrorCode = friendly(failed)
	}
	return h.showPending(x, status, "signin", about, p)
}

// pick asks with which of the signed-in accounts to continue.
func (h *signIn) pick(x *request, about pending, users []*user) error {
	if moved, err := h.move(x, step{Page: stepPick, Pending: about, Accounts: proofs(users)}); moved || err != nil {
		return err
	}
	choices, err := h.choices(x, about, users)
	if err != nil {
		return err
	}
	about.Who = users[0].proof()
	return h.showPending(x, http.StatusOK, "pick", about, page{
		Title: "Choose an account", Accounts: choices, Local: about.Authorization.Public,
	})
}

// confirm asks whether the user has started the sign-in on the device themselves.
func (h *signIn) confirm(x *request, about pending, users []*user) error {
	if moved, err := h.move(x, step{Page: stepConfirm, Pending: about, Accounts: proofs(users)}); moved || err != nil {
		return err
	}
	choices, err := h.choices(x, about, users)
	if err != nil {
		return err
	}
	about.Who = users[0].proof()
	return h.showPending(x, http.StatusOK, "confirm", about, page{
		Title: "Are you trying to sign in to " + about.app() + "?", Accounts: choices, Code: about.Device.UserCode,
	})
}

// choices returns the accounts of a page, each with a form of its own. The form for all of them is the one
// of the first account.
func (h *signIn) choices(x *request, about pending, users []*user) (all []choice, err error) {
	for i, u := range users {
		about.Who = u.proof()
		sealed, err := h.sealForm(x, about)
		if err != nil {
			return nil, err
		}
		all = append(all, choice{User: isolated(u.UserPrincipalName, u.ID), Name: isolated(u.DisplayName, u.UserPrincipalName), Request: sealed, First: i == 0})
	}
	return all, nil
}

// sealForm seals the state that a form carries.
func (h *signIn) sealForm(x *request, about pending) (string, error) {
	about.Browser, about.Begun, about.Tenant = h.browser(x), h.Now().UTC(), x.pathTenant
	return h.Grants.Sealer.Seal("page", about)
}

func (h *signIn) showPending(x *request, status int, name string, about pending, p page) error {
	sealed, err := h.sealForm(x, about)
	if err != nil {
		return err
	}
	p.Request, p.App, p.Device, p.AccountPage = sealed, about.app(), about.Device != nil, about.AccountPage
	p.Action = loginPath(x.pathTenant)
	if about.Authorization != nil {
		p.framer = about.Authorization.framer()
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
	case fullNameNumber:
		return e.Text, ""
	case 50034, 50126:
		return "The user name or the password is wrong.", "AADSTS50126"
	case 50053:
		return "There were too many wrong passwords. Try again in " + inWords(e.RetryAfter) + ".", "AADSTS50053"
	case 50057:
		return "This account is switched off.", "AADSTS50057"
	case 90015:
		return e.Text, ""
	}
	return e.Text, "AADSTS" + strconv.Itoa(e.Number)
}

func inWords(d time.Duration) string {
	if seconds := int(math.Ceil(d.Seconds())); seconds != 1 {
		return strconv.Itoa(seconds) + " seconds"
	}
	return "a second"
}

// signIn handles the forms of the pages above, and shows the pages to which they lead.
func (h *signIn) signIn(x *request) error {
	if x.r.Method != http.MethodPost {
		return h.revisit(x)
	}
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	about, err := h.opened(x, values.Get("request"))
	switch {
	case errors.Is(err, errOtherBrowser):
		return h.askAgain(x, about, values)
	case errors.Is(err, errExpiredForm):
		return h.restart(x, about)
	case err != nil:
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
	case "signout":
		return h.signOutOne(x, about)
	}
	return h.signInWith(x, about, values)
}

// signInWith checks a user name and password and begins a session.
func (h *signIn) signInWith(x *request, about pending, values url.Values) error {
	name := typedName(values.Get("username"))
	u, err := h.authenticateTyped(x, name, directory.PasswordText(values.Get("password")))
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
	switch {
	case about.Device != nil:
		return h.confirm(x, about, []*user{u})
	case about.AccountPage && u.session != "":
		return h.start(x, about) // the browser shows the key, and so sees all accounts
	case about.AccountPage:
		return h.showAccounts(x, about, []*user{u})
	}
	return h.allow(x, about, u)
}

// authenticateTyped checks a user name and password of the page. A name without a domain is no guess: the
// domain is asked for, whoever exists.
func (h *signIn) authenticateTyped(x *request, name string, password directory.PasswordText) (*user, error) {
	if before, domain, _ := strings.Cut(name, "@"); before == "" || domain == "" {
		t, err := h.homeOf(x, "")
		if err != nil {
			return nil, err
		}
		return nil, errFullName(exampleName(before, t.DefaultDomain))
	}
	return h.authenticateUser(x, name, password)
}

// typedName returns a user name without spaces around it and without invisible characters, which come
// with pasted text. No user name has them.
func typedName(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r != ' ' && invisible(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}

// exampleName returns the full name of what a user has typed, if that can be a name.
func exampleName(typed, domain string) string {
	if typed == "" || len(typed) > 64 || strings.ContainsFunc(typed, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune("-._", r))
	}) {
		typed = "name"
	}
	return typed + "@" + domain
}

// askAgain continues with the form of another browser, or of a browser without cookies.
func (h *signIn) askAgain(x *request, about pending, values url.Values) error {
	if h.named(x) {
		return h.restart(x, about)
	}
	s := step{Page: stepStart, Pending: about}
	if values.Has("username") {
		s.Page, s.Typed, s.Failed = stepSignIn, typedName(values.Get("username")), errLostCookie()
	}
	if moved, err := h.move(x, s); moved || err != nil {
		return err
	}
	return h.withoutCookies(x, s)
}

// errOtherBrowser says that a form was made for a browser with another name. That happens when two pages
// are opened at the same time in a new browser, which stores only the last of the two names, and when a
// form of another site opens a page, because the browser then sends no cookie. The user is asked again:
// of such a form only the authorization or device counts.
var errOtherBrowser = errors.New("the form was made for another browser")

// errExpiredForm says that a form is older than formLifetime.
var errExpiredForm = errors.New("the form has expired")

// opened opens the state in a form, and checks that the form comes from a page of this server, in the
// browser for which the page was made. With errOtherBrowser and errExpiredForm it returns the state too.
func (h *signIn) opened(x *request, sealed string) (pending, error) {
	var about pending
	if err := new(http.CrossOriginProtection).Check(x.r); err != nil {
		return about, errSendAgain(err)
	}
	if err := h.Grants.Sealer.Open("page", sealed, &about); err != nil {
		return about, errStalePage(err)
	}
	switch {
	case arm.Fold(about.Tenant) != arm.Fold(x.pathTenant):
		return about, errStalePage(fmt.Errorf("the form was made for %s", quote(about.Tenant)))
	case about.kinds() != 1:
		return about, errStalePage(errors.New("the form belongs to another page"))
	case h.Now().Sub(about.Begun) > formLifetime:
		return about, errExpiredForm
	case !h.sameBrowser(x, about.Browser):
		return about, errOtherBrowser
	}
	return about, nil
}

// cancel tells the client or the device that the user has declined.
func (h *signIn) cancel(x *request, about pending) error {
	switch {
	case about.Authorization != nil:
		return h.replyError(x, about.Authorization, errCancelled())
	case about.AccountPage:
		return h.start(x, about)
	}
	if err := h.Grants.Decide(x.r.Context(), *about.Device, nil); err != nil && !errors.Is(err, grant.ErrInvalid) {
		return err
	}
	return h.declined(x, about)
}
