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

// Operation is work that takes more than one transaction. It begins in the transaction of the request
// that asks for it, so that a process which ends before the work does leaves it to the next one. The
// deletion of a group can be polled by clients, and is kept for a day after its end.
type Operation struct {
	Name         string          `json:"name"`
	Kind         string          `json:"kind,omitempty"` // the Worker that carries it out; empty for a deletion
	Subscription string          `json:"subscription"`
	Target       string          `json:"group"`        // the id of what it is about
	Starter      string          `json:"by,omitempty"` // the object id of who asked for it
	Started      time.Time       `json:"started"`
	Ended        time.Time       `json:"ended,omitzero"`
	Event        *activity.Event `json:"event,omitempty"` // of the request, for what the work does in its name
	Data         json.RawMessage `json:"data,omitempty"`  // the Worker's own
}

// Worker carries out operations of one kind. It must be ready to find the work done, in part or whole,
// by an earlier call or by another process.
type Worker func(ctx context.Context, op Operation) error

const operationKept = 24 * time.Hour

var operations = store.Table[Operation]{Kind: store.OperationKind}

func operationKey(name string) string { return store.OperationKind.Keys + arm.Fold(name) }

func putOperation(tx store.Tx, op Operation) error {
	return operations.Put(tx, operationKey(op.Name), op)
}

// NewOperation makes an operation, which PutOperation begins.
func (s *Service) NewOperation(kind string, ev activity.Event, target arm.ID) Operation {
	op := Operation{
		Name: s.NewID(), Kind: kind, Subscription: target.Subscription(), Target: target.String(),
		Starter: ev.CallerObjectID, Started: s.Now().UTC(),
	}
	if kind != "" {
		op.Event = &ev
	}
	return op
}

// PutOperation begins an operation of a Worker, in the transaction of the request that asks for it. Once
// that is committed, Finish carries it out.
func (s *Service) PutOperation(tx store.Tx, op Operation) error { return putOperation(tx, op) }

// EndOperation forgets an operation of a Worker, for one that ends it in the transaction that completes
// the work.
func (s *Service) EndOperation(tx store.Tx, op Operation) { tx.Delete(operationKey(op.Name)) }

// Finish carries out an operation that has begun. If that fails, Run tries again.
func (s *Service) Finish(ctx context.Context, op Operation) error {
	err := s.finish(context.WithoutCancel(ctx), op)
	if err != nil {
		s.tellRun()
	}
	return err
}

// work has a Worker carry out its operation, and forgets the operation then.
func (s *Service) work(ctx context.Context, op Operation) error {
	worker, known := s.Workers[op.Kind]
	if !known {
		return fmt.Errorf("operation %s: nobody knows the kind %q", op.Name, op.Kind)
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

// Operation reads a deletion in a subscription.
func (s *Service) Operation(tx store.Tx, subscription, name string) (op Operation, err error) {
	op, err = operations.Get(tx, operationKey(name))
	if errors.Is(err, store.ErrNotFound) || err == nil && (op.Kind != "" || !arm.SameName(op.Subscription, subscription)) {
		return op, arm.ErrOperationNotFound(name)
	}
	return op, err
}
