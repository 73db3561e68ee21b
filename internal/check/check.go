// Package check finds what is inconsistent in a store, without changing anything. It reads all records once to see
// whether this Midas knows them and can read them, and then asks each package that owns records: the rules about
// records stand beside the code that writes them. Its memory does not grow with the number of records, but with that
// of subscriptions and tenants.
package check

import (
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"midas/internal/directory"
	"midas/internal/fleet"
	"midas/internal/hierarchy"
	"midas/internal/identity"
	"midas/internal/installation"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/replica"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/subscription"
	"midas/internal/token"
)

// Finding is one inconsistency.
type Finding struct {
	Rule    string `json:"rule"`
	Kind    string `json:"kind,omitempty"` // the name of the kind of the record
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`

	KeyBase64 []byte `json:"keyBase64,omitempty"` // of a key that is not UTF-8
}

// rule is a set of checks with a name.
type rule struct {
	name string
	find func(store.Tx) iter.Seq[error]
}

// rules are all rules, in the order in which they run.
func rules(now time.Time) []rule {
	return []rule{
		{"record", records},
		{"resource", resource.Inconsistencies},
		{"identity", identity.Inconsistencies},
		{"directory", directory.Inconsistencies},
		{"role", rbac.Inconsistencies},
		{"lock", lock.Inconsistencies},
		{"management-group", hierarchy.Inconsistencies},
		{"subscription", subscription.Inconsistencies},
		{"installation", installation.Inconsistencies},
		{"signing-key", token.Inconsistencies},
		{"host", fleet.Inconsistencies},
		{"replica", replica.Inconsistencies},
		{"operation", func(tx store.Tx) iter.Seq[error] { return pending(tx, now) }},
		{"expiry", unlisted},
		{"expired", func(tx store.Tx) iter.Seq[error] { return expired(tx, now) }},
	}
}

// Run reads the revision of a transaction and reports what is inconsistent. It ends after an error of the store or of
// report. A record that a rule cannot read is a finding and not an error.
func Run(tx store.Tx, now time.Time, report func(Finding) error) error {
	kinds := store.NewLookup()
	for _, r := range rules(now) {
		for err := range r.find(tx) {
			found := Finding{Rule: r.name, Message: err.Error()}
			var flaw *store.Flaw
			if errors.As(err, &flaw) {
				kind, _ := kinds.Kind(flaw.Key)
				found = Finding{Rule: r.name, Kind: kind.Name, Key: flaw.Key, Message: flaw.Err.Error()}
			} else if broken(err) {
				return fmt.Errorf("check %s: %w", r.name, err)
			}
			if !utf8.ValidString(found.Key) {
				found.Key, found.KeyBase64 = "", []byte(found.Key)
			}
			if err := report(found); err != nil {
				return err
			}
		}
	}
	return nil
}

// broken reports whether an error without a key is one of the store, after which nothing more can be read.
func broken(err error) bool {
	for _, known := range []error{store.ErrStale, store.ErrClosed, store.ErrUnavailable} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// records finds the records that this Midas does not know or cannot read.
func records(tx store.Tx) iter.Seq[error] {
	return func(yield func(error) bool) {
		kinds := store.NewLookup()
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				yield(err)
				return
			}
			kind, err := kinds.Check(rec)
			if err == nil && kind == store.RestoringKind {
				err = store.ErrRestoring
			}
			if err != nil && !yield(&store.Flaw{Key: rec.Key, Err: err}) {
				return
			}
		}
	}
}
