package login

import (
	"time"

	"midas/internal/arm"
	"midas/internal/grant"
	"midas/internal/throttle"
)

// The rules of Limits that are not told others. Without the address in them, anybody could lock an
// application out by guessing at it; with it, guessing from many addresses stays possible, and is
// hopeless against the length that secrets must have.
var (
	secretRule = throttle.Rule{Name: "secret of an application from an address", Burst: 20, Refill: 3 * time.Second}

	// Of user codes there are 10^12, and a few are good at any time.
	codeRule        = throttle.Rule{Name: "user code from an address", Burst: 20, Refill: 3 * time.Second}
	codeNetworkRule = throttle.Rule{Name: "user code from a network", Burst: 80, Refill: 750 * time.Millisecond}

	// What is pending takes room in the store for as long as a device code is good. A bucket that refills
	// in that time lets at most twice its burst be pending.
	deviceRule        = throttle.Rule{Name: "device code from an address", Burst: 100, Refill: grant.DeviceLifetime / 100}
	deviceNetworkRule = throttle.Rule{Name: "device code from a network", Burst: 400, Refill: grant.DeviceLifetime / 400}
	deviceTotalRule   = throttle.Rule{Name: "device code", Burst: 5_000, Refill: grant.DeviceLifetime / 5_000}
)

// Limits are the rules by which the token endpoint and the pages bound what strangers may try, except
// for passwords (throttle.PasswordLimiter). What is zero has a sensible limit.
type Limits struct {
	Secrets throttle.Rule // wrong secrets of one application from one address
	Codes   throttle.Rule // wrong user codes, which devices show, from one address

	// Device codes that are asked for from one address, from one network and in all.
	Devices        throttle.Rule
	DevicesNetwork throttle.Rule
	DevicesTotal   throttle.Rule
}

// source is where a request comes from.
func (x *request) source() throttle.Source { return throttle.SourceOf(x.ev.ClientIP) }

// secretCharge is what a wrong secret of a client is counted under.
func (h *tokens) secretCharge(req *tokenRequest) throttle.Charge {
	return h.Throttle.Charge(h.Limits.Secrets.Or(secretRule), arm.Fold(req.tenant.ID), arm.Fold(req.clientID), req.source().Address())
}

// mayStart counts a request for a device code, or says how long the client has to wait.
func (h *tokens) mayStart(x *request) time.Duration {
	from := x.source()
	return h.Throttle.Take(
		h.Throttle.Charge(h.Limits.Devices.Or(deviceRule), from.Address()),
		h.Throttle.Charge(h.Limits.DevicesNetwork.Or(deviceNetworkRule), from.Network()),
		h.Throttle.Charge(h.Limits.DevicesTotal.Or(deviceTotalRule)),
	)
}

// tooSoon says by how much a device polls too early. A tenth of the interval is tolerated, because delays
// in the network vary. Each replica counts for itself, because this only protects the server: that a device asks
// too often harms nobody else.
func (h *tokens) tooSoon(device string) time.Duration {
	wait := h.deviceWait
	return h.Throttle.Take(h.Throttle.Charge(throttle.Rule{Name: "poll of a device", Burst: 1, Refill: wait - wait/10}, device))
}
