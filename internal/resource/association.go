package resource

import (
	"fmt"
	"iter"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Associate notes that a resource uses an identity; Dissociate ends that. The resource need not be
// in the identity's group, and the identity need not exist any more. The principal is what tells
// the identity from a later one of the same name.
func Associate(tx store.Tx, identity arm.ID, principal string, resource arm.ID) {
	tx.Put(associationKey(identity)+resource.Key(), []byte(principal+" "+resource.String()))
}

// Dissociate ends what Associate has noted.
func Dissociate(tx store.Tx, identity, resource arm.ID) {
	tx.Delete(associationKey(identity) + resource.Key())
}

// Associations yields the resources that use the identity with this principal, in id order.
func Associations(tx store.Tx, identity arm.ID, principal string) iter.Seq2[arm.ID, error] {
	return func(yield func(arm.ID, error) bool) {
		for kept, err := range tx.Scan(store.Range{Prefix: associationKey(identity)}) {
			if err != nil {
				yield(arm.ID{}, err)
				return
			}
			given, spelled, _ := strings.Cut(string(kept.Value), " ")
			if given != principal {
				continue // it used an identity that is gone, and still names it
			}
			id, err := arm.ParseID(spelled)
			if err != nil {
				yield(arm.ID{}, fmt.Errorf("association %s: %w", kept.Key, err))
				return
			}
			if !yield(id, nil) {
				return
			}
		}
	}
}

func associationKey(identity arm.ID) string {
	return store.AssociationIndex.Keys + identity.Key() + "\x00"
}
