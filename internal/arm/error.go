package arm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
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
	Header  http.Header // extra response headers, such as WWW-Authenticate
	Backend bool        // made by the resource provider, not by ARM itself
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

type errorBody struct {
	Code    string      `json:"code"`
	Message string      `json:"message"`
	Target  string      `json:"target,omitempty"`
	Details []errorBody `json:"details,omitempty"`
}

func (e *Error) body() errorBody {
	b := errorBody{Code: e.Code, Message: e.Message, Target: e.Target}
	for _, d := range e.Details {
		b.Details = append(b.Details, d.body())
	}
	return b
}

// MarshalJSON gives the wire form.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]errorBody{"error": e.body()})
}

// Errorf makes an error of ARM itself, not of a resource provider.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrResourceNotFound is the 404 for a resource that does not exist in an existing group. The 404s of ARM for
// resources, groups, subscriptions and parents are all in this file. The text has the type as typ spells
// it, with types and names alternating, as in Microsoft.X/parents/p/children/c.
func ErrResourceNotFound(id ID, typ Type) *Error {
	return Errorf(http.StatusNotFound, CodeResourceNotFound,
		"The Resource '%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
		id.relative(typ), groupOrNull(id))
}

// ErrResourceGroupNotFound says that a group does not exist.
func ErrResourceGroupNotFound(name string) *Error {
	return Errorf(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", name)
}

// ErrSubscriptionNotFound says that a subscription does not exist.
func ErrSubscriptionNotFound(id string) *Error {
	return Errorf(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", id)
}

// Codes of errors that say that a resource does not exist.
const (
	CodeResourceNotFound = "ResourceNotFound"
	CodeParentNotFound   = "ParentResourceNotFound"
)

// IsNotFound reports whether err is a 404: the resource, its parent, its group or its subscription does
// not exist.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// IsResourceNotFound reports whether err says that a resource or its parent does not exist, in a group
// that does.
func IsResourceNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound && (e.Code == CodeResourceNotFound || e.Code == CodeParentNotFound)
}

// ErrParentNotFound says that the parent of a nested resource, or of a list of them, does not exist.
// The verb is the operation: read or write.
func ErrParentNotFound(verb string, typ Type, parent ID) *Error {
	return Errorf(http.StatusNotFound, CodeParentNotFound,
		"Failed to perform '%s' on resource(s) of type '%s', because the parent resource '%s' could not be found.",
		verb, typ.Path(), parent)
}

// ErrInvalidContent says that the body does not have the form that the operation expects.
func ErrInvalidContent(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "InvalidRequestContent",
		"The request content was invalid and could not be deserialized: '%s'.", fmt.Sprintf(format, args...))
}

// ErrLocationRequired says that a new resource lacks its location.
func ErrLocationRequired() *Error {
	return Errorf(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
}

// relative is the id below its group, or below what it extends: the provider's namespace, then types
// and names alternating. The type is spelled as typ, if typ is the id's.
func (id ID) relative(typ Type) string {
	if !typ.Is(id.Type()) {
		typ = id.Type()
	}
	words := strings.Split(string(typ), "/")
	text := words[0]
	for i, l := range id.levels[max(0, len(id.levels)-len(words)+1):] {
		text += "/" + words[i+1] + "/" + l.name
	}
	return text
}

func groupOrNull(id ID) string {
	if group := id.ResourceGroup(); group != "" {
		return group
	}
	return "<null>"
}
