package hosts

import (
	"net/http"
	"time"

	"midas/internal/host"
)

// longestWait is how long a request waits for a change before the answer is 204. It is shorter than the
// server's timeout for connections.
const longestWait = 20 * time.Second

// state answers when the host's state differs from the version that the host knows. It computes the state
// again after each change that may concern the host, which includes that the host was revoked.
func (h *Handler) state(x *exchange) error {
	x.ev.Routine = true
	ctx, known := x.r.Context(), x.r.URL.Query().Get("after")
	w, err := h.waits.enter(x.host.ID)
	if err != nil {
		return err
	}
	defer h.waits.leave(w)
	following := h.Fleet.Follow(x.host)
	defer following.End()
	over := time.NewTimer(longestWait)
	defer over.Stop()
	for {
		state, changed, err := following.State(ctx)
		// The host may have been revoked since the request began.
		if unknown := h.authenticate(x); unknown != nil {
			return unknown
		}
		if err != nil {
			return err
		}
		if state.Version != known {
			return x.answer(state)
		}
		select {
		case <-changed:
			continue
		case <-over.C:
		case <-w.displaced:
		case <-h.draining:
		case <-ctx.Done():
			return ctx.Err()
		}
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// busy refuses a host because too many hosts wait.
func busy() error {
	return &refusal{status: http.StatusTooManyRequests, code: host.CodeBusy, message: "Too many hosts wait for changes.", retry: "5"}
}
