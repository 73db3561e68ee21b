package replica

import (
	"errors"
	"fmt"
	"iter"
	"net/url"

	"midas/internal/store"
)

// Inconsistencies checks the records of replicas and of leases. It yields a store.Flaw for each lease without a term,
// without which its holder cannot be told from the one before, and for each replica whose addresses are no URLs or that
// was never seen. It ends after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	checks := store.Checks{store.JobKind: checkLease, store.ReplicaKind: checkReplica}
	return store.Examine(tx, checks, store.JobKind.Keys, store.ReplicaKind.Keys)
}

func checkLease(_ store.Tx, rec store.Record) error {
	l, err := leases.Decode(rec)
	if err == nil && l.Term == 0 {
		err = errors.New("the lease has no term")
	}
	return err
}

func checkReplica(_ store.Tx, rec store.Record) error {
	r, err := replicas.Decode(rec)
	if err != nil {
		return err
	}
	if r.Seen.IsZero() {
		return errors.New("the replica was never seen")
	}
	for _, address := range r.Addresses {
		if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("the address %q is no URL", address)
		}
	}
	return nil
}
