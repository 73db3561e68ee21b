package login

import (
	"errors"
	"time"

	"midas/internal/arm"
	"midas/internal/grant"
)

// deviceWait is how long a device waits between two polls, as on Entra.
const deviceWait = 5 * time.Second

// deviceCode gives a device tokens for the user who has signed in for it elsewhere (RFC 8628).
func (h *tokens) deviceCode(req *tokenRequest) (*granted, error) {
	// 1. Which device it is. Some libraries send the code under its older name too, some only so.
	sealed := req.deviceCode
	if sealed == "" {
		sealed = req.code
	}
	switch {
	case sealed == "":
		return nil, errMissingParameter("device_code")
	case req.clientID == "":
		return nil, errMissingParameter("client_id")
	}
	d, err := h.Grants.OpenDevice(req.r.Context(), sealed)
	if e := h.waiting(req, d, err); e != nil {
		return nil, e
	}
	// 2. In which tenant the user has signed in, and whether the client is who it says.
	if err := h.settle(req, d.Granted.TenantID); err != nil {
		return nil, err
	}
	c, err := h.authenticate(req)
	if err == nil {
		err = c.mayBePublic()
	}
	if err != nil {
		return nil, err
	}
	// 3. Whether the user is still who has granted it, and what for.
	u, err := h.returning(req.r.Context(), d.Granted.TenantID, d.Granted.UserID, d.Granted.Authenticated)
	if err != nil {
		return nil, err
	}
	s, err := req.scopes(d.Scope)
	if err != nil {
		return nil, err
	}
	// 4. The tokens; the code is used up last.
	given, err := h.give(req, c, u, s, "")
	if err != nil {
		return nil, err
	}
	given.refreshToken, err = h.Grants.RedeemDevice(req.r.Context(), d, s.offline)
	if errors.Is(err, grant.ErrInvalid) {
		return nil, errBadDeviceCode().because(err)
	}
	return given, err
}

// waiting says why a device gets nothing yet, or nothing at all. Another client than the one that has
// begun learns no more than that the code is not its own.
func (h *tokens) waiting(req *tokenRequest, d grant.Device, err error) error {
	if d.ID != "" && !arm.SameName(d.ClientID, req.clientID) {
		return errBadDeviceCode()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, grant.ErrPending):
		if wait := h.tooSoon(d.ID); wait > 0 {
			return errSlowDown(wait)
		}
		return errPending()
	case errors.Is(err, grant.ErrDeclined):
		return errDeclined()
	case errors.Is(err, grant.ErrExpired):
		return errExpiredDeviceCode()
	case errors.Is(err, grant.ErrInvalid):
		return errBadDeviceCode().because(err)
	}
	return err
}
