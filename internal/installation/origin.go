package installation

import (
	"context"
	"fmt"

	"midas/internal/store"
)

// RecordedOrigin returns the origin in a store that replicas share; empty if there is none.
func RecordedOrigin(ctx context.Context, st store.Store) (string, error) {
	rec, err := read(ctx, st)
	if err != nil || rec == nil {
		return "", err
	}
	return rec.Origin, nil
}

// SetOrigin changes the origin that all replicas must have. Those that run with another one end when they see the
// change, see Follow, so that no two of them issue tokens under different names.
func SetOrigin(ctx context.Context, st store.Store, origin string) error {
	_, err := st.Update(ctx, func(tx store.Tx) error {
		rec, err := records.Get(tx, recordKey)
		if err != nil || rec.Origin == origin {
			return err
		}
		rec.Origin = origin
		return records.Put(tx, recordKey, rec)
	})
	if err != nil {
		return fmt.Errorf("change the origin: %w", err)
	}
	return nil
}
