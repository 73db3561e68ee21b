package resource

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
)

// ARM's limits on the tags of one resource.
const (
	maxTags     = 50
	maxTagName  = 512
	maxTagValue = 256
)

// CheckTags applies ARM's rules for tags. Their names compare without case.
func CheckTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return arm.Errorf(http.StatusBadRequest, "InvalidTagCount",
			"A resource can have at most %d tags; %d were given.", maxTags, len(tags))
	}
	seen := make(map[string]bool, len(tags))
	for name, value := range tags {
		switch {
		case name == "" || utf8.RuneCountInString(name) > maxTagName:
			return arm.Errorf(http.StatusBadRequest, "InvalidTagName", "A tag name must have 1 to %d characters.", maxTagName)
		case strings.ContainsAny(name, `<>%&\?/`):
			return arm.Errorf(http.StatusBadRequest, "InvalidTagNameCharacters",
				`The tag name '%s' contains one of the reserved characters '<,>,%%,&,\,?,/'.`, name)
		case utf8.RuneCountInString(value) > maxTagValue:
			return arm.Errorf(http.StatusBadRequest, "InvalidTagValue",
				"The value of tag '%s' is longer than %d characters.", name, maxTagValue)
		case seen[arm.Fold(name)]:
			return arm.Errorf(http.StatusBadRequest, "DuplicateTagName", "The tag name '%s' occurs more than once.", name)
		}
		seen[arm.Fold(name)] = true
	}
	return nil
}

// CheckLocation checks the form of a region's name. It accepts any name of that form, because a private
// installation has regions of its own.
func CheckLocation(location string, typ arm.Type) error {
	if !arm.ValidLocation(arm.Location(location)) {
		return arm.Errorf(http.StatusBadRequest, "LocationNotAvailableForResourceType",
			"The provided location '%s' is not available for resource type '%s'. List of available regions for the resource type is 'any name of at most 64 letters, digits and hyphens'.", location, typ)
	}
	return nil
}

// CheckSameLocation returns an error if a write would change the location of a resource, because ARM does not
// allow that. An empty wanted location means no change.
func CheckSameLocation(id arm.ID, have, wanted string) error {
	if wanted == "" || have == "" || arm.Location(wanted) == have {
		return nil
	}
	return arm.Errorf(http.StatusConflict, "InvalidResourceLocation",
		"The resource '%s' already exists in location '%s' in resource group '%s'. A resource with the same name cannot be created in location '%s'. Please select a new resource name.",
		id.Name(), have, id.ResourceGroup(), wanted)
}

const codeBeingDeleted = "ResourceBeingDeleted"

// ErrBeingDeleted is the 409 for a write to a resource that is being deleted.
func ErrBeingDeleted(id arm.ID) *arm.Error {
	return arm.Errorf(http.StatusConflict, codeBeingDeleted, "The resource '%s' is being deleted and cannot perform this operation.", id)
}
