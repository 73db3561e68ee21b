package replica

import (
	"context"
	"slices"
	"strings"
	"time"

	"midas/internal/store"
)

const (
	// watchFor is for how long Running looks for a change: a replica renews its record every SeenEvery.
	watchFor  = SeenEvery + 5*time.Second
	scanEvery = 500 * time.Millisecond
)

// Running returns the addresses of replicas that use a store, for commands that must not run beside them. A replica runs
// if its record changes. So Running returns at once if there are no records, and otherwise when it has seen a change,
// or after 15 s: the records are left of replicas that have died.
func Running(ctx context.Context, st store.Store) ([]string, error) {
	first, err := scan(ctx, st)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	for began := time.Now(); time.Since(began) < watchFor; {
		if pause(ctx, scanEvery); ctx.Err() != nil {
			return nil, ctx.Err()
		}
		now, err := scan(ctx, st)
		if err != nil {
			return nil, err
		}
		var all []string
		for id, row := range now {
			if was, known := first[id]; !known || was.Revision != row.Revision {
				all = append(all, row.Data.Addresses...)
			}
		}
		if len(all) > 0 {
			slices.Sort(all)
			return all, nil
		}
	}
	return nil, nil
}

// scan returns the records of all replicas by id.
func scan(ctx context.Context, st store.Store) (all map[string]store.Row[record], err error) {
	err = st.View(ctx, func(tx store.Tx) error {
		all = map[string]store.Row[record]{}
		for row, err := range replicas.Scan(tx, store.Range{Prefix: store.ReplicaKind.Keys}) {
			if err != nil {
				return err
			}
			all[strings.TrimPrefix(row.Key, store.ReplicaKind.Keys)] = row
		}
		return nil
	})
	return all, err
}
