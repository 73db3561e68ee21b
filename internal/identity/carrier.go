package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// Carrier is a resource of any type with its identity block.
type Carrier struct {
	resource.Record
	Identity ManagedServiceIdentity

	// Fresh are the positions in Block.UserAssigned of what the write that gave this Carrier has
	// assigned.
	Fresh map[int]bool
}

// Write is a change of a resource that may carry identities.
type Write struct {
	ID     arm.ID
	Type   arm.Type // in its usual spelling
	Exists bool     // the resource must be there, as for PATCH

	// Change gives the wanted record from the present one. For a resource that does not exist yet,
	// the present one has only what its id says. Id, type, state and times are not its to change.
	Change   func(old resource.Record) (resource.Record, error)
	Identity IdentityChange

	// Work are operations that begin with the write, in its transaction.
	Work []resource.Operation
}

// WriteCarrier creates or changes a resource together with its identity block. The error for what a
// client did wrong is an *arm.Error; those of the block are FailedIdentityOperation,
// LinkedInvalidPropertyId, InvalidIdentityId (all 400), and whatever IdentityChange.Allow says.
func (s *Service) WriteCarrier(ctx context.Context, ev activity.Event, w Write) (out Carrier, created bool, err error) {
	err = s.Resources.Settled(ctx, w.ID, func() error {
		out, created, err = s.writeCarrier(ctx, ev, w)
		return err
	})
	return out, created, err
}

func (s *Service) writeCarrier(ctx context.Context, ev activity.Event, w Write) (out Carrier, created bool, err error) {
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
		c := carrier{rec: rec}
		if c.id, err = arm.ParseID(rec.ID); err != nil {
			return fmt.Errorf("record %s: %w", rec.ID, err)
		}
		was, is, err := s.applyIdentityChange(ctx, tx, c, w.Identity)
		if err != nil {
			return err
		}
		if !w.Identity.Keep {
			if rec.Carried, err = putResourceIdentity(tx, c.id, is); err != nil {
				return err
			}
		}
		out = Carrier{Record: rec, Identity: is, Fresh: map[int]bool{}}
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

// present reads the record of a write's resource, or what a new one begins with.
func (s *Service) present(tx store.Tx, w Write) (resource.Record, error) {
	parent, err := s.Resources.Parent(tx, w.ID)
	if err != nil {
		return resource.Record{}, err
	}
	rec, err := s.Resources.Lookup(tx, w.ID)
	switch {
	case errors.Is(err, store.ErrNotFound) && w.Exists:
		return s.Resources.Get(tx, w.ID) // which words it
	case errors.Is(err, store.ErrNotFound):
		return resource.Record{
			ID: w.ID.Spell(w.Type), Type: w.Type, Name: w.ID.Name(), TenantID: parent.TenantID, State: resource.Succeeded,
		}, nil
	case err == nil && rec.State == resource.Deleting:
		return rec, resource.ErrBeingDeleted(w.ID)
	}
	return rec, err
}

// changed applies a write's change and what is the same for all resources.
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
	if wanted, err = resource.WithoutSecrets(wanted); err != nil { // what is answered has none either
		return wanted, err
	}
	old.Tags, old.Properties, old.Extra, old.Numbered = wanted.Tags, wanted.Properties, wanted.Extra, wanted.Numbered
	old.UserData = wanted.UserData
	old.Changes, old.Revision = old.Changes+1, 0 // what is changed is of no revision yet
	return old, nil
}

// FindCarrier reads a resource with its identity block.
func (s *Service) FindCarrier(ctx context.Context, id arm.ID) (out Carrier, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		out = Carrier{}
		if out.Record, err = s.Resources.Get(tx, id); err != nil {
			return err
		}
		out.Identity, err = s.resourceIdentity(tx, id)
		return err
	})
	return out, err
}

// Carriers reads the identity blocks of a page of records. It cuts the page where it becomes too large
// with them.
func (s *Service) Carriers(ctx context.Context, page *resource.Page) ([]Carrier, error) {
	all := make([]Carrier, 0, len(page.Records))
	err := s.Store.View(ctx, func(tx store.Tx) error {
		all = all[:0]
		size := 0
		for i, rec := range page.Records {
			c := Carrier{Record: rec, Identity: ManagedServiceIdentity{Type: None}}
			if rec.Carried > 0 {
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

// isMissing tells that something is not there, be it the resource itself or the group it would be
// in.
func isMissing(err error) bool {
	var e *arm.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}
