package directory

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// The kinds of objects. The first three are the principalType values of role assignments. Managed
// identities are service principals.
const (
	ObjectUser             = "User"
	ObjectGroup            = "Group"
	ObjectServicePrincipal = "ServicePrincipal"
	ObjectApplication      = "Application"
)

// ObjectType returns the kind of the object with an id, or ErrNotFound.
func (d *Directory) ObjectType(tx store.Tx, tenant, oid string) (string, error) {
	kinds := []struct {
		name string
		find func() error
	}{
		{ObjectServicePrincipal, func() error { _, err := d.ServicePrincipal(tx, tenant, oid); return err }},
		{ObjectUser, func() error { _, err := d.User(tx, tenant, oid); return err }},
		{ObjectGroup, func() error { _, err := d.Group(tx, tenant, oid); return err }},
		{ObjectApplication, func() error { _, err := d.Application(tx, tenant, oid); return err }},
	}
	for _, kind := range kinds {
		if err := kind.find(); !errors.Is(err, ErrNotFound) {
			return kind.name, err
		}
	}
	return "", ErrNotFound
}

// guardType is ObjectType for objects that a transaction links. It guards only one key of each object, so
// that a transaction can link many.
func (d *Directory) guardType(tx store.Tx, tenant, oid string) (string, error) {
	kinds := []struct {
		name, key string
		peek      func(key string) error
	}{
		{ObjectServicePrincipal, principalKey(tenant, oid), func(k string) error { _, err := readUnguarded(tx, &principals, k); return err }},
		{ObjectUser, userKey(tenant, oid), func(k string) error { _, err := readUnguarded(tx, &users, k); return err }},
		{ObjectGroup, groupKey(tenant, oid), func(k string) error { _, err := readUnguarded(tx, &groups, k); return err }},
		{ObjectApplication, applicationIDKey(tenant, oid), func(k string) error { _, err := readUnguarded(tx, &applicationIDs, k); return err }},
	}
	for _, kind := range kinds {
		if err := kind.peek(kind.key); errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return "", err
		}
		_, err := tx.Get(kind.key)
		if errors.Is(err, store.ErrNotFound) {
			return "", ErrNotFound
		}
		return kind.name, err
	}
	if _, found := firstParty(tenant, func(p ServicePrincipal) bool { return arm.SameName(p.ID, oid) }); found {
		return ObjectServicePrincipal, nil
	}
	return d.ObjectType(tx, tenant, oid) // finds an object that this transaction has created
}

// PrincipalType returns the kind of a principal, User, Group or ServicePrincipal, or ErrNotFound.
func (d *Directory) PrincipalType(ctx context.Context, tenant, oid string) (kind string, err error) {
	err = d.Store.View(ctx, func(tx store.Tx) error {
		kind, err = d.ObjectType(tx, tenant, oid)
		return err
	})
	if err == nil && kind == ObjectApplication {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("find principal %s: %w", oid, err)
	}
	return kind, nil
}
