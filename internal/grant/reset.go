package grant

import (
	"context"
	"fmt"

	"midas/internal/store"
)

// resetBatch is how many records one transaction of Reset removes.
const resetBatch = 100

// Reset removes all authorization codes, refresh tokens and device codes, and returns how many. It runs
// after a change of the master key: clients' codes and tokens were sealed with the old key and cannot be
// opened with a new one. Sessions of browsers are not sealed and stay.
func Reset(ctx context.Context, st store.Store) (n int, err error) {
	sealed := []store.Kind{store.CodeKind, store.RefreshKind, store.DeviceKind, store.UserCodeKind}
	for after, done := "", false; !done; {
		var last string
		removed := 0
		_, err := st.Update(ctx, func(tx store.Tx) error {
			removed, done, last = 0, true, after
			seen := 0
			for rec, err := range tx.Scan(store.Range{Prefix: "d/", After: after}) {
				if err != nil {
					return err
				}
				if seen++; removed == resetBatch || seen == 100*resetBatch {
					done = false
					return nil
				}
				last = rec.Key
				for _, kind := range sealed {
					if kind.Holds(rec.Key) {
						tx.Delete(rec.Key)
						removed++
					}
				}
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("remove grants: %w", err)
		}
		n, after = n+removed, last
	}
	return n, nil
}
