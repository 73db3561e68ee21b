package checkaccess

import (
	"errors"
	"fmt"
	"net/http"

	"midas/internal/api/bearer"
	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/decision"
	"midas/internal/store"
)

// Error is an error in the form of this API: {"statusCode": 403, "message": "..."}.
type Error struct {
	Status  int         `json:"statusCode"`
	Message string      `json:"message"`
	Code    string      `json:"-"` // in the log and in x-ms-error-code
	Header  http.Header `json:"-"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// refuse maps an error of package bearer to a 401. It returns any other error unchanged.
func (h *Handler) refuse(r *http.Request, err error) error {
	if !bearer.IsRefusal(err) {
		return err
	}
	message := "The access token is invalid, has expired or was revoked."
	var audience *bearer.AudienceError
	switch {
	case errors.Is(err, bearer.ErrNoToken), errors.Is(err, bearer.ErrNotBearer):
		message = "The request has no bearer token."
	case errors.As(err, &audience):
		message = "The access token is not for https://authorization.azure.net."
	}
	refusal := errorf(http.StatusUnauthorized, "Unauthorized", "%s", message)
	refusal.Header = http.Header{"Www-Authenticate": {fmt.Sprintf(
		`Bearer authorization_uri="%s/common/oauth2/authorize", error="invalid_token"`, azure.OriginsFor(r.Host, h.Origin).Login)}}
	return refusal
}

var common = httpx.Fixed("Cache-Control", "no-store", "X-Content-Type-Options", "nosniff")

func setHeaders(header http.Header, ev *httpx.Event) {
	common.Set(header)
	httpx.StrictTransport(header, ev)
}

// fail writes an error. What is neither an *Error nor a *decision.Error becomes a 500 or a 503 whose cause is only in the
// log.
func (h *Handler) fail(w http.ResponseWriter, ev *httpx.Event, err error) {
	visible := asError(err)
	if visible.Status >= 500 {
		ev.Err = err
	}
	ev.ErrorCode = visible.Code
	header := w.Header()
	setHeaders(header, ev)
	header["X-Ms-Error-Code"] = []string{visible.Code}
	for name, values := range visible.Header {
		header[name] = values
	}
	if err := httpx.WriteJSON(w, visible.Status, visible); err != nil {
		ev.Err = errors.Join(ev.Err, err)
	}
}

func asError(err error) *Error {
	var visible *Error
	var question *decision.Error
	if f := httpx.AsFault(err); f != nil {
		injected := errorf(f.Status, f.Code, "%s", f.Message)
		injected.Header = f.Header()
		return injected
	}
	switch {
	case errors.As(err, &visible):
		return visible
	case errors.As(err, &question):
		return errorf(http.StatusBadRequest, "BadRequest", "%s", question.Message)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrClosed):
		busy := errorf(http.StatusServiceUnavailable, "ServiceUnavailable", "The service is not available at the moment. Please try again later.")
		busy.Header = http.Header{"Retry-After": {"1"}}
		return busy
	}
	return errorf(http.StatusInternalServerError, "InternalServerError", "Encountered internal server error.")
}

// isARM reports whether an error is one that ARM shows to clients: a subscription does not exist.
func isARM(err error) bool {
	var visible *arm.Error
	return errors.As(err, &visible)
}
