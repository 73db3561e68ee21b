package rbac

import (
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/rbac/condition"
)

// The versions of the language of conditions. Azure's documents name only 2.0, but Azure also takes 1.0, which
// azurerm and the examples of the API use.
const (
	conditions1 = "1.0"
	conditions2 = "2.0"
)

// checkCondition checks the condition of a role assignment or a deny assignment and the version of its language, and
// returns both as they are stored. The version is 2.0 for a condition without one, as Azure documents. An empty text
// means the same as none: Azure documents both as the way to remove a condition. invalid makes the error from its
// reason.
func checkCondition(text, version *string, invalid func(reason string) *arm.Error) (_, _ *string, err error) {
	text, version = nonEmpty(text), nonEmpty(version)
	switch {
	case text == nil && version == nil:
		return nil, nil, nil
	case text == nil:
		return nil, nil, invalid("A conditionVersion needs a condition")
	case version == nil:
		version = new(conditions2)
	case *version != conditions1 && *version != conditions2:
		return nil, nil, invalid(fmt.Sprintf("The conditionVersion '%s' is not supported; it must be '2.0'", arm.Clip(*version)))
	}
	parsed, err := condition.Parse(*text)
	var fault *condition.SyntaxError
	switch {
	case errors.As(err, &fault):
		return nil, nil, invalid(fmt.Sprintf("Line %d, column %d: %s", fault.Line, fault.Column, fault.Reason))
	case err != nil:
		return nil, nil, err
	case *version == conditions1 && parsed.NeedsVersion2():
		return nil, nil, invalid("ActionMatches and SubOperationMatches need the conditionVersion 2.0")
	}
	return text, version, nil
}

// nonEmpty returns nil for an empty text.
func nonEmpty(s *string) *string {
	if s == nil || *s == "" {
		return nil
	}
	return s
}
