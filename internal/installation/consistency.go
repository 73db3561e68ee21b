package installation

import (
	"errors"
	"fmt"
	"iter"

	"midas/internal/store"
)

// Inconsistencies checks the record of the installation and the authorities. It yields a store.Flaw for an installation
// without an id, without a store key or with a store key that no master key opens, and for each authority that is empty or
// has no installation under whose keys it could be sealed. It ends after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	checks := store.Checks{store.InstallationKind: checkRecord, store.AuthorityKind: checkAuthority}
	return store.Examine(tx, checks, recordKey, store.AuthorityKind.Keys)
}

func checkRecord(_ store.Tx, rec store.Record) error {
	r, err := records.Decode(rec)
	if err != nil {
		return err
	}
	if r.ID == "" {
		err = errors.New("it has no id")
	}
	if len(r.Keys) == 0 {
		err = errors.Join(err, errors.New("it has no store key, so nothing that is sealed can be opened"))
	}
	known := map[string]bool{}
	for _, key := range r.Keys {
		if len(key.Sealed) == 0 {
			err = errors.Join(err, fmt.Errorf("the store key %s is sealed under no master key", key.ID))
		}
		if known[key.ID] {
			err = errors.Join(err, fmt.Errorf("two store keys have the id %s", key.ID))
		}
		known[key.ID] = true
	}
	return err
}

func checkAuthority(tx store.Tx, rec store.Record) error {
	row, err := authorities.Decode(rec)
	if err != nil {
		return err
	}
	if len(row.Sealed) == 0 {
		return errors.New("it has no key")
	}
	return store.Exists(tx, "the installation under whose keys it is sealed", recordKey)
}
