package rbac

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// DefinitionChange is a request to write or delete a custom role. It needs the right to the event's operation
// at every assignable scope: of a write, at the old and at the new ones. Without this rule, who may write roles at
// one scope could change a role that is assigned at others.
type DefinitionChange struct {
	Event  activity.Event
	Caller Caller
	At     arm.ID // the scope of the request

	// Exists reports whether a scope exists in the caller's tenant and is not being deleted.
	Exists func(tx store.Tx, scope arm.ID) (bool, error)
	// KnownProvider reports whether the server has a resource provider. Those that built-in roles mention are
	// known too. It is not needed to delete a role.
	KnownProvider func(namespace string) bool
	// KnownAction reports whether an action, in any case, is one of the control plane that the server knows. It is
	// not needed to delete a role.
	KnownAction func(action string) bool
}

// errDefinitionChanged tells that another request has changed the role since its scopes were authorized.
var errDefinitionChanged = errors.New("the role has changed")

// attempts is how often a change is authorized again because another request has changed the role.
const attempts = 5

// PutDefinition creates or replaces the custom role d.ID of the caller's tenant.
//
// Errors of the client are *arm.Error: InvalidRoleDefinitionId, InvalidRoleDefinitionType,
// RoleDefinitionNameNullOrEmpty, InvalidRoleDefinitionName, InvalidRoleDefinitionDescription,
// InvalidActionOrNotAction, InvalidDataActionOrNotDataAction, MissingAssignableScopes, LinkedInvalidPropertyId,
// InvalidAssignableScope, RoleDefinitionLimitExceeded, RoleScopeBeingRemovedContainsAssignments (all 400),
// LinkedAuthorizationFailed (403), RoleDefinitionExists for a built-in role and RoleDefinitionWithSameNameExists
// (409).
func (s *Service) PutDefinition(ctx context.Context, c DefinitionChange, d Definition) (put Definition, err error) {
	known, err := s.knownActions(ctx, c)
	if err != nil {
		return Definition{}, err
	}
	scopes, err := checkDefinition(d, known)
	if err != nil {
		return Definition{}, err
	}
	d.Type, d.TenantID, d.UpdatedBy, d.AssignableScopes = CustomRole, c.Caller.TenantID, c.Caller.ObjectID, nil
	for _, scope := range scopes {
		d.AssignableScopes = append(d.AssignableScopes, scope.String())
	}
	if c.Event.Code == 0 {
		c.Event.Code = http.StatusCreated
	}
	for range attempts {
		old, found, err := s.authorizeDefinition(ctx, c, d.ID, scopes)
		if err != nil {
			return Definition{}, err
		}
		err = s.Log.UpdateDetailed(ctx, c.Event, func(tx store.Tx) (any, error) {
			if err := unchanged(tx, old, found); err != nil {
				return nil, err
			}
			err := store.Unguarded(tx, func(tx store.Tx) error { return s.authorizeScopes(tx, c, old, scopes) })
			if err != nil {
				return nil, err
			}
			put, err = s.writeDefinition(tx, old, found, d)
			return put, err
		})
		if !errors.Is(err, errDefinitionChanged) {
			return put, err
		}
	}
	return Definition{}, errDefinitionConflict(d.ID)
}

// knownActions returns what a custom role may mention.
func (s *Service) knownActions(ctx context.Context, c DefinitionChange) (known knownActions, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		library, err := s.library(tx)
		if err != nil {
			return err
		}
		mentioned, err := library.vocabulary()
		known = knownActions{mentioned, c.KnownProvider, c.KnownAction}
		return err
	})
	return known, err
}

// DeleteDefinition deletes a custom role and returns it; found is false if there was none. Errors of the client
// are *arm.Error: InvalidRoleDefinitionId, RoleDefinitionHasAssignments (400), LinkedAuthorizationFailed (403),
// and BuiltInRoleCannotBeDeleted (400).
func (s *Service) DeleteDefinition(ctx context.Context, c DefinitionChange, guid string) (d Definition, found bool, err error) {
	if !arm.IsGUID(guid) {
		return Definition{}, false, errInvalidDefinitionID(guid)
	}
	for range attempts {
		d, found, err = s.authorizeDefinition(ctx, c, guid, nil)
		if err != nil {
			return Definition{}, false, err
		}
		err = s.Log.UpdateDetailed(ctx, c.Event, func(tx store.Tx) (any, error) {
			if err := unchanged(tx, d, found); err != nil || !found {
				return nil, err
			}
			if err := store.Unguarded(tx, func(tx store.Tx) error { return s.authorizeScopes(tx, c, d, nil) }); err != nil {
				return nil, err
			}
			return d, s.removeDefinition(tx, d)
		})
		if !errors.Is(err, errDefinitionChanged) {
			return d, found, err
		}
	}
	return Definition{}, false, errDefinitionConflict(guid)
}

