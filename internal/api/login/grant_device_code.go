package login

import (
	"errors"
	"sync"
	"time"

	"midas/internal/arm"
	"midas/internal/grant"
)

// DefaultDeviceWait is how long a device waits between two questions if nothing else is said.
const DefaultDeviceWait = 5 * time.Second

// maxPolls is how many devices are remembered for when they last asked.
const maxPolls = 10_000

// deviceCode gives a device tokens for the person who has signed in for it elsewhere (RFC 8628).
func (h *Handler) deviceCode(req *tokenRequest) (*granted, error) {
	// 1. Which device it is. Some libraries send the code under its older name too, some only so.
	sealed := req.form.deviceCode
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
	// 2. In which tenant the person has signed in, and whether the client is who it says.
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
	// 3. Whether the person is still who has granted it, and what for.
	p, err := h.returning(req.r.Context(), d.Granted.TenantID, d.Granted.UserID, d.Granted.Authenticated)
	if err != nil {
		return nil, err
	}
	s, err := req.scopes(d.Scope)
	if err != nil {
		return nil, err
	}
	// 4. The tokens; the code is used up last.
	given, err := h.give(req, c, p, s, "")
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
func (h *Handler) waiting(req *tokenRequest, d grant.Device, err error) error {
	if d.ID != "" && !arm.SameName(d.ClientID, req.clientID) {
		return errBadDeviceCode()
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, grant.ErrPending):
		if wait := h.polls.tooSoon(d.ID, h.Now(), h.deviceWait()); wait > 0 {
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

func (h *Handler) deviceWait() time.Duration { return or(h.DeviceWait, DefaultDeviceWait) }

// polls remembers when devices have asked last. It is kept in memory, and each replica for itself,
// because it only protects the server: that a device asks too often harms nobody else. The zero value
// is ready.
type polls struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// tooSoon is how much too soon a device asks. A tenth of the time is forgiven, for networks are not
// exact.
func (p *polls) tooSoon(device string, now time.Time, wait time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, known := p.last[device]
	if !known && len(p.last) >= maxPolls {
		for name, at := range p.last {
			if now.Sub(at) > wait {
				delete(p.last, name)
			}
		}
	}
	if !known && len(p.last) >= maxPolls {
		return 0
	}
	if p.last == nil {
		p.last = make(map[string]time.Time)
	}
	p.last[device] = now
	if !known {
		return 0
	}
	if left := wait - wait/10 - now.Sub(last); left > 0 {
		return left
	}
	return 0
}
