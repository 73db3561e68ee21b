package identity

import (
	"context"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// RevokeTokens makes all tokens invalid that were issued to an identity up to now.
func (s *Service) RevokeTokens(ctx context.Context, ev activity.Event, id arm.ID) error {
	return s.Log.Update(ctx, ev, func(tx store.Tx) error {
		rec, err := s.Resources.Get(tx, id)
		if err != nil {
			return err
		}
		found, err := s.fromRecord(rec)
		if err != nil {
			return err
		}
		return s.Directory.RevokeTokens(tx, found.TenantID, found.PrincipalID)
	})
}
