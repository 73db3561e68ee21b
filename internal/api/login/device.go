package login

import (
	"net/http"
	"strconv"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/grant"
)

// deviceAnswer is the device authorization response (RFC 8628, 3.2).
type deviceAnswer struct {
	UserCode   string `json:"user_code"`
	DeviceCode string `json:"device_code"`
	URI        string `json:"verification_uri"`
	ExpiresIn  int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
	Message    string `json:"message"`
}

// deviceAnswerV1 is the answer of the v1.0 endpoint. Its numbers are strings, and its address has another
// name.
type deviceAnswerV1 struct {
	UserCode   string `json:"user_code"`
	DeviceCode string `json:"device_code"`
	URL        string `json:"verification_url"`
	ExpiresIn  string `json:"expires_in"`
	Interval   string `json:"interval"`
	Message    string `json:"message"`
}

func (h *tokens) deviceCodeV2(x *request) error { return h.startDevice(x, false) }

func (h *tokens) deviceCodeV1(x *request) error { return h.startDevice(x, true) }

// startDevice answers a device authorization request (RFC 8628, 3.1).
func (h *tokens) startDevice(x *request, v1 bool) error {
	req := &tokenRequest{request: x, v1: v1}
	d := grant.Device{}
	if !shared(x.pathTenant) {
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
	d.ClientID, d.Scope = app.AppID, storedScope(s)
	code, d, err := h.Grants.StartDevice(x.r.Context(), d)
	if err != nil {
		return err
	}
	// The address has the server's own origin, because in the user's browser Azure's names lead to Azure.
	page := h.issuer().Origin + "/common/oauth2/deviceauth"
	answer := deviceAnswer{
		UserCode: d.UserCode, DeviceCode: code, URI: page,
		ExpiresIn: int64(grant.DeviceLifetime / time.Second), Interval: int64(h.deviceWait / time.Second),
		Message: "To sign in, use a web browser to open the page " + page + " and enter the code " + d.UserCode + " to authenticate.",
	}
	head := x.w.Header()
	private.Set(head)
	noError.Set(head)
	if !v1 {
		return httpx.WriteJSON(x.w, http.StatusOK, answer)
	}
	return httpx.WriteJSON(x.w, http.StatusOK, deviceAnswerV1{
		answer.UserCode, answer.DeviceCode, answer.URI,
		strconv.FormatInt(answer.ExpiresIn, 10), strconv.FormatInt(answer.Interval, 10), answer.Message,
	})
}
