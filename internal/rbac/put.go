package rbac

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// maxDescription is the maximum length of the description of an assignment, in bytes.
const maxDescription = 2048

// PutAssignment creates the assignment a.Name at a.Scope, or changes the role, the description and the
// condition of the existing one. If nothing changes, only the event is written. The event's caller becomes
// CreatedBy or UpdatedBy. An empty TenantID means that of the event. An empty PrincipalType is looked up; with
// a PrincipalType, the principal need not exist in the directory.
//
// Errors of the client are *arm.Error: InvalidRoleAssignmentId, InvalidPrincipalId, InvalidPrincipalType,
// RoleDefinitionDoesNotExist, PrincipalNotFound, UnmatchedPrincipalType, RoleAssignmentUpdateNotPermitted,
// RoleAssignmentLimitExceeded (all 400), RoleAssignmentExists (409), CannotDeleteLastRbacAdminAssignment (412)
// for a change of the last Owner, and the errors of Config.Scope.
func (s *Service) PutAssignment(ctx context.Context, ev activity.Event, a Assignment) (Assignment, error) {
	return s.WriteAssignment(ctx, ev, AssignmentWrite{Assignment: a})
}

// WriteAssignment is PutAssignment for a caller, whom it refuses with AuthorizationFailed (403), for a request of an older
// api-version, or for one that only asks whether it would succeed. The caller's right is decided in the transaction
// of the write.
func (s *Service) WriteAssignment(ctx context.Context, ev activity.Event, w AssignmentWrite) (Assignment, error) {
	if w.TenantID == "" {
		w.TenantID = ev.TenantID
	}
	if principal, valid := arm.ParseGUID(w.PrincipalID); valid {
		w.PrincipalID = principal
	}
	scope, err := s.check(w.Assignment)
	if err != nil {
		return Assignment{}, err
	}
	w.DefinitionID = arm.Fold(w.DefinitionID)
	if err := s.Store.View(ctx, func(tx store.Tx) error { return s.checkRole(tx, scope, w.Assignment) }); err != nil {
		return Assignment{}, err
	}
	w.Condition, w.ConditionVersion, err = checkCondition(w.Condition, w.ConditionVersion, errInvalidCondition)
	if err != nil {
		return Assignment{}, err
	}
	if err := s.findPrincipal(ctx, &w); err != nil {
		return Assignment{}, err
	}
	if ev.Code == 0 {
		ev.Code = http.StatusCreated
	}
	var saved Assignment
	err = s.Log.UpdateDetailed(ctx, ev, func(tx store.Tx) (any, error) {
		var err error
		if saved, err = s.put(tx, scope, w, ev.CallerObjectID); err == nil && w.ValidateOnly {
			err = errValidated
		}
		return saved, err
	})
	if errors.Is(err, errValidated) {
		return saved, nil
	}
	return saved, err
}

// errValidated ends the transaction of a valid request that must not change anything.
var errValidated = errors.New("the role assignment is valid")

// check makes the checks that do not need the store.
func (s *Service) check(a Assignment) (arm.ID, error) {
	scope, err := arm.ParseID(a.Scope)
	switch {
	case err != nil:
		return arm.ID{}, arm.Errorf(http.StatusBadRequest, "BadRequest", "The scope is not valid: %v.", err)
	case !scope.IsRoot() && !scope.IsSubscription() && !scope.IsResourceGroup() && !scope.IsResource():
		return arm.ID{}, arm.Errorf(http.StatusBadRequest, "BadRequest", "The scope '%s' cannot have role assignments.", a.Scope)
	case !arm.IsGUID(a.Name):
		return arm.ID{}, errInvalidName(a.Name)
	case !arm.IsGUID(a.PrincipalID):
		return arm.ID{}, errInvalidPrincipal(a.PrincipalID)
	case a.Description != nil && len(*a.Description) > maxDescription:
		return arm.ID{}, arm.Errorf(http.StatusBadRequest, "BadRequest", "The description is longer than %d bytes.", maxDescription)
	case a.DelegatedManagedIdentityResourceID != nil && len(*a.DelegatedManagedIdentityResourceID) > arm.MaxID:
		return arm.ID{}, arm.Errorf(http.StatusBadRequest, "BadRequest", "The delegatedManagedIdentityResourceId is longer than %d bytes.", arm.MaxID)
	}
	return scope, nil
}

// findPrincipal finds the type of the principal in the directory. If the directory does not have the principal, the
// assignment gets the type in the request, which conditions do not see.
func (s *Service) findPrincipal(ctx context.Context, w *AssignmentWrite) error {
	var err error
	if w.PrincipalType, err = spelledType(w.PrincipalType, principalTypes[:]); err != nil {
		return err
	}
	w.knownType, err = s.knownType(ctx, w.TenantID, w.PrincipalID, w.PrincipalType)
	w.PrincipalType = cmp.Or(w.knownType, w.PrincipalType)
	return err
}

