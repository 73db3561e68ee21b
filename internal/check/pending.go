package check

import (
	"fmt"
	"iter"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// unfinished is for how long an operation may be without its target: it ends in the transaction that deletes the target,
// or, if another operation has done that, when the job next looks.
const unfinished = time.Hour

// operation has the fields of an operation that are checked.
type operation struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"` // empty for a deletion
	Target  string    `json:"group"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
}

// pending finds operations that have not ended: deletions whose target has gone, and those that began days ago.
func pending(tx store.Tx, now time.Time) iter.Seq[error] {
	operations := store.Table[operation]{Kind: store.OperationKind}
	return func(yield func(error) bool) {
		now, err := lastSeen(tx, now)
		if err != nil {
			yield(err)
			return
		}
		check := func(tx store.Tx, rec store.Record) error {
			op, err := operations.Decode(rec)
			if err != nil {
				return nil // the rule about records reports it
			}
			if store.OperationKind.Keys+arm.Fold(op.Name) != rec.Key {
				return fmt.Errorf("its name is %q", op.Name)
			}
			target, err := arm.ParseID(op.Target)
			if err != nil || !op.Ended.IsZero() {
				return err
			}
			age := now.Sub(op.Started)
			if age > overdue {
				return fmt.Errorf("it began %s ago and has not ended", age.Round(time.Hour))
			}
			if op.Kind != "" || age <= unfinished {
				return nil
			}
			return store.Exists(tx, "its target", store.ResourceKind.Keys+target.Key())
		}
		store.Examine(tx, store.Checks{store.OperationKind: check}, store.OperationKind.Keys)(yield)
	}
}
