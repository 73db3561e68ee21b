package rbac

import (
	"errors"
	"fmt"
	"net/http"

	"midas/internal/arm"
	"midas/internal/rbac/condition"
)

// The versions of the language of conditions. Azure's documents name only 2.0, but Azure also takes 1.0, which
// azurerm and the examples of the API use.
const (
	conditions1 = "1.0"
	conditions2 = "2.0"
)

// checkCondition checks the condition of an assignment and the version of its language. It returns the version, which
// is 2.0 for a condition without one, as Azure documents.
func checkCondition(text, version *string) (*string, error) {
	if text == nil {
		if version != nil {
			return nil, arm.Errorf(http.StatusBadRequest, "BadRequest", "A conditionVersion needs a condition.")
		}
		return nil, nil
	}
	if version == nil {
		version = new(conditions2)
	}
	if *version != conditions1 && *version != conditions2 {
		return nil, arm.Errorf(http.StatusBadRequest, "BadRequest", "The conditionVersion '%s' is not supported; it must be '2.0'.", clip(*version))
	}
	parsed, err := condition.Parse(*text)
	var fault *condition.SyntaxError
	switch {
	case errors.As(err, &fault):
		return nil, errInvalidCondition(fmt.Sprintf("Line %d, column %d: %s", fault.Line, fault.Column, fault.Reason))
	case err != nil:
		return nil, err
	case *version == conditions1 && parsed.NeedsVersion2():
		return nil, errInvalidCondition("ActionMatches and SubOperationMatches need the conditionVersion 2.0")
	}
	return version, nil
}
