package store

import (
	"fmt"
	"iter"
)

// Flaw says what is inconsistent about the record of a key. The packages that own records yield Flaws for midas check.
type Flaw struct {
	Key string
	Err error
}

func (f *Flaw) Error() string { return fmt.Sprintf("%s: %v", f.Key, f.Err) }

// Unwrap returns Err.
func (f *Flaw) Unwrap() error { return f.Err }

// Checks are functions that check one record of a kind each, by the kind. They may read other records.
type Checks map[Kind]func(Tx, Record) error

// Examine checks all records with one of the prefixes, in the order of the prefixes, and yields a Flaw for each that is
// inconsistent. It keeps no records in memory. An error of the store itself is the last that it yields; it is no Flaw.
func Examine(tx Tx, checks Checks, prefixes ...string) iter.Seq[error] {
	return func(yield func(error) bool) {
		kinds := NewLookup()
		for _, prefix := range prefixes {
			for rec, err := range tx.Scan(Range{Prefix: prefix}) {
				if err != nil {
					yield(err)
					return
				}
				kind, _ := kinds.Kind(rec.Key)
				check := checks[kind]
				if check == nil {
					continue
				}
				if err := check(tx, rec); err != nil && !yield(&Flaw{rec.Key, err}) {
					return
				}
			}
		}
	}
}

// Exists returns an error that names a key if there is no record.
func Exists(tx Tx, what, key string) error {
	if _, err := tx.Get(key); err != nil {
		return fmt.Errorf("%s %s: %w", what, clip(key), err)
	}
	return nil
}
