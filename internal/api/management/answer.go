package management

import (
	"errors"
	"net/http"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/store"
)

// commonHeaders are headers that ARM sends with each answer. An error has another header, which says whether
// ARM (gateway) or the resource provider (service) has failed.
var (
	commonHeaders = httpx.Fixed("Cache-Control", "no-cache", "Pragma", "no-cache", "Expires", "-1", "X-Content-Type-Options", "nosniff")
	gatewayFailed = httpx.Fixed("X-Ms-Failure-Cause", "gateway")
	serviceFailed = httpx.Fixed("X-Ms-Failure-Cause", "service")
)

// answer writes the response of an operation.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, ev *httpx.Event, response *Response) {
	h.head(w.Header(), r, ev)
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	if response.Encoded != nil {
		httpx.WriteBody(w, response.Status, response.Encoded)
		return
	}
	if response.Body == nil {
		if response.Status != http.StatusNoContent {
			w.Header().Set("Content-Length", "0")
		}
		w.WriteHeader(response.Status)
		return
	}
	if err := httpx.WriteJSON(w, response.Status, response.Body); err != nil {
		h.fail(w, r, ev, err)
	}
}

// fail writes an error: an *arm.Error as it is, any other as internalError maps it. The cause of the latter is
// only in the log.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, ev *httpx.Event, err error) {
	var visible *arm.Error
	if !errors.As(err, &visible) {
		ev.Err = err
		visible = internalError(err)
	}
	ev.ErrorCode = visible.Code
	header := w.Header()
	h.head(header, r, ev)
	switch {
	case visible.Status >= 500:
		serviceFailed.Set(header)
	case !visible.Backend:
		gatewayFailed.Set(header)
	}
	for name, values := range visible.Header {
		header[name] = values
	}
	if err := httpx.WriteJSON(w, visible.Status, visible); err != nil {
		ev.Err = errors.Join(ev.Err, err)
	}
}

// notFound returns the answer to a HEAD request for something that does not exist.
func notFound() *Response {
	return &Response{Status: http.StatusNotFound, Header: http.Header{"X-Ms-Failure-Cause": {"gateway"}}}
}

// internalError maps an error that is not an *arm.Error: an unavailable or busy store to 503, too large a
// record to 400, every other error to 500.
func internalError(err error) *arm.Error {
	if f := httpx.AsFault(err); f != nil {
		injected := arm.Errorf(f.Status, f.Code, "%s", f.Message)
		injected.Header = f.Header()
		return injected
	}
	if errors.Is(err, store.ErrOutdated) {
		down := arm.Errorf(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is not available at the moment. Please try again.")
		down.Header = http.Header{"Retry-After": {"1"}}
		return down
	}
	if errors.Is(err, store.ErrUnavailable) {
		down := arm.Errorf(http.StatusServiceUnavailable, "ServiceUnavailable", "The service takes no changes at the moment. Please try again later.")
		down.Header = http.Header{"Retry-After": {"10"}}
		return down
	}
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrClosed) {
		busy := arm.Errorf(http.StatusServiceUnavailable, "ServerBusy", "The server is busy. Please try again.")
		busy.Header = http.Header{"Retry-After": {"1"}}
		return busy
	}
	if errors.Is(err, store.ErrTooLarge) {
		return arm.Errorf(http.StatusBadRequest, "RequestContentTooLarge", "The resource would be too large to store.")
	}
	return arm.Errorf(http.StatusInternalServerError, "InternalServerError", "Encountered internal server error.")
}

// Refuse writes the error for a request that the router refuses before Serve.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request, ev *httpx.Event, status int) {
	ev.API = "management"
	code, message := httpx.Refusal(status)
	h.fail(w, r, ev, arm.Errorf(status, code, "%s", message))
}

// head sets the headers that every answer has. The client request id is among them if the request asks for
// it with x-ms-return-client-request-id.
func (h *Handler) head(header http.Header, r *http.Request, ev *httpx.Event) {
	commonHeaders.Set(header)
	httpx.StrictTransport(header, ev)
	header["X-Ms-Correlation-Request-Id"] = header["X-Ms-Request-Id"]
	if ev.CorrelationID != ev.RequestID {
		header["X-Ms-Correlation-Request-Id"] = []string{ev.CorrelationID}
	}
	header["X-Ms-Routing-Request-Id"] = []string{"MIDAS:" + ev.Start.UTC().Format("20060102T150405Z") + ":" + ev.RequestID}
	if ev.ClientRequestID != "" && arm.SameName(r.Header.Get("X-Ms-Return-Client-Request-Id"), "true") {
		header["X-Ms-Client-Request-Id"] = []string{ev.ClientRequestID}
	}
}
