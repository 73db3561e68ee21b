package rbac

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// customTally is the count record of a tenant: how many custom roles it has.
type customTally struct {
	Roles int `json:"roles"`
}

var customTallies = store.Table[customTally]{Kind: store.RoleCount}

func customTallyKey(tenant string) string { return store.RoleCount.Keys + arm.Fold(tenant) }

// roleNameKey is the key of the record that makes the name of a custom role unique in a tenant, in any case.
func roleNameKey(tenant, name string) string {
	return store.RoleNameIndex.Keys + arm.Fold(tenant) + "/" + arm.Fold(name)
}

// writeDefinition creates a role, or changes the old one.
func (s *Service) writeDefinition(tx store.Tx, old Definition, found bool, d Definition) (Definition, error) {
	if err := s.claimName(tx, old, found, d); err != nil {
		return Definition{}, err
	}
	d.UpdatedOn = s.Now().UTC()
	if found {
		d.ID, d.CreatedOn, d.CreatedBy = old.ID, old.CreatedOn, old.CreatedBy
		if !d.UpdatedOn.After(old.UpdatedOn) { // the time tells versions of the role apart
			d.UpdatedOn = old.UpdatedOn.Add(100 * time.Nanosecond)
		}
		if err := s.checkAssigned(tx, old, d); err != nil {
			return Definition{}, err
		}
		return d, customRoles.Put(tx, customKey(d.TenantID, d.ID), d)
	}
	if err := countCustom(tx, d.TenantID, 1); err != nil {
		return Definition{}, err
	}
	if err := roleUses.Put(tx, roleUseKey(d.TenantID, d.ID), roleUse{}); err != nil {
		return Definition{}, err
	}
	d.CreatedOn, d.CreatedBy = d.UpdatedOn, d.UpdatedBy
	return d, customRoles.Put(tx, customKey(d.TenantID, d.ID), d)
}

// claimName writes the record of a role's name, unless another role has the name.
func (s *Service) claimName(tx store.Tx, old Definition, found bool, d Definition) error {
	library, err := s.library(tx)
	if err != nil {
		return err
	}
	key := roleNameKey(d.TenantID, d.RoleName)
	if found && roleNameKey(old.TenantID, old.RoleName) == key {
		return nil // also if a built-in role with the name has been imported since
	}
	builtin, err := library.named(d.RoleName)
	switch {
	case err != nil:
		return err
	case builtin != "":
		return errSameName()
	case !found && library.holdsAny(arm.Fold(d.ID)): // imported since it was authorized
		return errDefinitionChanged
	}
	if err := absent(tx, key, errSameName); err != nil {
		return err
	}
	if found {
		tx.Delete(roleNameKey(old.TenantID, old.RoleName))
	}
	tx.Put(key, []byte(arm.Fold(d.ID)))
	return nil
}

// removeDefinition deletes a role that has no assignments.
func (s *Service) removeDefinition(tx store.Tx, d Definition) error {
	use, err := roleUses.Get(tx, roleUseKey(d.TenantID, d.ID))
	if err != nil {
		return fmt.Errorf("count the assignments of role %s: %w", d.ID, err)
	}
	if use.Assignments > 0 {
		return refusal(http.StatusBadRequest, "RoleDefinitionHasAssignments",
			"There are existing role assignments referencing role (code: RoleDefinitionHasAssignments)")
	}
	if err := countCustom(tx, d.TenantID, -1); err != nil {
		return err
	}
	tx.Delete(roleUseKey(d.TenantID, d.ID))
	tx.Delete(roleNameKey(d.TenantID, d.RoleName))
	tx.Delete(customKey(d.TenantID, d.ID))
	return nil
}

// countCustom adds to the number of a tenant's custom roles.
func countCustom(tx store.Tx, tenant string, n int) error {
	tally, err := customTallies.Get(tx, customTallyKey(tenant))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("count the custom roles of tenant %s: %w", tenant, err)
	}
	if n > 0 && tally.Roles >= MaxCustomRoles {
		return refusal(http.StatusBadRequest, "RoleDefinitionLimitExceeded",
			"Role definition limit exceeded. No more role definitions can be created (code: RoleDefinitionLimitExceeded)")
	}
	tally.Roles += n
	return customTallies.Put(tx, customTallyKey(tenant), tally)
}

func errSameName() *arm.Error {
	return refusal(http.StatusConflict, "RoleDefinitionWithSameNameExists",
		"A custom role with the same name already exists in this directory. Use a different name.")
}
