package lock

import (
	"net/http"
	"strings"

	"midas/internal/arm"
)

// CodeScopeLocked is the code of the error for an operation that locks forbid.
const CodeScopeLocked = "ScopeLocked"

// errScopeLocked is Azure's error for an operation that locks at some scopes forbid.
func errScopeLocked(o Operation, scope arm.ID, locked []string) *arm.Error {
	return arm.Errorf(http.StatusConflict, CodeScopeLocked,
		"The scope '%s' cannot perform %s operation because following scope(s) are locked: '%s'. Please remove the lock and try again.",
		scope, o, strings.Join(locked, ","))
}

func errNotFound(name string) *arm.Error {
	return arm.Errorf(http.StatusNotFound, "LockNotFound", "The lock '%s' could not be found.", name)
}

func errName(name string) *arm.Error {
	return arm.Errorf(http.StatusBadRequest, "InvalidLockName",
		"The lock name '%s' is not valid. It must have 1 to %d characters and none of '<,>,%%,&,:,\\,?,/' and control characters.", name, maxName)
}

func errLevel(level string) *arm.Error {
	return arm.Errorf(http.StatusBadRequest, "InvalidLockLevel",
		"The lock level '%s' is not valid. It must be one of: %s, %s, %s.", level, NotSpecified, CanNotDelete, ReadOnly)
}

func errNotes() *arm.Error {
	return arm.Errorf(http.StatusBadRequest, "InvalidLockNotes", "The notes of a lock are longer than %d characters.", maxNotes)
}

func errOwners() *arm.Error {
	return arm.Errorf(http.StatusBadRequest, "InvalidLockOwners",
		"A lock can have at most %d owners, each with the applicationId of an application, which is a GUID.", maxOwners)
}

func errScope(scope arm.ID) *arm.Error {
	return arm.Errorf(http.StatusBadRequest, "InvalidLockScope",
		"The scope '%s' cannot be locked. Locks are for subscriptions, resource groups and resources.", scope)
}

func errLimit(most int, where string) *arm.Error {
	return arm.Errorf(http.StatusConflict, "LockLimitExceeded", "No more than %d locks can be created %s.", most, where)
}

func errFilter(filter string) *arm.Error {
	return arm.Errorf(http.StatusBadRequest, "InvalidFilterInQueryString",
		"The filter '%s' is not supported. The supported filter is 'atScope()'.", filter)
}
