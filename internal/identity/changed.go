package identity

import (
	"strings"

	"midas/internal/store"
)

// ChangedResource reports whether a changed key of the store is that of a resource's identities, and
// returns the key of the resource.
func ChangedResource(key string) (resourceKey string, changed bool) {
	if !store.ResourceIdentityKind.Holds(key) {
		return "", false
	}
	return strings.TrimPrefix(key, store.ResourceIdentityKind.Keys), true
}

// IsUserAssigned reports whether the key of a resource is that of a user-assigned identity, or of a resource
// nested in one.
func IsUserAssigned(resourceKey string) bool {
	return strings.Contains(resourceKey, "/providers/"+Type.Key()+"/")
}
