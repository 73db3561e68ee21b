package arm

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Error is what an ARM client may see of a failure. It marshals to the body that all ARM clients
// read: {"error":{"code","message","target","details"}}. Every other error stays inside and
// becomes a plain 500.
type Error struct {
	Status  int    // HTTP status
	Code    string // PascalCase, what programs branch on
	Message string // what people read
	Target  string // the property or parameter at fault, if one is
	Details []*Error
	Header  http.Header // extra response headers, such as WWW-Authenticate
	Backend bool        // made by the resource provider, not by ARM's front door
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

// Errorf makes an error that ARM's front door gives.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrResourceNotFound says that a resource does not exist in its group, which does. The text names
// type and name alternating, as in Microsoft.X/parents/p/children/c.
func ErrResourceNotFound(id ID) *Error {
	return Errorf(http.StatusNotFound, "ResourceNotFound",
		"The Resource '%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
		id.relative(), groupOrNull(id))
}

// ErrResourceGroupNotFound says that a group does not exist.
func ErrResourceGroupNotFound(name string) *Error {
	return Errorf(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", name)
}

// ErrSubscriptionNotFound says that a subscription does not exist.
func ErrSubscriptionNotFound(id string) *Error {
	return Errorf(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", id)
}

// ErrParentNotFound says that the parent of a nested resource does not exist.
func ErrParentNotFound(parent ID) *Error {
	return Errorf(http.StatusNotFound, "ParentResourceNotFound",
		"Can not perform requested operation on nested resource. Parent resource '%s' not found.", parent.names())
}

// ErrInvalidContent says that the body cannot be read as what the operation expects.
func ErrInvalidContent(format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, "InvalidRequestContent",
		"The request content was invalid and could not be deserialized: '%s'.", fmt.Sprintf(format, args...))
}

// ErrLocationRequired says that a new resource lacks its location.
func ErrLocationRequired() *Error {
	return Errorf(http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
}

// relative is the id below its group: the provider's namespace, then types and names alternating.
func (id ID) relative() string {
	base := id.Base()
	if base.IsRoot() {
		return trimProviders(id.raw)
	}
	return trimProviders(id.raw[len(base.raw):])
}

func trimProviders(s string) string {
	const prefix = len("/providers/")
	if len(s) <= prefix {
		return s
	}
	return s[prefix:]
}

// names is the chain of names from the outermost resource to the id: parent/child.
func (id ID) names() string {
	var s string
	for up := id; up.IsResource(); up = up.Parent() {
		if s != "" {
			s = "/" + s
		}
		s = up.Name() + s
	}
	return s
}

func groupOrNull(id ID) string {
	if group := id.ResourceGroup(); group != "" {
		return group
	}
	return "<null>"
}
