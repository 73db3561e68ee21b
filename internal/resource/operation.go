package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// Operation is work that takes more than one transaction. It is stored in the transaction of the request that
// asks for it, so that the next process finishes it if this one ends before. Clients can poll the deletion
// of a group, so its operation is kept for a day after its end.
type Operation struct {
	Name         string          `json:"name"`
	Kind         string          `json:"kind,omitempty"` // the key of its Worker; empty for a deletion
	Subscription string          `json:"subscription"`
	Target       string          `json:"group"`        // the id of the group or resource
	Starter      string          `json:"by,omitempty"` // the object id of the caller
	Started      time.Time       `json:"started"`
	Ended        time.Time       `json:"ended,omitzero"`
	Event        *activity.Event `json:"event,omitempty"` // of the request, for the events of the work
	Data         json.RawMessage `json:"data,omitempty"`  // for the Worker
}

// Worker carries out operations of one kind. An earlier call or another process may have done a part of the
// work or all of it.
type Worker func(ctx context.Context, op Operation) error

const operationKept = 24 * time.Hour

var operations = store.Table[Operation]{Kind: store.OperationKind}

func operationKey(name string) string { return store.OperationKind.Keys + arm.Fold(name) }

func putOperation(tx store.Tx, op Operation) error {
	return operations.Put(tx, operationKey(op.Name), op)
}

// NewOperation returns an operation, which PutOperation stores. The kind of a deletion is empty.
func (s *Service) NewOperation(kind string, ev activity.Event, target arm.ID) Operation {
	op := Operation{
		Name: s.NewID(), Kind: kind, Subscription: target.Subscription(), Target: target.String(),
		Starter: ev.CallerObjectID, Started: s.Now().UTC(),
	}
	if kind != "" {
		ev.Guard = nil // an accepted request is carried out
		op.Event = &ev
	}
	return op
}

// PutOperation stores an operation of a Worker, in the transaction of the request that asks for it. After the
// commit, Finish carries the operation out.
func (s *Service) PutOperation(tx store.Tx, op Operation) error { return putOperation(tx, op) }

// EndOperation deletes an operation. A Worker may call it in the transaction that completes the work.
func (s *Service) EndOperation(tx store.Tx, op Operation) { tx.Delete(operationKey(op.Name)) }

// Finish carries out a stored operation. If that fails, Run tries again.
func (s *Service) Finish(ctx context.Context, op Operation) error {
	err := s.finish(context.WithoutCancel(ctx), op)
	if err != nil {
		s.tellRun()
	}
	return err
}

// work calls the Worker of an operation and then deletes the operation.
func (s *Service) work(ctx context.Context, op Operation) error {
	worker, known := s.Workers[op.Kind]
	if !known {
		return fmt.Errorf("operation %s: no worker has the kind %q", op.Name, op.Kind)
	}
	if err := worker(ctx, op); err != nil {
		return fmt.Errorf("operation %s: %w", op.Name, err)
	}
	_, err := s.Store.Update(ctx, func(tx store.Tx) error { s.EndOperation(tx, op); return nil })
	if err != nil {
		return fmt.Errorf("end operation %s: %w", op.Name, err)
	}
	return nil
}

// Operation reads the operation of a deletion in a subscription. If there is none of this name, the error is
// ARM's not-found error.
func (s *Service) Operation(tx store.Tx, subscription, name string) (op Operation, err error) {
	op, err = operations.Get(tx, operationKey(name))
	if errors.Is(err, store.ErrNotFound) || err == nil && (op.Kind != "" || !arm.SameName(op.Subscription, subscription)) {
		return op, arm.ErrOperationNotFound(name)
	}
	return op, err
}
