package directory

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/store"
)

// The kinds of objects. The first three are the words that role assignments use; the principals of
// managed identities are service principals.
const (
	ObjectUser             = "User"
	ObjectGroup            = "Group"
	ObjectServicePrincipal = "ServicePrincipal"
	ObjectApplication      = "Application"
)

// ObjectType says what an object id stands for, or gives ErrNotFound.
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

// PrincipalType says what kind of principal an object id stands for, User, Group or
// ServicePrincipal, or gives ErrNotFound.
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
