//go:build cluster

package cluster

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"

	"midas/internal/api/httpx"
)

// The paths of the API for joining machines, on the main listener.
const (
	pathAuthority = pathPrefix + "authority"
	pathOffer     = pathPrefix + "offer"
	pathJoin      = pathPrefix + "join"
)

// maxJoinBody bounds the body of a join request, in bytes. All valid ones are smaller.
const maxJoinBody = 16 << 10

// Handler serves joining machines. All exported fields are required. It must not be copied.
type Handler struct {
	Member *Member

	// Pinned returns the certificate from which the chain of the main listener's certificate comes. Tokens have the
	// hash of its public key.
	Pinned func() (*x509.Certificate, error)

	// HandOver returns what a new replica needs besides membership.
	HandOver func(context.Context) (Offer, error)

	once   sync.Once
	limits *limits
}

// problem is the body of a refusal.
type problem struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// Serve implements httpx.Handler.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API = "cluster"
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method + " " + r.URL.Path {
	case "GET " + pathAuthority:
		ev.Operation = "authority"
		h.authority(w, ev)
	case "POST " + pathOffer:
		ev.Operation = "offer"
		h.answer(w, r, ev, h.offer)
	case "POST " + pathJoin:
		ev.Operation = "join"
		h.answer(w, r, ev, func(ctx context.Context, in JoinRequest) (any, error) { return h.Member.Admit(ctx, in) })
	default:
		fail(w, ev, http.StatusNotFound, "NotFound", "There is no such operation.")
	}
}

func (h *Handler) authority(w http.ResponseWriter, ev *httpx.Event) {
	pinned, err := h.Pinned()
	if err != nil {
		ev.Err = err
		fail(w, ev, http.StatusInternalServerError, "Internal", "The server has failed.")
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, ev.Err = w.Write(certificatePEM(pinned))
}

// offer tells a machine what it needs before it becomes a member.
func (h *Handler) offer(ctx context.Context, in JoinRequest) (any, error) {
	if err := h.Member.Offer(ctx, in); err != nil {
		return nil, err
	}
	return h.HandOver(ctx)
}

// answer answers a request of a joining machine.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, ev *httpx.Event, run func(context.Context, JoinRequest) (any, error)) {
	var in JoinRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJoinBody))
	if err := dec.Decode(&in); err != nil {
		fail(w, ev, http.StatusBadRequest, "InvalidRequest", "The request cannot be read.")
		return
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		fail(w, ev, http.StatusBadRequest, "InvalidRequest", "The request has data after the object.")
		return
	}
	h.once.Do(func() { h.limits = newLimits(h.Member.now) })
	var out any
	err := h.limits.do(r.Context(), ev.ClientIP, func() (err error) {
		out, err = run(r.Context(), in)
		return err
	})
	var refused *RefusedError
	var early throttled
	switch {
	case err == nil:
		ev.Err = httpx.WriteJSON(w, http.StatusOK, out)
	case errors.Is(err, ErrToken):
		fail(w, ev, http.StatusForbidden, "InvalidToken", ErrToken.Error())
	case errors.As(err, &refused):
		fail(w, ev, http.StatusConflict, "JoinRefused", refused.Error())
	case errors.As(err, &early):
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(early.wait.Seconds())))))
		fail(w, ev, http.StatusTooManyRequests, "TooManyRequests", "Too many requests to join, or wrong tokens, came from here: try again later.")
	default:
		ev.Err = err
		w.Header().Set("Retry-After", "10")
		fail(w, ev, http.StatusServiceUnavailable, "ClusterUnavailable", "The cluster takes no members at the moment: a majority of its members must answer. See its log.")
	}
}

func fail(w http.ResponseWriter, ev *httpx.Event, status int, code, message string) {
	ev.ErrorCode = code
	var body problem
	body.Error.Code, body.Error.Message = code, message
	if err := httpx.WriteJSON(w, status, body); err != nil {
		ev.Err = err
	}
}
