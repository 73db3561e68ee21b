package login

import (
	"time"

	"midas/internal/arm"
	"midas/internal/grant"
	"midas/internal/throttle"
)

// The default rules of Limits. Secrets are counted by address, because otherwise anybody could lock an
// application out with wrong secrets. Guessing from many addresses stays possible, but secrets are too
// long to be guessed.
var (
	secretRule = throttle.Rule{Name: "secret of an application from an address", Burst: 20, Refill: 3 * time.Second}

	// There are 10^12 user codes, of which a few are valid at a time.
	codeRule        = throttle.Rule{Name: "user code from an address", Burst: 20, Refill: 3 * time.Second}
	codeNetworkRule = throttle.Rule{Name: "user code from a network", Burst: 80, Refill: 750 * time.Millisecond}

	// A pending device stays in the store for DeviceLifetime. A bucket that refills in that time allows at
	// most twice its burst to be pending.
	deviceRule        = throttle.Rule{Name: "device code from an address", Burst: 100, Refill: grant.DeviceLifetime / 100}
	deviceNetworkRule = throttle.Rule{Name: "device code from a network", Burst: 400, Refill: grant.DeviceLifetime / 400}
	deviceTotalRule   = throttle.Rule{Name: "device code", Burst: 5_000, Refill: grant.DeviceLifetime / 5_000}
)

// Limits are the rules that limit unauthenticated requests to the token endpoint and the pages, except for
// passwords (throttle.PasswordLimiter). A zero rule means the default.
type Limits struct {
	Secrets throttle.Rule // wrong secrets of one application from one address
	Codes   throttle.Rule // wrong user codes, which devices show, from one address

	// Requests for device codes from one address, from one network and in all.
	Devices        throttle.Rule
	DevicesNetwork throttle.Rule
	DevicesTotal   throttle.Rule
}

// source returns the address of the client.
func (x *request) source() throttle.Source { return throttle.SourceOf(x.ev.ClientIP) }

// secretCharge returns the bucket in which a wrong secret of a client is counted.
func (h *tokens) secretCharge(req *tokenRequest) throttle.Charge {
	return h.Throttle.Charge(h.Limits.Secrets.Or(secretRule), arm.Fold(req.tenant.ID), arm.Fold(req.clientID), req.source().Address())
}

// mayStart counts a request for a device code, or returns how long the client has to wait.
func (h *tokens) mayStart(x *request) time.Duration {
	from := x.source()
	return h.Throttle.Take(
		h.Throttle.Charge(h.Limits.Devices.Or(deviceRule), from.Address()),
		h.Throttle.Charge(h.Limits.DevicesNetwork.Or(deviceNetworkRule), from.Network()),
		h.Throttle.Charge(h.Limits.DevicesTotal.Or(deviceTotalRule)),
	)
}

// tooSoon returns how long a device that polls too early has to wait, or 0. A tenth of the interval is
// tolerated, because network delays vary. Each replica counts for itself, because this limit only protects
// the server: frequent polls harm nobody else.
func (h *tokens) tooSoon(device string) time.Duration {
	wait := h.deviceWait
	return h.Throttle.Take(h.Throttle.Charge(throttle.Rule{Name: "poll of a device", Burst: 1, Refill: wait - wait/10}, device))
}
