package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"midas/internal/clock"
	"midas/internal/store"
)

const (
	// SeenEvery is how often a replica renews its record.
	SeenEvery = 10 * time.Second

	// GoneAfter is for how long a record must not have changed before its replica counts as gone.
	GoneAfter = time.Minute

	// forgetAfter is for how long a record must not have changed before it is deleted.
	forgetAfter = 10 * GoneAfter

	// MostHeldBack bounds how far Earliest is behind the own clock, so that a replica whose clock is years behind
	// holds nothing back for years.
	MostHeldBack = 3 * time.Hour
)

// Registry knows which replicas use a store. Its fields are set before its first use; all are required. It is safe for
// concurrent use.
type Registry struct {
	Store     store.Store
	ID        string   // of this replica, never used again
	Addresses []string // URLs at which agents and other clients reach this replica
	Version   string
	Now       func() time.Time // the wall clock
	Log       *slog.Logger

	// Upgrade raises the versions of records when all replicas know them. nil means that this is done elsewhere.
	Upgrade *store.Upgrade

	// Alone is set if no other process writes the store. Then the registry writes and reads nothing.
	Alone bool

	mu     sync.Mutex
	others map[string]*other // by id; as many as there are records
}

// other is what this replica has seen of another one.
type other struct {
	record
	revision store.Revision
	changed  time.Time     // when this replica saw the record change, by its own clocks
	ahead    time.Duration // how much the other's wall clock was ahead of the own one then
}

// live reports whether the record has changed lately, by the monotonic clock.
func (o *other) live(now time.Time) bool { return now.Sub(o.changed) < GoneAfter }

// Live returns the addresses of the live replicas, this one first.
func (r *Registry) Live() []string {
	all := slices.Clone(r.Addresses)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, id := range slices.Sorted(maps.Keys(r.others)) {
		if o := r.others[id]; o.live(now) {
			for _, address := range o.Addresses {
				if !slices.Contains(all, address) {
					all = append(all, address)
				}
			}
		}
	}
	return all
}

// Size returns the number of live replicas, with this one.
func (r *Registry) Size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, now := 1, time.Now()
	for _, o := range r.others {
		if o.live(now) {
			n++
		}
	}
	return n
}

// Earliest returns the time of the slowest wall clock of all live replicas, which is not after the own time, and at
// most three hours before it. What must not begin early, such as the use of a new signing key, begins by this
// time.
func (r *Registry) Earliest(now time.Time) time.Time {
	least, _ := r.spread()
	return now.Add(max(least, -MostHeldBack))
}

// Latest returns the time of the fastest wall clock of all live replicas, which is not before the own time, and at most
// three hours after it. What must include everything that any replica has done until now, such as a revocation of the
// tokens of a subject, lasts until this time.
func (r *Registry) Latest(now time.Time) time.Time {
	_, most := r.spread()
	return now.Add(min(most, MostHeldBack))
}

// ClocksAgree reports whether the wall clocks of all live replicas differ by at most clock.Skew. While they do not,
// nothing is deleted by age, because nobody knows which one is right.
func (r *Registry) ClocksAgree() bool {
	least, most := r.spread()
	return most-least <= clock.Skew
}

