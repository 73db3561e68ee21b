package fleet

import (
	"iter"

	"midas/internal/store"
)

// Inconsistencies checks hosts and enrollment tokens. It yields a store.Flaw for each that names no resource, and for each
// host under the key of another one. It ends after an error of the store. That the resource has gone is no flaw: the
// record is removed when a job next looks.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	checks := store.Checks{
		store.HostKind:            func(_ store.Tx, rec store.Record) error { _, err := hosts.Decode(rec); return err },
		store.EnrollmentTokenKind: func(_ store.Tx, rec store.Record) error { _, err := enrollmentTokens.Decode(rec); return err },
	}
	return store.Examine(tx, checks, "h/")
}
