package hierarchy

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
)

// Maximum lengths, in characters.
const (
	maxName        = 90
	maxDisplayName = 90
)

// refusal is an error of the provider Microsoft.Management, as opposed to one of Resource Manager itself.
func refusal(status int, code, format string, args ...any) *arm.Error {
	err := arm.Errorf(status, code, format, args...)
	err.Backend = true
	return err
}

// ErrNotFound is the 404 for a management group that does not exist.
func ErrNotFound(name string) *arm.Error {
	return refusal(http.StatusNotFound, "NotFound", "'/providers/%s/%s' not found", Type, arm.Clip(name))
}

func errSubscriptionNotBelow(group, subscription string) *arm.Error {
	return refusal(http.StatusNotFound, "NotFound", "'/providers/%s/%s/subscriptions/%s' not found", Type, arm.Clip(group), subscription)
}

func errParentNotFound(name string) *arm.Error {
	return refusal(http.StatusBadRequest, "BadRequest", "The parent management group '%s' was not found.", arm.Clip(name))
}

func errBeingDeleted(name string) *arm.Error {
	return refusal(http.StatusConflict, "Conflict", "The management group '%s' is being deleted.", name)
}

func errTooManyGroups() *arm.Error {
	return refusal(http.StatusBadRequest, "BadRequest", "The tenant has %d management groups, which is the limit.", MaxGroups)
}

func errTooDeep() *arm.Error {
	return refusal(http.StatusBadRequest, "BadRequest",
		"The hierarchy would have more than %d levels of management groups below the root management group.", MaxDepth)
}

func errCycle(name, parent string) *arm.Error {
	return refusal(http.StatusBadRequest, "BadRequest",
		"The management group '%s' cannot have the parent '%s', which is the group itself or one of its descendants.", name, parent)
}

func errRootMoved() *arm.Error {
	return refusal(http.StatusBadRequest, "BadRequest", "The root management group cannot be moved.")
}

func errRootDeleted() *arm.Error {
	return refusal(http.StatusBadRequest, "BadRequest", "The root management group cannot be deleted.")
}

func errHasChildren(name string) *arm.Error {
	return refusal(http.StatusBadRequest, "BadRequest",
		"The management group '%s' cannot be deleted, because it has children. Move or delete its management groups and subscriptions first.", name)
}

// CheckName returns an error for a name that no management group can have. A name has 1 to 90 letters and digits
// of ASCII, hyphens, underscores, periods and parentheses. It begins with a letter or a digit, and does not end
// with a period.
func CheckName(name string) error {
	begins := func(c rune) bool {
		return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	bad := strings.IndexFunc(name, func(c rune) bool { return !begins(c) && !strings.ContainsRune("-_.()", c) })
	if name == "" || len(name) > maxName || bad >= 0 || !begins(rune(name[0])) || strings.HasSuffix(name, ".") {
		return refusal(http.StatusBadRequest, "InvalidGroupId",
			"The management group id '%s' is not valid. It has 1 to %d letters, digits, '-', '_', '.', '(' and ')', begins with a letter or a digit and does not end with '.'.",
			arm.Clip(name), maxName)
	}
	return nil
}

func checkDisplayName(name string) error {
	if n := utf8.RuneCountInString(name); !utf8.ValidString(name) || n == 0 || n > maxDisplayName || strings.ContainsFunc(name, unicode.IsControl) {
		return refusal(http.StatusBadRequest, "InvalidDisplayName",
			"The display name of a management group has 1 to %d characters, and no control characters.", maxDisplayName)
	}
	return nil
}
