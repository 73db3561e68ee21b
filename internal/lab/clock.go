package lab

import (
	"context"
	"net/http"
	"time"

	"midas/internal/arm"
	"midas/internal/clock"
)

const (
	// Furthest is how far the clock may be ahead: certificates and tokens have times of four digits.
	Furthest = 100 * 365 * 24 * time.Hour

	// settleTime is how long a move waits for the jobs that run because of it.
	settleTime = 2 * time.Second
)

// clockChange is the body of POST /lab/v1/clock. Stop or Start comes before Advance or Set.
type clockChange struct {
	Advance duration   `json:"advance"`
	Set     *time.Time `json:"set"`
	Stop    bool       `json:"stop"`
	Start   bool       `json:"start"`
}

// clockState is how the clock stands.
type clockState struct {
	Now     time.Time `json:"now"`
	Machine time.Time `json:"machine"`
	Ahead   duration  `json:"ahead"` // Now less Machine
	Stopped bool      `json:"stopped"`
}

func (h *Handler) clockState() clockState {
	s := clockState{Now: h.Clock.Now().UTC().Round(0), Machine: time.Now().UTC().Round(0), Stopped: h.Clock.Stopped()}
	s.Ahead = duration(h.Clock.Offset().Round(time.Millisecond))
	return s
}

func (h *Handler) getClock(*request) (any, error) { return h.clockState(), nil }

func (h *Handler) postClock(req *request) (any, error) {
	var change clockChange
	if err := req.body(&change); err != nil {
		return nil, err
	}
	if h.Shared {
		return nil, arm.Errorf(http.StatusConflict, "ClockShared", "Servers that share a store must have one clock, so that of one of them cannot be moved.")
	}
	if err := change.check(); err != nil {
		return nil, err
	}
	h.moving.Lock()
	defer h.moving.Unlock()
	by := time.Duration(change.Advance)
	if change.Set != nil {
		if by = change.Set.Sub(h.Clock.Now().Round(0)); by < 0 {
			return nil, arm.Errorf(http.StatusBadRequest, "ClockBackwards", "The clock moves forwards only. POST %s/reset returns it to the time of the machine.", Root)
		}
	}
	if by > Furthest-h.Clock.Offset() {
		return nil, arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The clock can be at most %d years ahead.", int(Furthest/(365*24*time.Hour)))
	}
	if err := h.Resetter.KeepKeys(req.context()); err != nil {
		return nil, err
	}
	if change.Stop {
		h.Clock.Stop()
	}
	if change.Start {
		h.Clock.Start()
	}
	if by > 0 {
		Advance(req.context(), h.Clock, by)
	}
	state := h.clockState()
	h.announce(req, "clock moved", "by", by.String(), "now", state.Now, "stopped", state.Stopped)
	return state, nil
}

// Advance moves a clock, and waits for the jobs that run because of it, but for no more than two seconds.
func Advance(ctx context.Context, c *clock.Clock, d time.Duration) {
	c.Advance(d)
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	c.Settled(ctx)
}

func (c *clockChange) check() error {
	switch {
	case !c.Stop && !c.Start && c.Advance == 0 && c.Set == nil:
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The body must have advance, set, stop or start.")
	case c.Stop && c.Start:
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The clock cannot be stopped and started at once.")
	case c.Advance != 0 && c.Set != nil:
		return arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The body must not have both advance and set.")
	}
	return nil
}
