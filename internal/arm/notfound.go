package arm

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// This file has the 404s of ARM for resources, parents, groups, subscriptions, operations, types and
// namespaces.

// Error codes for a resource that does not exist.
const (
	CodeResourceNotFound = "ResourceNotFound"
	CodeParentNotFound   = "ParentResourceNotFound"
)

// ErrResourceNotFound is the 404 for a resource that does not exist in an existing group. The text has the
// type as typ spells it, with types and names alternating, as in Microsoft.X/parents/p/children/c.
func ErrResourceNotFound(id ID, typ Type) *Error {
	return Errorf(http.StatusNotFound, CodeResourceNotFound,
		"The Resource '%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
		id.relative(typ), groupOrNull(id))
}

// ErrResourceGroupNotFound is the 404 for a group that does not exist.
func ErrResourceGroupNotFound(name string) *Error {
	return Errorf(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", name)
}

// ErrSubscriptionNotFound is the 404 for a subscription that does not exist.
func ErrSubscriptionNotFound(id string) *Error {
	return Errorf(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", id)
}

// ErrMissingSubscription is the 404 for a path that names neither a subscription nor a type that the tenant has.
func ErrMissingSubscription() *Error {
	return Errorf(http.StatusNotFound, "MissingSubscription",
		"The request did not have a subscription or a valid tenant level resource provider.")
}

// ErrParentNotFound is the 404 for a nested resource, or a list of them, whose parent does not exist. The verb
// is the operation: read or write.
func ErrParentNotFound(verb string, typ Type, parent ID) *Error {
	return Errorf(http.StatusNotFound, CodeParentNotFound,
		"Failed to perform '%s' on resource(s) of type '%s', because the parent resource '%s' could not be found.",
		verb, typ.Path(), parent)
}

// ErrNoSystemIdentity is the 404 for the system-assigned identity of a resource that has none.
func ErrNoSystemIdentity(scope ID) *Error {
	return Errorf(http.StatusNotFound, CodeResourceNotFound, "The resource '%s' has no system-assigned managed identity.", scope)
}

// ErrOperationNotFound is the 404 for an asynchronous operation that does not exist.
func ErrOperationNotFound(name string) *Error {
	return Errorf(http.StatusNotFound, "OperationNotFound", "The operation '%s' could not be found.", name)
}

// ErrInvalidResourceType is the 404 for a type that a known namespace does not have. The version is the
// api-version of the request; it may be empty.
func ErrInvalidResourceType(namespace, version string) *Error {
	return Errorf(http.StatusNotFound, "InvalidResourceType",
		"The resource type could not be found in the namespace '%s' for api version '%s'.", namespace, version)
}

// ErrInvalidResourceNamespace is the 404 for a namespace that is not known. The hint is a sentence that is
// added to ARM's own; it may be empty.
func ErrInvalidResourceNamespace(namespace, hint string) *Error {
	text := fmt.Sprintf("The resource namespace '%s' is invalid.", namespace)
	if hint != "" {
		text += " " + hint
	}
	return Errorf(http.StatusNotFound, "InvalidResourceNamespace", "%s", text)
}

// IsNotFound reports whether err is a 404: the resource, its parent, its group or its subscription does
// not exist.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// IsResourceNotFound reports whether err is the 404 for a resource or its parent that does not exist in an
// existing group.
func IsResourceNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound && (e.Code == CodeResourceNotFound || e.Code == CodeParentNotFound)
}

// relative returns the part of the id below its group, or below the resource that it extends: the provider's
// namespace, then types and names alternating. It spells the type as typ, if typ is the id's type.
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
