package resource

import (
	"context"
	"net/http"
	"slices"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// maxUnregistered is the maximum number of unregistered providers of a subscription. Their names are in its
// record, which every request reads.
const maxUnregistered = 250

// IsUnregistered reports whether a provider is unregistered in the subscription of this record.
func (r Record) IsUnregistered(namespace string) bool {
	return slices.Contains(r.Unregistered, arm.Fold(namespace))
}

// SetRegistration registers a provider in a subscription or unregisters it, and returns the subscription's
// record. As in Azure, a provider cannot be unregistered while the subscription has resources of it.
//
// A resource that another transaction creates at the same moment is not detected, because a create does not put the
// subscription's record. Such a resource can be read and deleted like all others.
func (s *Service) SetRegistration(ctx context.Context, ev activity.Event, subscription arm.ID, namespace string, registered bool) (rec Record, err error) {
	key := arm.Fold(namespace)
	if !registered {
		if err := s.unused(ctx, subscription, namespace); err != nil {
			return Record{}, err
		}
	}
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		if rec, err = s.Get(tx, subscription); err != nil {
			return err
		}
		if rec.IsUnregistered(namespace) != registered {
			return nil
		}
		rec = rec.Clone()
		if registered {
			rec.Unregistered = slices.DeleteFunc(slices.Clone(rec.Unregistered), func(have string) bool { return have == key })
		} else {
			if len(rec.Unregistered) >= maxUnregistered {
				return arm.Errorf(http.StatusBadRequest, "TooManyUnregisteredProviders", "At most %d resource providers can be unregistered.", maxUnregistered)
			}
			rec.Unregistered = append(slices.Clone(rec.Unregistered), key)
		}
		rec.Revision = 0 // the store assigns the new revision
		return s.Put(tx, subscription, rec)
	})
	return rec, err
}

// unused returns an error if a subscription has a resource of a provider.
func (s *Service) unused(ctx context.Context, subscription arm.ID, namespace string) error {
	return s.Store.View(ctx, func(tx store.Tx) error {
		for rec, err := range s.Nested(tx, subscription) {
			if err != nil {
				return err
			}
			if arm.SameName(rec.Type.Namespace(), namespace) {
				return arm.Errorf(http.StatusConflict, "ProviderInUse",
					"The resource provider '%s' cannot be unregistered because the subscription has resources of it.", namespace)
			}
		}
		return nil
	})
}
