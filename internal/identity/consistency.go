package identity

import (
	"fmt"
	"iter"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Inconsistencies checks the stored identity of every resource. It yields an error for each record whose
// key names another resource, and for each that refers to an identity by an invalid id. It stops after an
// error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	return func(yield func(error) bool) {
		for kept, err := range tx.Scan(store.Range{Prefix: store.ResourceIdentityKind.Keys}) {
			if err != nil {
				yield(err)
				return
			}
			if err := checkStoredIdentity(kept); err != nil && !yield(fmt.Errorf("%s: %w", kept.Key, err)) {
				return
			}
		}
	}
}

func checkStoredIdentity(kept store.Record) error {
	r, err := storedIdentities.Decode(kept)
	if err != nil {
		return err
	}
	if err := arm.CheckKey(r.Resource, strings.TrimPrefix(kept.Key, store.ResourceIdentityKind.Keys)); err != nil {
		return err
	}
	b, err := identityFromStored(r)
	if err != nil {
		return err
	}
	for _, ref := range b.references {
		if err := arm.CheckKey(ref.ID, ref.id.Key()); err != nil {
			return err
		}
	}
	return nil
}
