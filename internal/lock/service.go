// Package lock implements management locks (Microsoft.Authorization/locks).
//
// A lock at a subscription, a resource group or a resource protects that scope and all scopes below it, from
// everyone, whatever roles they have. CanNotDelete forbids to delete, ReadOnly to write too. Check tells whether locks
// forbid an operation. Resource Manager asks it before it begins an operation, and again in the transaction that
// carries the operation out.
//
// The count record of a subscription is written by every change of its locks. So Check reads one record where there
// is no lock; otherwise it uses the locks of the subscription, which are decoded once for each revision of the count
// record. A transaction that got the count record runs again if a lock is created at the same moment.
package lock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// Config has the dependencies of a Service. All fields are required.
type Config struct {
	Store store.Store
	Log   *activity.Log // of the same store
	Now   func() time.Time

	// Scope returns an *arm.Error if a scope does not exist, or if it or one of its ancestors is being deleted. It
	// reads the records of all of them, so that a lock and a deletion are always one after the other.
	Scope func(tx store.Tx, scope arm.ID) error
}

// Service manages locks. It is safe for concurrent use.
type Service struct {
	Config
	sets store.Decoded[set]
}

// New returns a Service.
func New(c Config) *Service { return &Service{Config: c} }

// Check returns an *arm.Error, ScopeLocked (409), if locks forbid an operation at a scope. A deletion is also
// forbidden by locks below the scope.
func (s *Service) Check(tx store.Tx, o Operation, scope arm.ID) error {
	if o == Read || scope.Subscription() == "" {
		return nil
	}
	all, err := s.set(tx, scope)
	if err != nil || len(all) == 0 {
		return err
	}
	if locked := all.forbidding(o, scope); len(locked) > 0 {
		return errScopeLocked(o, scope, locked)
	}
	return nil
}

// Forbidding returns the locks that forbid an operation at a scope.
func (s *Service) Forbidding(tx store.Tx, o Operation, scope arm.ID) ([]Lock, error) {
	if o == Read || scope.Subscription() == "" {
		return nil, nil
	}
	all, err := s.set(tx, scope)
	if err != nil {
		return nil, err
	}
	var found []Lock
	for _, l := range all.touching(o, scope) {
		if l.Level.forbids(o) {
			found = append(found, l.Lock)
		}
	}
	return found, nil
}

// set returns the locks of the subscription of a scope, and guards them.
func (s *Service) set(tx store.Tx, scope arm.ID) (set, error) {
	rec, err := tx.Get(countKey(scope))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the locks of subscription %s: %w", scope.Subscription(), err)
	}
	all, err := s.sets.Of(rec, func(store.Record) (set, error) { return readSet(tx, scope.SubscriptionScope()) })
	if err != nil {
		return nil, fmt.Errorf("read the locks of subscription %s: %w", scope.Subscription(), err)
	}
	return all, nil
}

// Lock returns one lock. If there is none, the error is an *arm.Error, LockNotFound.
func (s *Service) Lock(ctx context.Context, scope arm.ID, name string) (Lock, error) {
	var l Lock
	err := s.Store.View(ctx, func(tx store.Tx) (err error) {
		l, err = locks.Get(tx, rowKey(scope, name))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return Lock{}, errNotFound(name)
	}
	if err != nil {
		return Lock{}, fmt.Errorf("read lock %s: %w", name, err)
	}
	return l, nil
}
