package identity

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// Resource is a resource of any type with its identities.
type Resource struct {
	resource.Record
	Identity ManagedServiceIdentity

	// Fresh are the positions in Identity.UserAssigned of the identities that the write has assigned. It is
	// nil for a Resource that was read.
	Fresh map[int]bool
}

// Write is a change of a resource and its identities.
type Write struct {
	ID     arm.ID
	Type   arm.Type // in its usual spelling
	Exists bool     // the write is a PATCH: a resource that does not exist is a 404

	// Change returns the new record for the old one. For a resource that does not exist yet, the old
	// record has only the id, the type, the name and the tenant. Change must not change these, the state
	// or the times.
	Change   func(old resource.Record) (resource.Record, error)
	Identity IdentityChange

	// Work are operations that are stored in the transaction of the write.
	Work []resource.Operation
}

// WriteResource creates or changes a resource and its identities. An error of the client is an *arm.Error.
// For the identities it is FailedIdentityOperation, LinkedInvalidPropertyId, InvalidIdentityId (all 400),
// or the error of IdentityChange.Allow.
func (s *Service) WriteResource(ctx context.Context, ev activity.Event, w Write) (out Resource, created bool, err error) {
	err = s.Resources.Settled(ctx, w.ID, func() error {
		out, created, err = s.writeResource(ctx, ev, w)
		return err
	})
	return out, created, err
}

func (s *Service) writeResource(ctx context.Context, ev activity.Event, w Write) (out Resource, created bool, err error) {
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		old, err := s.present(tx, w)
		if err != nil {
			return err
		}
		created = old.Created.IsZero()
		rec, err := s.changed(w, old)
		if err != nil {
			return err
		}
		c := target{rec: rec}
		if c.id, err = arm.ParseID(rec.ID); err != nil {
			return fmt.Errorf("record %s: %w", rec.ID, err)
		}
		was, is, err := s.applyIdentityChange(ctx, tx, c, w.Identity)
		if err != nil {
			return err
		}
		if !w.Identity.Keep {
			rec.NoIdentity = w.Identity.Type == None
			if rec.IdentityKeys, err = putResourceIdentity(tx, c.id, is); err != nil {
				return err
			}
		}
		out = Resource{Record: rec, Identity: is, Fresh: map[int]bool{}}
		for n, r := range is.references {
			if i := was.find(r.id); i < 0 || was.references[i].PrincipalID != r.PrincipalID {
				out.Fresh[n] = true
			}
		}
		for _, op := range w.Work {
			if err := s.Resources.PutOperation(tx, op); err != nil {
				return err
			}
		}
		return s.Resources.Put(tx, w.ID, rec)
	})
	return out, created, err
}

// present reads the record of the resource, or returns the record that a new resource begins with.
func (s *Service) present(tx store.Tx, w Write) (resource.Record, error) {
	parent, err := s.Resources.Parent(tx, w.ID)
	if err != nil {
		return resource.Record{}, err
	}
	if !w.Exists {
		s.Resources.PresumeNew(tx, w.ID)
	}
	rec, err := s.Resources.Lookup(tx, w.ID)
	switch {
	case errors.Is(err, store.ErrNotFound) && w.Exists:
		return s.Resources.Get(tx, w.ID) // returns the 404
	case errors.Is(err, store.ErrNotFound):
		return resource.Record{
			ID: w.ID.Spell(w.Type), Type: w.Type, Name: w.ID.Name(), TenantID: parent.TenantID, State: resource.Succeeded,
		}, nil
	case err == nil && rec.State == resource.Deleting:
		return rec, resource.ErrBeingDeleted(w.ID)
	}
	return rec, err
}

// changed applies a change and checks the rules for all resources.
func (s *Service) changed(w Write, old resource.Record) (resource.Record, error) {
	wanted, err := w.Change(old.Clone())
	if err != nil {
		return wanted, err
	}
	if err := resource.CheckSameLocation(w.ID, old.Location, wanted.Location); err != nil {
		return wanted, err
	}
	if wanted.Location != "" {
		if err := resource.CheckLocation(wanted.Location, old.Type); err != nil {
			return wanted, err
		}
		old.Location = arm.Location(wanted.Location)
	}
	if err := resource.CheckTags(wanted.Tags); err != nil {
		return wanted, err
	}
	old.Changed = s.Now().UTC()
	if old.Created.IsZero() {
		old.Created = old.Changed
	}
	if wanted, err = resource.WithoutSecrets(wanted); err != nil { // the answer must not have them either
		return wanted, err
	}
	old.Tags, old.Properties, old.Extra, old.Numbered = wanted.Tags, wanted.Properties, wanted.Extra, wanted.Numbered
	old.UserData = wanted.UserData
	old.Changes, old.Revision = old.Changes+1, 0 // the store assigns the new revision
	return old, nil
}

// FindResource reads a resource with its identities.
func (s *Service) FindResource(ctx context.Context, id arm.ID) (out Resource, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		out = Resource{}
		if out.Record, err = s.Resources.Get(tx, id); err != nil {
			return err
		}
		out.Identity, err = s.resourceIdentity(tx, id)
		return err
	})
	return out, err
}

// WithIdentities reads the identities of a page of records. It shortens the page if the answer would become
// larger than arm.PageBytes.
func (s *Service) WithIdentities(ctx context.Context, page *resource.Page) ([]Resource, error) {
	all := make([]Resource, 0, len(page.Records))
	err := s.Store.View(ctx, func(tx store.Tx) error {
		all = all[:0]
		size := 0
		for i, rec := range page.Records {
			c := Resource{Record: rec, Identity: ManagedServiceIdentity{Type: None}}
			if rec.IdentityKeys > 0 {
				id, err := arm.ParseID(rec.ID)
				if err != nil {
					return err
				}
				if c.Identity, err = s.resourceIdentity(tx, id); err != nil {
					return err
				}
			}
			if size += rec.Size + c.Identity.size(); size > arm.PageBytes && i > 0 {
				page.Cut(i)
				return nil
			}
			all = append(all, c)
		}
		return nil
	})
	return all, err
}
