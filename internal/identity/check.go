package identity

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/resource"
)

const (
	minName = 3
	maxName = 128
)

// clone returns a copy with its own tags and restrictions.
func (i Identity) clone() Identity {
	i.Tags = maps.Clone(i.Tags)
	if i.Restrictions != nil {
		i.Restrictions = &Restrictions{Providers: slices.Clone(i.Restrictions.Providers)}
	}
	return i
}

// WireID returns an id as Microsoft.ManagedIdentity writes it: with "resourcegroups" in lower case.
func WireID(id arm.ID) string {
	return strings.Replace(id.String(), "/resourceGroups/", "/resourcegroups/", 1)
}

// CheckName returns an error if ARM refuses a name of an identity.
func CheckName(name string) error { return checkName(name) }

// checkName applies the documented rule for names of identities. Microsoft also documents that a name of more
// than 24 characters may fail when the identity is assigned to a virtual machine or a scale set. Azure does not
// enforce that limit when an identity is created, and neither does Midas.
func checkName(name string) error {
	if len(name) < minName || len(name) > maxName || !plain(name) {
		return arm.Errorf(http.StatusBadRequest, "InvalidResourceName",
			"The resource name '%s' is invalid. It must have %d to %d letters, digits, '-' and '_', and begin with a letter or digit.",
			name, minName, maxName)
	}
	return nil
}

// plain reports whether a name has only ASCII letters, digits, '-' and '_', and begins with one of
// the first two.
func plain(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '-' || c == '_'):
		default:
			return false
		}
	}
	return name != ""
}

// check returns an error if an identity cannot change from old to wanted.
func check(old, wanted Identity, created bool) error {
	switch {
	case created && wanted.Location == "":
		return arm.ErrLocationRequired()
	case !slices.Contains([]string{"", "None", "Regional"}, wanted.Isolation):
		return arm.Errorf(http.StatusBadRequest, "BadRequest",
			"The isolation scope '%s' is invalid. It must be 'None' or 'Regional'.", wanted.Isolation)
	}
	if err := resource.CheckSameLocation(old.ID, old.Location, wanted.Location); err != nil {
		return err
	}
	if created {
		if err := resource.CheckLocation(wanted.Location, Type); err != nil {
			return err
		}
	}
	if err := checkRestrictions(wanted.Restrictions); err != nil {
		return err
	}
	return resource.CheckTags(wanted.Tags)
}

const maxRestrictions = 100

// checkRestrictions returns an error unless each restriction is a provider's namespace or a type of it, without
// wildcards.
func checkRestrictions(r *Restrictions) error {
	if r == nil {
		return nil
	}
	if len(r.Providers) > maxRestrictions {
		return arm.Errorf(http.StatusBadRequest, "BadRequest", "At most %d assignment restrictions are allowed.", maxRestrictions)
	}
	for _, provider := range r.Providers {
		for part := range strings.SplitSeq(provider, "/") {
			if len(provider) > maxName || !plain(strings.ReplaceAll(part, ".", "")) {
				return arm.Errorf(http.StatusBadRequest, "BadRequest",
					"The assignment restriction '%s' is invalid. It must be a resource provider such as 'Microsoft.Compute' or a resource type, without wildcards.", provider)
			}
		}
	}
	return nil
}
