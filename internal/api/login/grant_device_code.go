package login

import (
	"errors"
	"time"

	"midas/internal/arm"
	"midas/internal/grant"
)

// deviceWait is how long a device must wait between two polls, as at Entra.
const deviceWait = 5 * time.Second

// deviceCode issues tokens to a device for the user who has approved it (RFC 8628).
func (h *tokens) deviceCode(req *tokenRequest) (*granted, error) {
	// 1. The device code. Some libraries send it as code, its older name, in addition or instead.
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
	// 2. The user's tenant and the client.
	if err := h.setTenant(req, d.Granted.TenantID); err != nil {
		return nil, err
	}
	c, err := h.authenticate(req)
	if err == nil {
		err = c.mayBePublic()
	}
	if err != nil {
		return nil, err
	}
	// 3. The user, who may have been disabled or revoked since, and the scopes.
	u, err := h.returning(req.r.Context(), d.Granted.TenantID, d.Granted.UserID, d.Granted.Authenticated)
	if err != nil {
		return nil, err
	}
	u.sid = d.Granted.SessionID
	s, err := req.scopes(d.Scope)
	if err != nil {
		return nil, err
	}
	// 4. The tokens. The code is redeemed last.
	given, err := h.issueTokens(req, c, u, s, "")
	if err != nil {
		return nil, err
	}
	given.refreshToken, err = h.Grants.RedeemDevice(req.r.Context(), d, s.offline)
	if errors.Is(err, grant.ErrInvalid) {
		return nil, errBadDeviceCode().because(err)
	}
	return given, err
}

// waiting returns the error for a device that is not approved. A client other than the one that began the
// flow always gets errBadDeviceCode.
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
