package login

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/throttle"
)

// devicePage shows and handles the page on which a user types the code that a device shows.
func (h *signIn) devicePage(x *request) error {
	if !shared(x.pathTenant) {
		if _, err := h.namedTenant(x); err != nil {
			return err
		}
	}
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	if x.r.Method != http.MethodPost {
		return h.askCode(x, cmp.Or(values.Get("otc"), values.Get("user_code")), nil)
	}
	var about pending
	if err := new(http.CrossOriginProtection).Check(x.r); err != nil {
		return errSendAgain(err)
	}
	if err := h.Grants.Sealer.Open("code page", values.Get("request"), &about); err != nil {
		return errStalePage(err)
	}
	typed := values.Get("code")
	if !h.sameBrowser(x, about.Browser) {
		return h.askCodeAgain(x, typed)
	}
	charges := h.codeCharges(x)
	if wait := h.Throttle.Take(charges...); wait > 0 {
		return h.askCode(x, "", errManyCodes(wait))
	}
	d, err := h.Grants.DeviceByUserCode(x.r.Context(), grant.UserCode(typed))
	if errors.Is(err, grant.ErrInvalid) {
		x.ev.Err, x.ev.ErrorCode = err, "AADSTS70018"
		return h.askCode(x, typed, errWrongCode())
	}
	h.Throttle.Return(charges...)
	if err != nil {
		return err
	}
	return h.found(x, d)
}

// found continues with the device whose code was typed: a signed-in user is asked to confirm, any other to
// sign in.
func (h *signIn) found(x *request, d grant.Device) error {
	about := pending{Device: &d}
	app, err := h.anywhere(x.r.Context(), d.ClientID)
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	about.App = app.DisplayName
	return h.start(x, about)
}

// maxTypedCode is how many characters of a pasted text a page shows again.
const maxTypedCode = 400

// askCode shows the page for the code of a device, with the error of the last attempt if failed is not nil.
func (h *signIn) askCode(x *request, typed string, failed *Error) error {
	typed = clip(cmp.Or(grant.UserCode(typed), plainly(typed)), maxTypedCode)
	if moved, err := h.move(x, step{Page: stepCode, Typed: typed, Failed: failed}); moved || err != nil {
		return err
	}
	sealed, err := h.Grants.Sealer.Seal("code page", pending{Browser: h.browser(x)})
	if err != nil {
		return err
	}
	p, status := page{Title: "Enter the code", Code: typed, Request: sealed, Action: "/" + url.PathEscape(x.pathTenant) + "/oauth2/deviceauth"}, http.StatusOK
	if failed != nil {
		p.Error, status = failed.Text, failed.Status
	}
	return x.show(status, "device", p)
}

// askCodeAgain continues with the form of another browser, or of a browser without cookies.
func (h *signIn) askCodeAgain(x *request, typed string) error {
	s := step{Page: stepCode, Typed: clip(typed, maxTypedCode), Failed: errCodeAgain()}
	if h.named(x) {
		return h.askCode(x, s.Typed, s.Failed)
	}
	if moved, err := h.move(x, s); moved || err != nil {
		return err
	}
	return h.withoutCookies(x, s)
}

// approve records that a user has consented to a device.
func (h *signIn) approve(x *request, about pending, u *user) error {
	d := *about.Device
	granted := u.grant(d.ClientID, d.Scope)
	switch err := h.Grants.Decide(x.r.Context(), d, &granted); {
	case errors.Is(err, grant.ErrInvalid):
		return errDecided(err)
	case err != nil:
		return err
	}
	return h.approved(x, about)
}

// approved tells the user that the device is signed in.
func (h *signIn) approved(x *request, about pending) error {
	return h.finished(x, stepApproved, about, page{
		Title: "You are signed in to " + about.app(),
		Text:  "You have signed in to " + about.app() + " on your device. You can close this window.",
	})
}

// declined tells the user that the device is not signed in.
func (h *signIn) declined(x *request, about pending) error {
	return h.finished(x, stepDeclined, about, page{Title: "Cancelled", Text: "The device was not signed in. You can close this window."})
}

func (h *signIn) finished(x *request, name string, about pending, p page) error {
	if moved, err := h.move(x, step{Page: name, Pending: about}); moved || err != nil {
		return err
	}
	p.Home, p.HomeText = h.home(x), "Your accounts"
	return x.show(http.StatusOK, "message", p)
}

// mayApprove refuses a user whose tenant is not the one that the device waits for, and a client that does
// not exist in the user's tenant.
func (h *signIn) mayApprove(x *request, d grant.Device, u *user) error {
	tenant, err := h.admit(x, u.TenantID)
	if err != nil {
		return err
	}
	if d.Tenant != "" && !arm.SameName(d.Tenant, u.TenantID) {
		return errOtherTenant()
	}
	_, err = h.findClient(x.r.Context(), tenant, d.ClientID)
	return err
}

// codeCharges returns the buckets in which a wrong user code is counted.
func (h *signIn) codeCharges(x *request) []throttle.Charge {
	from := x.source()
	return []throttle.Charge{
		h.Throttle.Charge(h.Limits.Codes.Or(codeRule), from.Address()),
		h.Throttle.Charge(codeNetworkRule, from.Network()),
	}
}
