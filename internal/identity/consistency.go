package identity

import (
	"fmt"
	"iter"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Inconsistencies looks through the identity blocks of all resources, and yields those that are not of
// the resource that their key names, or that name identities by ids which cannot be read. An error of
// the store is the last that it yields.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	return func(yield func(error) bool) {
		for kept, err := range tx.Scan(store.Range{Prefix: store.BlockKind.Keys}) {
			if err != nil {
				yield(err)
				return
			}
			if err := checkBlockRecord(kept); err != nil && !yield(fmt.Errorf("%s: %w", kept.Key, err)) {
				return
			}
		}
	}
}

func checkBlockRecord(kept store.Record) error {
	r, err := blocks.Decode(kept)
	if err != nil {
		return err
	}
	if err := arm.CheckKey(r.Resource, strings.TrimPrefix(kept.Key, store.BlockKind.Keys)); err != nil {
		return err
	}
	b, err := blockOf(r)
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