// authorizeDefinition returns the role as it is, after it has checked the caller's right at its assignable
// scopes and at the new ones. A new scope must exist. The right is not needed at an old scope that exists no
// more, or nobody could change the role again.
func (s *Service) authorizeDefinition(ctx context.Context, c DefinitionChange, guid string, scopes []arm.ID) (old Definition, found bool, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		r, err := s.role(tx, c.Caller.TenantID, arm.Fold(guid))
		if err != nil {
			return err
		}
		old, found = Definition{ID: guid, TenantID: c.Caller.TenantID}, r != nil
		if found {
			if old = r.Definition; !old.IsCustom() {
				return errBuiltIn(c.Event.Method, old)
			}
		}
		return s.authorizeScopes(tx, c, old, scopes)
	})
	return old, found, err
}

// authorizeScopes refuses the change of a role by a caller who has no right to it at one of its old scopes or of the
// new ones.
func (s *Service) authorizeScopes(tx store.Tx, c DefinitionChange, old Definition, scopes []arm.ID) error {
	refused, err := s.refusedScopes(tx, c, old.AssignableScopes, scopes)
	if err == nil && len(refused) > 0 {
		action := c.Event.Operation
		err = ErrLinkedAuthorizationFailed(c.Caller, action, c.At, action, refused)
	}
	return err
}

// refusedScopes returns the scopes at which the caller has no right to the change, or that do not exist.
func (s *Service) refusedScopes(tx store.Tx, c DefinitionChange, old []string, scopes []arm.ID) (refused []arm.ID, err error) {
	check := func(scope arm.ID, mustExist bool) error {
		exists, err := c.Exists(tx, scope)
		if err != nil {
			return err
		}
		allowed := !mustExist
		if exists {
			allowed, err = s.Authorize(tx, c.Caller, arm.Fold(c.Event.Operation), scope)
		}
		if err == nil && !allowed {
			refused = append(refused, scope)
		}
		return err
	}
	checked := make(map[string]bool, len(scopes))
	for _, scope := range scopes {
		checked[scope.Key()] = true
		if err := check(scope, true); err != nil {
			return nil, err
		}
	}
	for _, text := range old {
		scope, err := arm.ParseID(text)
		if err != nil {
			return nil, fmt.Errorf("assignable scope %q: %w", text, err)
		}
		if checked[scope.Key()] {
			continue
		}
		if err := check(scope, false); err != nil {
			return nil, err
		}
	}
	return refused, nil
}

// unchanged returns errDefinitionChanged if a role is not what authorizeDefinition has read. The read is guarded.
func unchanged(tx store.Tx, old Definition, found bool) error {
	now, err := customRoles.Get(tx, customKey(old.TenantID, old.ID))
	switch {
	case errors.Is(err, store.ErrNotFound) && !found:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return errDefinitionChanged
	case err != nil:
		return err
	case !found || !now.UpdatedOn.Equal(old.UpdatedOn):
		return errDefinitionChanged
	}
	return nil
}

func errDefinitionConflict(guid string) error {
	return refusal(http.StatusConflict, "Conflict", "The role definition '%s' is being changed by other requests. Try again.", guid)
}

// errBuiltIn is the error for a write of a built-in role. Azure's code for a deletion is not known.
func errBuiltIn(method string, d Definition) error {
	if method == http.MethodDelete {
		return refusal(http.StatusBadRequest, "BuiltInRoleCannotBeDeleted", "The role '%s' is a built-in role and cannot be deleted.", d.RoleName)
	}
	return refusal(http.StatusConflict, "RoleDefinitionExists", "The role definition '%s' is a built-in role and cannot be changed.", d.ID)
}
