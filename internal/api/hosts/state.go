package hosts

import (
	"net/http"
	"time"
)

// longestWait is how long a host waits for a change before it is told that there was none. It is
// shorter than the time after which connections are cut.
const longestWait = 20 * time.Second

// state answers when the host's state is another one than it knows. While it waits, it looks again
// after each change that may be about the host; that the host was expelled is such a change too.
func (h *Handler) state(x *exchange) error {
	x.ev.Routine = true
	ctx, known := x.r.Context(), x.r.URL.Query().Get("after")
	changed, end := h.Fleet.Watch(x.host.ResourceID())
	defer end()
	over := time.NewTimer(longestWait)
	defer over.Stop()
	for {
		if err := h.recognize(x); err != nil {
			return err
		}
		state, err := h.Fleet.State(ctx, x.host)
		if err != nil {
			return err
		}
		if state.Version != known {
			return x.answer(state)
		}
		select {
		case <-changed:
		case <-over.C:
			x.w.WriteHeader(http.StatusNoContent)
			return nil
		case <-h.draining:
			x.w.WriteHeader(http.StatusNoContent)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
