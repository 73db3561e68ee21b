package hosts

import (
	"net/http"
	"strings"
	"time"

	"midas/internal/host"
)

// longestWait is how long a request waits for a change before the answer is 204. It must be shorter than the
// server's write timeout.
const longestWait = 20 * time.Second

// state answers as soon as the host's state has another version than the parameter "after". It computes the
// state again after each change that may concern the host, including the revocation of the host.
func (h *Handler) state(req *request) error {
	req.ev.Routine = true
	if h.Servers != nil {
		req.w.Header().Set(host.HeaderServers, strings.Join(h.Servers(), ","))
		req.w.Header().Set(host.HeaderName, h.Name)
	}
	ctx, known := req.r.Context(), req.r.URL.Query().Get("after")
	heard, err := heardOf(req.r)
	if err != nil {
		return err
	}
	w, err := h.waits.enter(req.host.ID)
	if err != nil {
		return err
	}
	defer h.waits.leave(w)
	following := h.Fleet.Follow(req.host)
	defer following.End()
	over := time.NewTimer(longestWait)
	defer over.Stop()
	for {
		state, changed, err := following.State(ctx)
		if err == nil && state.Revision < heard { // the host has heard of a newer one at another replica
			state, err = h.Fleet.State(ctx, req.host)
		}
		// The host may have been revoked since the request began.
		if unknown := h.authenticate(req); unknown != nil {
			return unknown
		}
		if err != nil {
			return err
		}
		// After a restore, the store may be at an earlier revision than the host has heard of.
		if state.Version != known || state.Revision < heard {
			return req.answer(state)
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
		req.w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// busy is the refusal of a host while too many requests wait.
func busy() error {
	return &refusal{status: http.StatusTooManyRequests, code: host.CodeBusy, message: "Too many hosts wait for changes.", retry: "5"}
}
