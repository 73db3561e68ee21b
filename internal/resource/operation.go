package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// Operation is a long-running piece of work that a client can poll. It is kept for a day after its
// end.
type Operation struct {
	V            int       `json:"v"`
	Name         string    `json:"name"`
	Subscription string    `json:"subscription"`
	Target       string    `json:"group"`        // the id of what is being deleted
	Starter      string    `json:"by,omitempty"` // the object id of who asked for it
	Started      time.Time `json:"started"`
	Ended        time.Time `json:"ended,omitzero"`
}

const operationKept = 24 * time.Hour

func operationKey(name string) string { return "o/" + arm.Fold(name) }

func putOperation(tx store.Tx, op Operation) error {
	op.V = 1
	value, err := json.Marshal(op)
	if err != nil {
		return fmt.Errorf("encode operation %s: %w", op.Name, err)
	}
	tx.Put(operationKey(op.Name), value)
	return nil
}

func decodeOperation(kept store.Record) (op Operation, err error) {
	if err := json.Unmarshal(kept.Value, &op); err != nil {
		return Operation{}, fmt.Errorf("decode operation %s: %w", kept.Key, err)
	}
	return op, nil
}

// Operation reads an operation of a subscription.
func (s *Service) Operation(tx store.Tx, subscription, name string) (op Operation, err error) {
	kept, err := tx.Get(operationKey(name))
	if err == nil {
		op, err = decodeOperation(kept)
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && !arm.SameName(op.Subscription, subscription) {
		return op, arm.Errorf(http.StatusNotFound, "OperationNotFound", "The operation '%s' could not be found.", name)
	}
	return op, err
}
