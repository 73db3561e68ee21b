package resource

import (
	"context"
	"net/http"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// TagsWrite is a change of the tags of a subscription, a group or a resource.
type TagsWrite struct {
	ID arm.ID
	// Change receives the current tags, which it may modify, and returns the wanted ones.
	Change func(tags map[string]string) (map[string]string, error)
	// Work are operations that are stored in the transaction of the write.
	Work []Operation
}

// WriteTags changes tags and nothing else. It returns the changed record. The errors are those of CheckTags, of
// Change, and ARM's errors for a resource that does not exist or is being deleted.
func (s *Service) WriteTags(ctx context.Context, ev activity.Event, w TagsWrite) (rec Record, err error) {
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		if rec, err = s.taggable(tx, w.ID); err != nil {
			return err
		}
		rec = rec.Clone()
		if rec.Tags, err = w.Change(rec.Tags); err != nil {
			return err
		}
		if err := CheckTags(rec.Tags); err != nil {
			return err
		}
		rec.Changed, rec.Revision = s.Now().UTC(), 0 // the store assigns the new revision
		if rec.Changes > 0 {
			rec.Changes++
		}
		for _, op := range w.Work {
			if err := s.PutOperation(tx, op); err != nil {
				return err
			}
		}
		return s.Put(tx, w.ID, rec)
	})
	return rec, err
}

// taggable reads a record whose tags are to be changed. For a resource it also reads the record in which the
// resource is, so that the transaction conflicts with the deletion of that record.
func (s *Service) taggable(tx store.Tx, id arm.ID) (Record, error) {
	if !id.IsSubscription() && !id.IsResourceGroup() {
		if _, err := s.Parent(tx, id); err != nil {
			if _, missing := s.Get(tx, id); arm.IsNotFound(missing) {
				return Record{}, missing
			}
			return Record{}, err
		}
	}
	rec, err := s.Get(tx, id)
	switch {
	case err == nil && id.IsResource() && !rec.Tracked():
		return Record{}, ErrNoTags(rec.Type)
	case err != nil || rec.State != Deleting:
		return rec, err
	case id.IsResourceGroup():
		return Record{}, errGroupDeleting(id)
	}
	return Record{}, ErrBeingDeleted(id)
}

// MergeTags returns tags with others added. A tag of the same name, in any case, gets the new value and the new
// spelling of its name.
func MergeTags(tags, added map[string]string) map[string]string {
	merged := deleteTags(tags, added, func(string, string) bool { return true })
	for name, value := range added {
		merged[name] = value
	}
	return merged
}

// DeleteTags returns tags without others. A tag is removed if its name is given, in any case, with its value or
// with an empty value.
func DeleteTags(tags, removed map[string]string) map[string]string {
	return deleteTags(tags, removed, func(have, given string) bool { return given == "" || given == have })
}

// deleteTags returns the tags without those whose name is among others and whose values match.
func deleteTags(tags, others map[string]string, match func(have, given string) bool) map[string]string {
	given := make(map[string]string, len(others))
	for name, value := range others {
		given[arm.Fold(name)] = value
	}
	rest := make(map[string]string, len(tags)+len(others))
	for name, value := range tags {
		if other, named := given[arm.Fold(name)]; !named || !match(value, other) {
			rest[name] = value
		}
	}
	return rest
}

// ErrNoTags is the 400 for the tags of a type that has none.
func ErrNoTags(typ arm.Type) *arm.Error {
	return arm.Errorf(http.StatusBadRequest, "ResourceTypeNotSupported", "The resource type '%s' does not support tags.", typ)
}
