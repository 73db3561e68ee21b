package lock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// Put creates the lock l.Name at a scope, or replaces its level, notes and owners. The event's caller becomes
// CreatedBy or UpdatedBy. Errors of the client are *arm.Error: InvalidLockName, InvalidLockLevel, InvalidLockNotes,
// InvalidLockOwners, InvalidLockScope (400), LockLimitExceeded (409), and the errors of Config.Scope.
func (s *Service) Put(ctx context.Context, ev activity.Event, scope arm.ID, l Lock) (saved Lock, created bool, err error) {
	if l, err = check(scope, l); err != nil {
		return Lock{}, false, err
	}
	err = s.Log.UpdateDetailed(ctx, ev, func(tx store.Tx) (any, error) {
		if err := s.Scope(tx, scope); err != nil {
			return nil, err
		}
		old, err := locks.Get(tx, rowKey(scope, l.Name))
		if created = errors.Is(err, store.ErrNotFound); err != nil && !created {
			return nil, fmt.Errorf("read lock %s: %w", l.Name, err)
		}
		saved = s.merge(old, l, ev.Caller)
		if err := s.save(tx, scope, saved, created); err != nil {
			return nil, err
		}
		return saved, nil
	})
	if err != nil {
		return Lock{}, false, err
	}
	return saved, created, nil
}

// merge returns the lock that a PUT stores.
func (s *Service) merge(old, wanted Lock, by string) Lock {
	wanted.UpdatedOn, wanted.UpdatedBy = s.Now().UTC(), by
	if old.Name == "" {
		wanted.CreatedOn, wanted.CreatedBy = wanted.UpdatedOn, by
		return wanted
	}
	old.Level, old.Notes, old.Owners = wanted.Level, wanted.Notes, wanted.Owners
	old.UpdatedOn, old.UpdatedBy = wanted.UpdatedOn, by
	return old
}

func (s *Service) save(tx store.Tx, scope arm.ID, l Lock, created bool) error {
	more := 0
	if created {
		more = 1
		all, err := s.set(tx, scope)
		if err != nil {
			return err
		}
		if len(all.at(scope.Key())) >= MaxAtScope {
			return errLimit(MaxAtScope, fmt.Sprintf("at the scope '%s'", scope))
		}
	}
	if err := count(tx, scope, more); err != nil {
		return err
	}
	return locks.Put(tx, rowKey(scope, l.Name), l)
}

// check makes the checks that do not need the store. It returns the lock with its level in the spelling of the API.
func check(scope arm.ID, l Lock) (Lock, error) {
	l.Scope = scope.String()
	level, known := ParseLevel(string(l.Level))
	switch {
	case scope.Subscription() == "" || !scope.IsSubscription() && !scope.IsResourceGroup() && !scope.IsResource():
		return l, errScope(scope)
	case !validName(l.Name):
		return l, errName(l.Name)
	case !known:
		return l, errLevel(string(l.Level))
	case l.Notes != nil && utf8.RuneCountInString(*l.Notes) > maxNotes:
		return l, errNotes()
	case len(l.Owners) > maxOwners || slices.ContainsFunc(l.Owners, func(id string) bool { return !arm.IsGUID(id) }):
		return l, errOwners()
	}
	l.Level = level
	return l, nil
}

func validName(name string) bool {
	return name != "" && utf8.RuneCountInString(name) <= maxName && !strings.ContainsAny(name, `<>%&:\?/`) &&
		!strings.ContainsFunc(name, unicode.IsControl)
}

// Delete deletes a lock, and reports whether it existed.
func (s *Service) Delete(ctx context.Context, ev activity.Event, scope arm.ID, name string) (existed bool, err error) {
	if ev.Code == 0 {
		ev.Code = http.StatusOK
	}
	if _, err := s.Lock(ctx, scope, name); arm.IsNotFound(err) {
		return false, nil
	}
	err = s.Log.UpdateDetailed(ctx, ev, func(tx store.Tx) (any, error) {
		l, err := locks.Get(tx, rowKey(scope, name))
		if existed = err == nil; errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read lock %s: %w", name, err)
		}
		if err := count(tx, scope, -1); err != nil {
			return nil, err
		}
		tx.Delete(rowKey(scope, name))
		return l, nil
	})
	return existed && err == nil, err
}
