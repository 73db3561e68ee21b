package resource

import (
	"context"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Associate notes that a resource uses an identity; Dissociate ends that. The resource need not be
// in the identity's group, and the identity need not exist any more.
func Associate(tx store.Tx, identity, resource arm.ID) {
	tx.Put(associationKey(identity)+resource.Key(), []byte(resource.String()))
}

// Dissociate ends what Associate has noted.
func Dissociate(tx store.Tx, identity, resource arm.ID) {
	tx.Delete(associationKey(identity) + resource.Key())
}

// Associated gives one page of the ids of the resources that use an identity, in id order, and how
// many there are in all.
func (s *Service) Associated(ctx context.Context, identity arm.ID, after string, limit int) (ids []arm.ID, next string, total int, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		ids, next, total = nil, "", 0
		if _, err := s.Get(tx, identity); err != nil {
			return err
		}
		var last string
		for kept, err := range tx.Scan(store.Range{Prefix: associationKey(identity)}) {
			if err != nil {
				return err
			}
			total++
			switch {
			case strings.Compare(kept.Key, after) <= 0:
			case len(ids) == limit:
				next = last
			default:
				id, err := arm.ParseID(string(kept.Value))
				if err != nil {
					return err
				}
				ids, last = append(ids, id), kept.Key
			}
		}
		return nil
	})
	return ids, next, total, err
}

func associationKey(identity arm.ID) string { return "a/" + identity.Key() + "\x00" }
