package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/store"
)

// The values of ManagedServiceIdentity.Type, as Azure spells them.
const (
	None           = "None"
	SystemAssigned = "SystemAssigned"
	UserAssigned   = "UserAssigned"
	Both           = "SystemAssigned, UserAssigned"
)

// MaxAssigned is the maximum number of user-assigned identities of one resource. One transaction writes
// or removes all of them, so the store's limit on operations bounds it.
const MaxAssigned = 20

// ManagedServiceIdentity is the value of a resource's property "identity": its system-assigned identity and
// its user-assigned ones. Azure's specifications use the same name. A workload on the resource gets tokens
// for these identities and for no others.
type ManagedServiceIdentity struct {
	Type string // None, SystemAssigned, UserAssigned or Both

	// The system-assigned identity. Without one, PrincipalID and ClientID are empty.
	TenantID, PrincipalID, ClientID string

	// UserAssigned are the ids of the user-assigned identities, spelled as in the request that assigned
	// them. Deleting an identity does not remove the reference, but the reference gives no token any more.
	UserAssigned []string

	references []reference
}

// reference is a reference to a user-assigned identity. The principal id tells the identity from a later
// one of the same name.
type reference struct {
	ID          string `json:"id"`
	PrincipalID string `json:"principal"`
	ClientID    string `json:"client"`

	id arm.ID
}

// Assigned returns the principal id and the client id that the nth user-assigned identity had when it was
// assigned.
func (m ManagedServiceIdentity) Assigned(n int) (principalID, clientID string) {
	return m.references[n].PrincipalID, m.references[n].ClientID
}

// size estimates the number of bytes that the identity takes in an answer.
func (m ManagedServiceIdentity) size() int {
	const ids = 200 // principal and client id with their names
	n := 0
	for _, id := range m.UserAssigned {
		n += len(id) + ids
	}
	return n
}

// storedIdentity is the stored form of a ManagedServiceIdentity. A resource of the type None has no record.
type storedIdentity struct {
	Resource    string      `json:"resource"`
	TenantID    string      `json:"tenant"`
	PrincipalID string      `json:"principal,omitempty"`
	ClientID    string      `json:"client,omitempty"`
	Assigned    []reference `json:"assigned,omitempty"`
}

var storedIdentities = store.Table[storedIdentity]{Kind: store.ResourceIdentityKind}

func resourceIdentityKey(resource arm.ID) string {
	return store.ResourceIdentityKind.Keys + resource.Key()
}

// identityFromStored converts a stored record. It sets Type from the identities that the record has.
func identityFromStored(r storedIdentity) (ManagedServiceIdentity, error) {
	m := ManagedServiceIdentity{TenantID: r.TenantID, PrincipalID: r.PrincipalID, ClientID: r.ClientID, references: r.Assigned}
	for i := range r.Assigned {
		id, err := arm.ParseID(r.Assigned[i].ID)
		if err != nil {
			return ManagedServiceIdentity{}, fmt.Errorf("identity of %s: %w", r.Resource, err)
		}
		r.Assigned[i].id = id
		m.UserAssigned = append(m.UserAssigned, r.Assigned[i].ID)
	}
	switch {
	case r.PrincipalID != "" && len(r.Assigned) > 0:
		m.Type = Both
	case r.PrincipalID != "":
		m.Type = SystemAssigned
	case len(r.Assigned) > 0:
		m.Type = UserAssigned
	default:
		m.Type = None
	}
	return m, nil
}

// resourceIdentity reads the identity of a resource; without a record its type is None. Callers must not
// change the slices of the result, which the cache shares.
func (s *Service) resourceIdentity(tx store.Tx, resource arm.ID) (ManagedServiceIdentity, error) {
	kept, err := tx.Get(resourceIdentityKey(resource))
	if errors.Is(err, store.ErrNotFound) {
		return ManagedServiceIdentity{Type: None}, nil
	}
	if err != nil {
		return ManagedServiceIdentity{}, err
	}
	return s.decodedIdentities.Of(kept, func(kept store.Record) (ManagedServiceIdentity, error) {
		r, err := storedIdentities.Decode(kept)
		if err != nil {
			return ManagedServiceIdentity{}, err
		}
		if !arm.SameName(r.Resource, strings.TrimPrefix(kept.Key, store.ResourceIdentityKind.Keys)) {
			return ManagedServiceIdentity{}, fmt.Errorf("the identity record %s names the resource %q, which has another key", kept.Key, r.Resource)
		}
		return identityFromStored(r)
	})
}

// putResourceIdentity writes the identity of a resource, or deletes its record if the type is None. It
// returns the number of store keys that deleting the resource has to delete for the identity.
func putResourceIdentity(tx store.Tx, id arm.ID, m ManagedServiceIdentity) (keys int, err error) {
	if m.Type == None {
		tx.Delete(resourceIdentityKey(id))
		return 0, nil
	}
	r := storedIdentity{Resource: id.String(), TenantID: m.TenantID, PrincipalID: m.PrincipalID, ClientID: m.ClientID, Assigned: m.references}
	if err := storedIdentities.Put(tx, resourceIdentityKey(id), r); err != nil {
		return 0, err
	}
	keys = 1 + len(m.references)
	if m.PrincipalID != "" {
		keys += 2 // the principal, and the index of its client id
	}
	return keys, nil
}

// ResourceIdentity reads the identity of a resource. For a resource without one its type is None; for a
// resource that does not exist the error is ARM's 404.
func (s *Service) ResourceIdentity(ctx context.Context, id arm.ID) (m ManagedServiceIdentity, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		if _, err := s.Resources.Get(tx, id); err != nil {
			return err
		}
		m, err = s.resourceIdentity(tx, id)
		return err
	})
	return m, err
}

// ManagedServiceIdentityOwner is the resource.Owner of the identities of all resources. When a resource is
// deleted, it deletes the system-assigned principal and the associations with user-assigned identities.
type ManagedServiceIdentityOwner struct{ *Service }

// Deleted implements resource.Owner.
func (o ManagedServiceIdentityOwner) Deleted(tx store.Tx, rec resource.Record) error {
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return fmt.Errorf("record %s: %w", rec.ID, err)
	}
	m, err := o.resourceIdentity(tx, id)
	if err != nil {
		return err
	}
	for _, ref := range m.references {
		resource.Dissociate(tx, ref.id, id)
	}
	tx.Delete(resourceIdentityKey(id))
	if m.PrincipalID == "" {
		return nil
	}
	o.Directory.UsedIDs(directory.ReservedIdentity, id.Key())
	return o.Directory.DeleteManagedIdentityPrincipal(tx, m.TenantID, m.PrincipalID)
}
