package hosts

import (
	"net/http"
	"time"

	"midas/internal/host"
)

// longestWait is how long a host waits for a change before it is told that there was none. It is
// shorter than the time after which connections are cut.
const longestWait = 20 * time.Second

// state answers when the host's state is another one than it knows. While it waits, it looks again
// after each change that may be about the host; that the host was expelled is such a change too.
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
		// It was known when the request began, but perhaps not any more when the state was computed.
		if unknown := h.recognize(x); unknown != nil {
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

// busy refuses a host because too many wait.
func busy() error {
	return &refusal{status: http.StatusTooManyRequests, code: host.CodeBusy, message: "Too many hosts wait for changes.", retry: "5"}
}
