package resource

import (
	"fmt"
	"iter"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Associate records that a resource uses an identity; Dissociate deletes that record. The resource need not
// be in the identity's group, and the identity may have been deleted. The principal distinguishes the
// identity from a later one of the same name.
func Associate(tx store.Tx, identity arm.ID, principal string, resource arm.ID) {
	tx.Put(associationKey(identity)+resource.Key(), []byte(principal+" "+resource.String()))
}

// Dissociate deletes the record of Associate.
func Dissociate(tx store.Tx, identity, resource arm.ID) {
	tx.Delete(associationKey(identity) + resource.Key())
}

// Associations yields the ids of the resources that use the identity with this principal, in key order.
func Associations(tx store.Tx, identity arm.ID, principal string) iter.Seq2[arm.ID, error] {
	return func(yield func(arm.ID, error) bool) {
		for kept, err := range tx.Scan(store.Range{Prefix: associationKey(identity)}) {
			if err != nil {
				yield(arm.ID{}, err)
				return
			}
			given, spelled, _ := strings.Cut(string(kept.Value), " ")
			if given != principal {
				continue // the resource refers to a deleted identity of the same name
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

// AssociatedKeys yields the keys of the resources that refer to the identity with this key, in key order, also
// those that refer to a deleted identity of the same name.
func AssociatedKeys(tx store.Tx, identityKey string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		prefix := store.AssociationIndex.Keys + identityKey + "\x00"
		for kept, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if !yield(strings.TrimPrefix(kept.Key, prefix), err) || err != nil {
				return
			}
		}
	}
}

func associationKey(identity arm.ID) string {
	return store.AssociationIndex.Keys + identity.Key() + "\x00"
}
