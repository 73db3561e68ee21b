package directory

import "midas/internal/store"

// principalResource is the part of a service principal's record that ManagedIdentityChanged reads.
var principalResource = store.Table[struct {
	ResourceID string `json:"resourceId"`
}]{Kind: store.PrincipalKind}

// ManagedIdentityChanged reports whether a change of the store is the creation or a change of a managed
// identity's service principal, and returns the ARM id of the identity or, for a system-assigned one, of
// its resource. A deletion is not reported: it also changes the record of the identity or of its resource.
func ManagedIdentityChanged(change store.Change) (resourceID string, changed bool, err error) {
	if !store.PrincipalKind.Holds(change.Key) || change.Deleted {
		return "", false, nil
	}
	p, err := principalResource.Decode(store.Record{Key: change.Key, Value: change.Value})
	return p.ResourceID, err == nil && p.ResourceID != "", err
}
