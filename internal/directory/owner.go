package directory

import (
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// AddOwner makes a user or a service principal an owner of a group, an application or a service
// principal. It returns ErrNotFound, ErrInvalid, ErrFirstParty or ErrExists.
func (d *Directory) AddOwner(tx store.Tx, tenant, object, owner string) error {
	what, err := d.ObjectType(tx, tenant, object)
	if _, microsofts := firstParty(tenant, func(p ServicePrincipal) bool { return arm.SameName(p.ID, object) }); microsofts {
		err = ErrFirstParty
	}
	if err == nil && what == ObjectUser {
		err = fmt.Errorf("%w: a user has no owners", ErrInvalid)
	}
	var who string
	if err == nil {
		who, err = d.guardType(tx, tenant, owner)
	}
	if err == nil && who != ObjectUser && who != ObjectServicePrincipal {
		err = fmt.Errorf("%w: owners are users and service principals", ErrInvalid)
	}
	if err == nil {
		err = ownership.create(tx, tenant, object, owner)
	}
	if err != nil {
		return fmt.Errorf("add owner %s to %s: %w", owner, object, err)
	}
	return nil
}

// RemoveOwner removes an owner, or returns ErrNotFound.
func (d *Directory) RemoveOwner(tx store.Tx, tenant, object, owner string) error {
	if err := ownership.remove(tx, tenant, object, owner); err != nil {
		return fmt.Errorf("remove owner %s of %s: %w", owner, object, err)
	}
	return nil
}

// Owners gives the object ids of an object's owners, at most limit after the given one. Some may no
// longer exist.
func (d *Directory) Owners(tx store.Tx, tenant, object, after string, limit int) ([]string, error) {
	return ownership.members(tx, tenant, object, after, limit)
}

// Owns reports whether a principal is an owner of an object.
func (d *Directory) Owns(tx store.Tx, tenant, owner, object string) (bool, error) {
	return ownership.exists(tx, tenant, object, owner)
}

// OwnedObjects returns the object ids of at most MaxGroups objects that a principal owns.
func (d *Directory) OwnedObjects(tx store.Tx, tenant, owner string) ([]string, error) {
	return existingIDs(MaxGroups, func(after string, limit int) ([]string, error) {
		return ownership.containersAfter(tx, tenant, owner, after, limit)
	}, func(id string) error {
		_, err := d.ObjectType(tx, tenant, id)
		return err
	})
}
