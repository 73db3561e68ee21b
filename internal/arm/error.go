package arm

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Error is a failure in the form that an ARM client may see. It marshals to the body that all ARM clients
// read: {"error":{"code","message","target","details"}}. The text of every other error is only logged, and
// the client gets a plain 500.
type Error struct {
	Status  int    // HTTP status
	Code    string // PascalCase, read by programs
	Message string // read by people
	Target  string // the property or parameter that is wrong, if it is known
	Details []*Error
	// Info is what a program may read beside the message. Clients that do not know its types ignore it.
	Info    []AdditionalInfo
	Header  http.Header // extra response headers, such as WWW-Authenticate
	Backend bool        // returned by the resource provider, not by ARM itself
	Bare    bool        // without the "error" around the body, as Microsoft.Insights answers
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// AdditionalInfo is one entry of an error's additionalInfo. Source: ErrorAdditionalInfo in ARM's common types.
type AdditionalInfo struct {
	Type string `json:"type"`
	Info any    `json:"info"` // a JSON object
}

type errorBody struct {
	Code    string           `json:"code"`
	Message string           `json:"message"`
	Target  string           `json:"target,omitempty"`
	Details []errorBody      `json:"details,omitempty"`
	Info    []AdditionalInfo `json:"additionalInfo,omitempty"`
}

func (e *Error) body() errorBody {
	b := errorBody{Code: e.Code, Message: e.Message, Target: e.Target, Info: e.Info}
	for _, d := range e.Details {
		b.Details = append(b.Details, d.body())
	}
	return b
}

// MarshalJSON returns the body of the response.
func (e *Error) MarshalJSON() ([]byte, error) {
	if e.Bare {
		return json.Marshal(e.body())
	}
	return json.Marshal(map[string]errorBody{"error": e.body()})
}

// Errorf returns an error of ARM itself, not of a resource provider.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrInvalidContent is the 400 for a body that does not have the form that the operation expects.
func ErrInvalidContent(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "InvalidRequestContent",
		"The request content was invalid and could not be deserialized: '%s'.", fmt.Sprintf(format, args...))
}

// ErrLocationRequired is the 400 for a new resource without a location.
func ErrLocationRequired() *Error {
	return Errorf(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
}
