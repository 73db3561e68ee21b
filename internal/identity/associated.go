package identity

import (
	"context"
	"slices"

	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// AssociatedQuery selects a part of the resources that use an identity.
type AssociatedQuery struct {
	Keep    func(arm.ID) bool     // selects resources; nil selects all
	Compare func(a, b arm.ID) int // the order; nil is the order of the keys
	Skip    int                   // the number of selected resources before the part
	Limit   int                   // the maximum length of the part
}

// Associated returns a part of the resources that use an identity, and the number of all selected resources.
// With Compare, it holds all of them in memory at once.
func (s *Service) Associated(ctx context.Context, id arm.ID, q AssociatedQuery) (part []arm.ID, total int, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		part, total = nil, 0
		rec, err := s.Resources.Get(tx, id)
		if err != nil {
			return err
		}
		found, err := s.fromRecord(rec)
		if err != nil {
			return err
		}
		for user, err := range resource.Associations(tx, found.ID, found.PrincipalID) {
			if err != nil {
				return err
			}
			if q.Keep != nil && !q.Keep(user) {
				continue
			}
			total++
			wanted := total > q.Skip && len(part) < q.Limit
			if q.Compare != nil || wanted {
				part = append(part, user)
			}
		}
		return nil
	})
	if q.Compare != nil {
		slices.SortStableFunc(part, q.Compare)
		part = part[min(q.Skip, len(part)):]
		part = part[:min(q.Limit, len(part))]
	}
	return part, total, err
}