func (s *Service) put(tx store.Tx, scope arm.ID, w AssignmentWrite, by string) (Assignment, error) {
	old, err := load(tx, rowKey(scopeKey(w.TenantID, scope), w.Name))
	if errors.Is(err, store.ErrNotFound) {
		if err := s.authorizeWrite(tx, &w, nil); err != nil {
			return Assignment{}, err
		}
		return s.create(tx, scope, w.Assignment, by)
	}
	if err != nil {
		return Assignment{}, fmt.Errorf("read role assignment %s: %w", w.Name, err)
	}
	if err := s.authorizeWrite(tx, &w, &old); err != nil {
		return Assignment{}, err
	}
	return s.change(tx, scope, old, w.over(old), by)
}

func (s *Service) create(tx store.Tx, scope arm.ID, a Assignment, by string) (Assignment, error) {
	if err := s.Scope(tx, a.TenantID, scope); err != nil {
		return Assignment{}, err
	}
	if err := s.checkRole(tx, scope, a); err != nil {
		return Assignment{}, err
	}
	key := scopeKey(a.TenantID, scope)
	if err := absent(tx, nameKey(a.TenantID, a.Name), errUpdateNotPermitted); err != nil {
		return Assignment{}, err
	}
	if err := absent(tx, indexKey(a.PrincipalID, key, a.DefinitionID), errExists); err != nil {
		return Assignment{}, err
	}
	more := tally{Assignments: 1}
	if a.isOwner(scope) {
		more.Owners = 1
	}
	if err := count(tx, a.TenantID, scope, more); err != nil {
		return Assignment{}, err
	}
	a.CreatedOn = s.Now().UTC()
	a.UpdatedOn, a.CreatedBy, a.UpdatedBy = a.CreatedOn, by, by
	tx.Put(nameKey(a.TenantID, a.Name), []byte(key))
	if err := a.addUse(tx, key); err != nil {
		return Assignment{}, err
	}
	return a, a.save(tx, key)
}

func (s *Service) change(tx store.Tx, scope arm.ID, old, a Assignment, by string) (Assignment, error) {
	delegated := a.DelegatedManagedIdentityResourceID
	if !arm.SameName(old.PrincipalID, a.PrincipalID) || old.PrincipalType != a.PrincipalType ||
		delegated != nil && !same(delegated, old.DelegatedManagedIdentityResourceID) {
		return Assignment{}, errUpdateNotPermitted()
	}
	sameRole := arm.SameName(old.DefinitionID, a.DefinitionID)
	if sameRole && same(old.Description, a.Description) &&
		same(old.Condition, a.Condition) && same(old.ConditionVersion, a.ConditionVersion) {
		return old, nil
	}
	wanted := old
	wanted.DefinitionID, wanted.Description = a.DefinitionID, a.Description
	wanted.Condition, wanted.ConditionVersion = a.Condition, a.ConditionVersion
	wanted.UpdatedOn, wanted.UpdatedBy = s.Now().UTC(), by
	key := scopeKey(old.TenantID, scope)
	if !sameRole {
		if err := absent(tx, indexKey(a.PrincipalID, key, a.DefinitionID), errExists); err != nil {
			return Assignment{}, err
		}
		if err := s.replaceRole(tx, scope, &old, &wanted); err != nil {
			return Assignment{}, err
		}
	}
	var difference tally
	switch was, is := old.isOwner(scope), wanted.isOwner(scope); {
	case was && !is:
		difference.Owners = -1
	case is && !was:
		difference.Owners = 1
	}
	if err := count(tx, old.TenantID, scope, difference); err != nil {
		return Assignment{}, err
	}
	return wanted, wanted.save(tx, key)
}

// replaceRole removes what the records of the old role have, and counts the new role.
func (s *Service) replaceRole(tx store.Tx, scope arm.ID, old, wanted *Assignment) error {
	if err := s.checkRole(tx, scope, *wanted); err != nil {
		return err
	}
	key := scopeKey(old.TenantID, scope)
	tx.Delete(indexKey(old.PrincipalID, key, old.DefinitionID))
	if err := old.dropUse(tx, key); err != nil {
		return err
	}
	return wanted.addUse(tx, key)
}

// checkRole returns an error if the assignment's role does not exist in its tenant, or cannot be assigned at the
// scope. The error is the same: at other scopes than its assignable ones, a custom role does not exist.
func (s *Service) checkRole(tx store.Tx, scope arm.ID, a Assignment) error {
	r, err := s.role(tx, a.TenantID, arm.Fold(a.DefinitionID))
	if err != nil {
		return err
	}
	found := r != nil
	if found {
		found, err = s.assignable(tx, r.Definition, scope)
	}
	if err == nil && !found {
		return ErrDefinitionNotFound(http.StatusBadRequest, a.DefinitionID)
	}
	return err
}

// isOwner reports whether the assignment is one of Owner at a subscription, the last of which cannot be removed.
func (a *Assignment) isOwner(scope arm.ID) bool {
	return scope.IsSubscription() && a.Condition == nil && arm.SameName(a.DefinitionID, OwnerID)
}

// absent returns the error of otherwise if a key exists. The read is guarded.
func absent(tx store.Tx, key string, otherwise func() *arm.Error) error {
	switch _, err := tx.Get(key); {
	case err == nil:
		return otherwise()
	case errors.Is(err, store.ErrNotFound):
		return nil
	default:
		return fmt.Errorf("look up %q: %w", key, err)
	}
}

func same(a, b *string) bool {
	return a == b || a != nil && b != nil && *a == *b
}
