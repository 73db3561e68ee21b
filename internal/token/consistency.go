package token

import (
	"errors"
	"fmt"
	"iter"

	"midas/internal/store"
)

// Inconsistencies checks the signing keys. It yields a store.Flaw for each that has no sealed key or is under the key of
// another one. It ends after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	return store.Examine(tx, store.Checks{store.KeyKind: checkRow}, rowPrefix)
}

func checkRow(tx store.Tx, rec store.Record) error {
	if rec.Key == headKey {
		_, err := head.Decode(rec)
		return err
	}
	row, err := rows.Decode(rec)
	if err != nil {
		return err
	}
	if rowPrefix+row.KID != rec.Key {
		err = fmt.Errorf("it names the key %q", row.KID)
	}
	if len(row.Sealed) == 0 {
		err = errors.Join(err, errors.New("it has no key"))
	}
	return errors.Join(err, store.Exists(tx, "the record that guards the keys", headKey))
}