// spread returns how far the clocks of the live replicas are behind and ahead of the own one: at most 0, at least 0.
func (r *Registry) spread() (least, most time.Duration) {
	if r == nil || r.Alone {
		return 0, 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, o := range r.others {
		if o.live(now) {
			least, most = min(least, o.ahead), max(most, o.ahead)
		}
	}
	return least, most
}

// Run renews the record of this replica and follows those of the others, until ctx ends. Then it deletes its own.
func (r *Registry) Run(ctx context.Context) error {
	if r.Alone {
		return nil
	}
	var following sync.WaitGroup
	following.Go(func() { r.follow(ctx) })
	defer following.Wait()
	started, failing := r.Now().UTC(), false
	for {
		err := r.renew(ctx, started)
		switch {
		case errors.Is(err, store.ErrClosed):
			return fmt.Errorf("renew the record of this replica: %w", err)
		case err != nil && ctx.Err() == nil && !failing:
			r.Log.WarnContext(ctx, "the record of this replica could not be renewed, trying again", "cause", err)
		}
		if failing = err != nil; !failing && r.Upgrade != nil {
			r.upgrade(ctx)
		}
		if pause(ctx, SeenEvery); ctx.Err() != nil {
			r.leave(ctx)
			return nil
		}
	}
}

// renew writes the record of this replica, and deletes the records of replicas that are gone for long.
func (r *Registry) renew(ctx context.Context, started time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, SeenEvery)
	defer cancel()
	gone := r.gone()
	_, err := r.Store.Update(ctx, func(tx store.Tx) error {
		for id, rev := range gone {
			kept, err := tx.Get(replicaKey(id))
			if err == nil && kept.Revision == rev {
				tx.Delete(replicaKey(id))
			}
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		own := record{Addresses: r.Addresses, Version: r.Version, Started: started, Seen: r.Now().UTC()}
		if r.Upgrade != nil {
			own.Ahead = r.Upgrade.Ahead()
		}
		return replicas.Put(tx, replicaKey(r.ID), own)
	})
	return err
}

// upgrade raises the versions of records that all replicas know. Every record counts, also that of a replica that may be
// gone: one that was only paused goes on when it is resumed.
func (r *Registry) upgrade(ctx context.Context) {
	raised, err := r.Upgrade.Step(ctx, func(tx store.Tx) (all []store.Versions, err error) {
		for row, err := range replicas.Scan(tx, store.Range{Prefix: store.ReplicaKind.Keys}) {
			if err != nil {
				return nil, err
			}
			if row.Key != replicaKey(r.ID) {
				all = append(all, row.Data.Ahead)
			}
		}
		return all, nil
	})
	switch {
	case err != nil && ctx.Err() == nil:
		r.Log.DebugContext(ctx, "the versions of records could not be compared, trying again", "cause", err)
	case raised != "":
		r.Log.InfoContext(ctx, "all replicas know the new versions of records, which are written from now on; an older Midas can no longer use the store", "raised", raised)
	}
}

// gone returns the replicas whose records are to be deleted, with the revisions of these.
func (r *Registry) gone() map[string]store.Revision {
	const most = 16 // in one transaction
	r.mu.Lock()
	defer r.mu.Unlock()
	all, now := map[string]store.Revision{}, time.Now()
	for id, o := range r.others {
		if now.Sub(o.changed) >= forgetAfter && len(all) < most {
			all[id] = o.revision
		}
	}
	return all
}

// leave deletes the record of this replica, so that others do not wait for GoneAfter.
func (r *Registry) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, err := r.Store.Update(ctx, func(tx store.Tx) error { tx.Delete(replicaKey(r.ID)); return nil })
	if err != nil {
		r.Log.DebugContext(ctx, "the record of this replica was not deleted", "cause", err)
	}
}

// follow reads the records of the other replicas, and then each change of them, until ctx ends. The feed shows a
// change soon, so that the time in the record can be compared with the own clock.
func (r *Registry) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.followOnce(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrCompacted) {
			r.Log.DebugContext(ctx, "following the records of replicas failed, trying again", "cause", err)
		}
		pause(ctx, time.Second)
	}
}

func (r *Registry) followOnce(ctx context.Context) error {
	var all []store.Row[record]
	head, err := r.Store.Update(ctx, func(tx store.Tx) error {
		all = nil
		for row, err := range replicas.Scan(tx, store.Range{Prefix: store.ReplicaKind.Keys}) {
			if err != nil {
				return err
			}
			all = append(all, row)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the records of replicas: %w", err)
	}
	r.restart(all)
	for change, err := range r.Store.Watch(ctx, store.ReplicaKind.Keys, head) {
		if err != nil {
			return err
		}
		if err := r.changed(change); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// restart takes over the records of a whole read. A record is as old as this replica knows: a replica that is gone is
// noticed GoneAfter later. The time in it may be SeenEvery old, so it shows only a clock that is ahead.
func (r *Registry) restart(all []store.Row[record]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, now := r.others, time.Now()
	r.others = map[string]*other{}
	for _, row := range all {
		id := strings.TrimPrefix(row.Key, store.ReplicaKind.Keys)
		if o := was[id]; o != nil && o.revision == row.Revision {
			r.others[id] = o
		} else if id != r.ID {
			r.others[id] = &other{record: row.Data, revision: row.Revision, changed: now, ahead: max(0, r.ahead(row.Data))}
		}
	}
}

// ahead returns how much a replica's clock is ahead of the own one, if its record has just been written.
func (r *Registry) ahead(rec record) time.Duration { return rec.Seen.Sub(r.Now().Round(0)) }

// changed takes over a change of the feed.
func (r *Registry) changed(c store.Change) error {
	id := strings.TrimPrefix(c.Key, store.ReplicaKind.Keys)
	if id == r.ID {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Deleted {
		delete(r.others, id)
		return nil
	}
	rec, err := replicas.Decode(store.Record{Key: c.Key, Value: c.Value, Revision: c.Revision})
	if err != nil {
		return err
	}
	r.others[id] = &other{record: rec, revision: c.Revision, changed: time.Now(), ahead: r.ahead(rec)}
	return nil
}
