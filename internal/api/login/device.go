package login

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/grant"
)

// deviceAnswer tells a device what to show and what to ask with.
type deviceAnswer struct {
	UserCode   string `json:"user_code"`
	DeviceCode string `json:"device_code"`
	URI        string `json:"verification_uri"`
	ExpiresIn  int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
	Message    string `json:"message"`
}

// deviceAnswerV1 is the answer of the v1.0 endpoint, which has words for numbers and another name for
// the address.
type deviceAnswerV1 struct {
	UserCode   string `json:"user_code"`
	DeviceCode string `json:"device_code"`
	URL        string `json:"verification_url"`
	ExpiresIn  string `json:"expires_in"`
	Interval   string `json:"interval"`
	Message    string `json:"message"`
}

func (h *Handler) deviceCodeV2(x *exchange) error { return h.startDevice(x, false) }

func (h *Handler) deviceCodeV1(x *exchange) error { return h.startDevice(x, true) }

// startDevice gives a device its codes (RFC 8628, 3.1).
func (h *Handler) startDevice(x *exchange, v1 bool) error {
	req := &tokenRequest{exchange: x, v1: v1}
	d := grant.Device{}
	if !shared(x.tenant) {
		var err error
		if req.tenant, err = h.namedTenant(x); err != nil {
			return err
		}
		d.Tenant = req.tenant.ID
	}
	var err error
	if req.form, err = readForm(x.r); err != nil {
		return err
	}
	app, err := h.application(x, req.clientID)
	if err != nil {
		return err
	}
	s, err := req.scopes("")
	if err != nil {
		return err
	}
	if wait := h.mayStart(x); wait > 0 {
		return errThrottled(wait)
	}
	d.ClientID, d.Scope = app.AppID, keep(s)
	code, d, err := h.Grants.StartDevice(x.r.Context(), d)
	if err != nil {
		return err
	}
	// A person opens the page in a browser of their own, for which Azure's names are Azure's.
	page := h.issuer().Origin + "/common/oauth2/deviceauth"
	answer := deviceAnswer{
		UserCode: d.UserCode, DeviceCode: code, URI: page,
		ExpiresIn: int64(grant.DeviceLife / time.Second), Interval: int64(h.deviceWait() / time.Second),
		Message: "To sign in, use a web browser to open the page " + page + " and enter the code " + d.UserCode + " to authenticate.",
	}
	head := x.w.Header()
	setAll(head, private)
	head["X-Ms-Clitelem"] = noError
	if !v1 {
		return httpx.WriteJSON(x.w, http.StatusOK, answer)
	}
	return httpx.WriteJSON(x.w, http.StatusOK, deviceAnswerV1{
		answer.UserCode, answer.DeviceCode, answer.URI,
		strconv.FormatInt(answer.ExpiresIn, 10), strconv.FormatInt(answer.Interval, 10), answer.Message,
	})
}

// devicePage is where a person types the code that a device shows.
func (h *Handler) devicePage(x *exchange) error {
	if !shared(x.tenant) {
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
	if err := h.Grants.Box.Open("code page", values.Get("request"), &about); err != nil {
		return errStalePage(err)
	}
	typed := values.Get("code")
	if !h.sameBrowser(x, about.Browser) {
		return h.askCode(x, http.StatusOK, typed, "Another page of this server was opened meanwhile. Send the code again.")
	}
	guess := h.codeGuess(x)
	if wait := h.Throttle.Take(guess...); wait > 0 {
		return h.askCode(x, http.StatusTooManyRequests, "", "There were too many wrong codes. Try again in "+inWords(wait)+".")
	}
	d, err := h.Grants.DeviceByUserCode(x.r.Context(), grant.UserCode(typed))
	if errors.Is(err, grant.ErrInvalid) {
		x.ev.Err, x.ev.ErrorCode = err, "AADSTS70018"
		return h.askCode(x, http.StatusBadRequest, typed, "That code is wrong or no longer good. Look at it again, or start again on your device.")
	}
	h.Throttle.Return(guess...)
	if err != nil {
		return err
	}
	return h.found(x, d)
}

// found goes on with the device whose code was typed: who has signed in before is asked to confirm,
// anybody else to sign in.
func (h *Handler) found(x *exchange, d grant.Device) error {
	about := pending{Device: &d}
	app, err := h.anywhere(x.r.Context(), d.ClientID)
	if err != nil && !errors.Is(err, directory.ErrNotFound) {
		return err
	}
	about.App = app.DisplayName
	return h.start(x, about)
}

func (h *Handler) askCode(x *exchange, status int, typed, failed string) error {
	sealed, err := h.Grants.Box.Seal("code page", pending{Browser: h.browser(x)})
	if err != nil {
		return err
	}
	return h.show(x, status, "device", page{
		Title: "Enter the code", Code: typed, Error: failed, Request: sealed,
		Action: "/" + url.PathEscape(x.tenant) + "/oauth2/deviceauth",
	})
}

// approve lets a device act for a person who has consented.
func (h *Handler) approve(x *exchange, about pending, p *person) error {
	d := *about.Device
	granted := p.grant(d.ClientID, d.Scope)
	switch err := h.Grants.Decide(x.r.Context(), d, &granted); {
	case errors.Is(err, grant.ErrInvalid):
		return errStalePage(err)
	case err != nil:
		return err
	}
	return h.show(x, http.StatusOK, "message", page{
		Title: "You are signed in to " + about.app(),
		Text:  "You have signed in to " + about.app() + " on your device. You can close this window.",
	})
}

// mayApprove refuses a person of another tenant than the device waits for, and a client that does not
// exist where the person is.
func (h *Handler) mayApprove(x *exchange, d grant.Device, p *person) error {
	tenant, err := h.admit(x, p.TenantID)
	if err != nil {
		return err
	}
	if d.Tenant != "" && !arm.SameName(d.Tenant, p.TenantID) {
		return errOtherTenant()
	}
	_, err = h.findClient(x.r.Context(), tenant, d.ClientID)
	return err
}
