package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// The types of an identity block, as Azure spells them.
const (
	None           = "None"
	SystemAssigned = "SystemAssigned"
	UserAssigned   = "UserAssigned"
	Both           = "SystemAssigned, UserAssigned"
)

// MaxAssigned is how many user-assigned identities one resource may have. All of them are written,
// and removed, in one transaction.
const MaxAssigned = 20

// Block is the identity block of a resource: who the workloads on it may be.
type Block struct {
	Type string // None, SystemAssigned, UserAssigned or Both

	// The system-assigned identity; empty without one, but for the tenant.
	TenantID, PrincipalID, ClientID string

	// UserAssigned are the ids of the user-assigned identities, as they were spelled first. An
	// identity may have been deleted since: the reference to it stays, and is good for nothing.
	UserAssigned []string

	references []reference
}

// reference remembers which identity it meant: a later one of the same name is another.
type reference struct {
	ID          string `json:"id"`
	PrincipalID string `json:"principal"`
	ClientID    string `json:"client"`

	id arm.ID
}

// Assigned gives the principal id and the client id that the nth user-assigned identity had when it
// was assigned.
func (b Block) Assigned(n int) (principalID, clientID string) {
	return b.references[n].PrincipalID, b.references[n].ClientID
}

// size is how many bytes of an answer a block takes, by estimate.
func (b Block) size() int {
	const ids = 200 // principal and client id with their names
	n := 0
	for _, id := range b.UserAssigned {
		n += len(id) + ids
	}
	return n
}

// blockRecord is a block as stored. There is none where the type is None.
type blockRecord struct {
	Resource    string      `json:"resource"`
	TenantID    string      `json:"tenant"`
	PrincipalID string      `json:"principal,omitempty"`
	ClientID    string      `json:"client,omitempty"`
	Assigned    []reference `json:"assigned,omitempty"`
}

var blocks = store.Table[blockRecord]{Kind: store.BlockKind}

func blockKey(resource arm.ID) string { return store.BlockKind.Keys + resource.Key() }

// blockOf makes a block of what is stored.
func blockOf(r blockRecord) (Block, error) {
	b := Block{TenantID: r.TenantID, PrincipalID: r.PrincipalID, ClientID: r.ClientID, references: r.Assigned}
	for i := range r.Assigned {
		id, err := arm.ParseID(r.Assigned[i].ID)
		if err != nil {
			return Block{}, fmt.Errorf("identity block of %s: %w", r.Resource, err)
		}
		r.Assigned[i].id = id
		b.UserAssigned = append(b.UserAssigned, r.Assigned[i].ID)
	}
	switch {
	case r.PrincipalID != "" && len(r.Assigned) > 0:
		b.Type = Both
	case r.PrincipalID != "":
		b.Type = SystemAssigned
	case len(r.Assigned) > 0:
		b.Type = UserAssigned
	default:
		b.Type = None
	}
	return b, nil
}

// block reads the block of a resource; that of a resource without one is None. What it gives is
// shared.
func (s *Service) block(tx store.Tx, resource arm.ID) (Block, error) {
	kept, err := tx.Get(blockKey(resource))
	if errors.Is(err, store.ErrNotFound) {
		return Block{Type: None}, nil
	}
	if err != nil {
		return Block{}, err
	}
	return s.blocks.Of(kept, func(kept store.Record) (Block, error) {
		r, err := blocks.Decode(kept)
		if err != nil {
			return Block{}, err
		}
		if !arm.SameName(r.Resource, strings.TrimPrefix(kept.Key, store.BlockKind.Keys)) {
			return Block{}, fmt.Errorf("the identity block %s is that of %q, which has another key", kept.Key, r.Resource)
		}
		return blockOf(r)
	})
}

// putBlock writes a block, or removes the row where the block is None, and tells how many keys hang
// on it.
func putBlock(tx store.Tx, id arm.ID, b Block) (carried int, err error) {
	if b.Type == None {
		tx.Delete(blockKey(id))
		return 0, nil
	}
	r := blockRecord{Resource: id.String(), TenantID: b.TenantID, PrincipalID: b.PrincipalID, ClientID: b.ClientID, Assigned: b.references}
	if err := blocks.Put(tx, blockKey(id), r); err != nil {
		return 0, err
	}
	carried = 1 + len(b.references)
	if b.PrincipalID != "" {
		carried += 2 // the principal, and the look-up of its client id
	}
	return carried, nil
}

// BlockOf reads the identity block of a resource, None where it has none. A resource that does not
// exist is ARM's not-found error.
func (s *Service) BlockOf(ctx context.Context, id arm.ID) (b Block, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		if _, err := s.Resources.Get(tx, id); err != nil {
			return err
		}
		b, err = s.block(tx, id)
		return err
	})
	return b, err
}

// BlockOwner ends the identity blocks of resources that are deleted: the system-assigned principal
// and the notes of who uses which identity.
type BlockOwner struct{ *Service }

// Deleted implements resource.Owner.
func (o BlockOwner) Deleted(tx store.Tx, rec resource.Record) error {
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return fmt.Errorf("record %s: %w", rec.ID, err)
	}
	b, err := o.block(tx, id)
	if err != nil {
		return err
	}
	for _, ref := range b.references {
		resource.Dissociate(tx, ref.id, id)
	}
	tx.Delete(blockKey(id))
	if b.PrincipalID == "" {
		return nil
	}
	return o.Directory.EndManagedIdentity(tx, b.TenantID, b.PrincipalID)
}
