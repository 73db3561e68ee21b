package lab

import (
	"context"
	"time"
)

// Resetter returns a server to an earlier state. Its errors say to the administrator why that is not possible.
type Resetter interface {
	// Capture makes the present state that to which Reset returns.
	Capture(ctx context.Context) error

	// KeepKeys adds the signing keys to the captured state if they were made after it. It is called before the clock moves:
	// a reset then removes the keys of later times, and no others.
	KeepKeys(ctx context.Context) error

	// Reset returns the store, the caches, the clock and everything that the laboratory has changed to the state of the
	// last Capture. It returns the number of records that it has changed.
	Reset(ctx context.Context) (records int, err error)
}

// resetBody is the body of the answer to POST /lab/v1/reset.
type resetBody struct {
	Records int      `json:"records"` // that were changed
	Took    duration `json:"took"`
}

func (h *Handler) postReset(req *request) (any, error) {
	h.moving.Lock()
	defer h.moving.Unlock()
	began := time.Now()
	records, err := h.Resetter.Reset(req.context())
	if err != nil {
		return nil, errNoReset(err)
	}
	took := time.Since(began)
	h.announce(req, "reset", "records", records, "took", took.String())
	return resetBody{records, duration(took)}, nil
}

func (h *Handler) putReset(req *request) (any, error) {
	h.moving.Lock()
	defer h.moving.Unlock()
	if err := h.Resetter.Capture(req.context()); err != nil {
		return nil, errNoReset(err)
	}
	h.announce(req, "state captured, to which reset returns")
	return nil, nil
}
