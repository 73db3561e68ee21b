package identity

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Inconsistencies checks the stored identity of every resource. It yields a store.Flaw for each record whose key names
// another resource, or whose resource has gone, for each that refers to an identity by an invalid id or without an
// association, and for each association without such a reference. It stops after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	checks := store.Checks{store.ResourceIdentityKind: checkStoredIdentity, store.AssociationIndex: checkAssociation}
	return store.Examine(tx, checks, store.ResourceIdentityKind.Keys, store.AssociationIndex.Keys)
}

func checkStoredIdentity(tx store.Tx, kept store.Record) error {
	r, err := storedIdentities.Decode(kept)
	if err != nil {
		return err
	}
	key := strings.TrimPrefix(kept.Key, store.ResourceIdentityKind.Keys)
	if err := arm.CheckKey(r.Resource, key); err != nil {
		return err
	}
	b, err := identityFromStored(r)
	if err != nil {
		return err
	}
	err = store.Exists(tx, "its resource", store.ResourceKind.Keys+key)
	if r.PrincipalID != "" {
		err = errors.Join(err, store.Exists(tx, "the principal of the resource", store.PrincipalKind.Key(arm.Fold(r.TenantID), arm.Fold(r.PrincipalID))))
	}
	for _, ref := range b.references {
		if wrong := arm.CheckKey(ref.ID, ref.id.Key()); wrong != nil {
			return wrong
		}
		err = errors.Join(err, store.Exists(tx, "the association with an identity", store.AssociationIndex.Keys+ref.id.Key()+"\x00"+key))
	}
	return err
}

// checkAssociation checks that the resource of an association refers to its identity.
func checkAssociation(tx store.Tx, kept store.Record) error {
	identity, user, _ := strings.Cut(strings.TrimPrefix(kept.Key, store.AssociationIndex.Keys), "\x00")
	principal, _, _ := strings.Cut(string(kept.Value), " ")
	r, err := storedIdentities.Get(tx, store.ResourceIdentityKind.Keys+user)
	if err != nil {
		return fmt.Errorf("the identities of the resource: %w", err)
	}
	b, err := identityFromStored(r)
	if err != nil {
		return err
	}
	for _, ref := range b.references {
		if ref.id.Key() == identity && ref.PrincipalID == principal {
			return nil
		}
	}
	return errors.New("the resource does not refer to the identity")
}
