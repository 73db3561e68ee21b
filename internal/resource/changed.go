package resource

import (
	"strings"

	"midas/internal/store"
)

// Changed reports whether a changed key of the store is that of a resource. It returns the key of the
// resource's id.
func Changed(key string) (resourceKey string, changed bool) {
	if !store.ResourceKind.Holds(key) {
		return "", false
	}
	return strings.TrimPrefix(key, store.ResourceKind.Keys), true
}
