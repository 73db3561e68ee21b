package resource

import (
	"fmt"
	"iter"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Inconsistencies checks all records, list keys and associations. It yields an error for each record whose id
// or type is not that of its key, each record without its list key, each list key without its record, and
// each association whose ids are not those of its key. An error of the store is the last that it yields.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	return func(yield func(error) bool) {
		for _, part := range []struct {
			prefix string
			check  func(store.Tx, store.Record) error
		}{{store.ResourceKind.Keys, checkRecord}, {store.TypeIndex.Keys, checkListKey}, {store.AssociationIndex.Keys, checkAssociation}} {
			for kept, err := range tx.Scan(store.Range{Prefix: part.prefix}) {
				if err != nil {
					yield(err)
					return
				}
				if err := part.check(tx, kept); err != nil && !yield(&store.Flaw{Key: kept.Key, Err: err}) {
					return
				}
			}
		}
	}
}

func checkRecord(tx store.Tx, kept store.Record) error {
	rec, err := misplaced.Decode(kept)
	if err != nil {
		return err
	}
	if err := arm.CheckKey(rec.ID, strings.TrimPrefix(kept.Key, store.ResourceKind.Keys)); err != nil {
		return err
	}
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return err
	}
	if !rec.Type.Is(id.Type()) {
		return fmt.Errorf("the type is %q, and that of the id %q", rec.Type, id.Type())
	}
	listed, err := tx.Get(typeKey(id))
	if err != nil {
		return fmt.Errorf("read the list key: %w", err)
	}
	if string(listed.Value) != id.Key() {
		return fmt.Errorf("the list key leads to %q", listed.Value)
	}
	return nil
}

func checkListKey(tx store.Tx, kept store.Record) error {
	id, err := arm.ParseID(string(kept.Value))
	if err != nil {
		return err
	}
	if typeKey(id) != kept.Key {
		return fmt.Errorf("the list key is not that of %q", id)
	}
	_, err = tx.Get(recordKey(id))
	return err
}

func checkAssociation(_ store.Tx, kept store.Record) error {
	identity, resource, _ := strings.Cut(strings.TrimPrefix(kept.Key, store.AssociationIndex.Keys), "\x00")
	if err := arm.CheckKey(identity, identity); err != nil {
		return err
	}
	_, spelled, _ := strings.Cut(string(kept.Value), " ")
	return arm.CheckKey(spelled, resource)
}
