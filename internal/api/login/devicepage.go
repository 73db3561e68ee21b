package login

import (
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
		return h.askCode(x, http.StatusOK, values.Get("user_code"), "")
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
		return h.askCode(x, http.StatusOK, typed, "Another page of this server was opened meanwhile. Send the code again.")
	}
	charges := h.codeCharges(x)
	if wait := h.Throttle.Take(charges...); wait > 0 {
		return h.askCode(x, http.StatusTooManyRequests, "", "There were too many wrong codes. Try again in "+inWords(wait)+".")
	}
	d, err := h.Grants.DeviceByUserCode(x.r.Context(), grant.UserCode(typed))
	if errors.Is(err, grant.ErrInvalid) {
		x.ev.Err, x.ev.ErrorCode = err, "AADSTS70018"
		return h.askCode(x, http.StatusBadRequest, typed, "That code is wrong or no longer good. Look at it again, or start again on your device.")
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

func (h *signIn) askCode(x *request, status int, typed, failed string) error {
	sealed, err := h.Grants.Sealer.Seal("code page", pending{Browser: h.browser(x)})
	if err != nil {
		return err
	}
	return x.show(status, "device", page{
		Title: "Enter the code", Code: typed, Error: failed, Request: sealed,
		Action: "/" + url.PathEscape(x.pathTenant) + "/oauth2/deviceauth",
	})
}

// approve records that a user has consented to a device.
func (h *signIn) approve(x *request, about pending, u *user) error {
	d := *about.Device
	granted := u.grant(d.ClientID, d.Scope)
	switch err := h.Grants.Decide(x.r.Context(), d, &granted); {
	case errors.Is(err, grant.ErrInvalid):
		return errStalePage(err)
	case err != nil:
		return err
	}
	return x.show(http.StatusOK, "message", page{
		Title: "You are signed in to " + about.app(),
		Text:  "You have signed in to " + about.app() + " on your device. You can close this window.",
	})
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
