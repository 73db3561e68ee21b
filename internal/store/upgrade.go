package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrOlderReplica is the error of a write that an older Midas on the same store could not read. It is an ErrUnavailable.
var ErrOlderReplica = fmt.Errorf("an older Midas uses the store and cannot read this: end it or upgrade it: %w", ErrUnavailable)

// settled is for how long nobody must have begun to use a store before versions are raised. A replica that has begun
// has a record of its own by then.
const settled = time.Minute

// Versions are versions that a replica knows and that its store has not had when the replica began to use it.
type Versions struct {
	Format int            `json:"format,omitempty"`
	Kinds  map[string]int `json:"kinds,omitempty"` // by the name of the kind
}

// String lists the versions.
func (v Versions) String() string {
	var all []string
	if v.Format > 0 {
		all = append(all, fmt.Sprintf("format %d", v.Format))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Kinds)) {
		all = append(all, fmt.Sprintf("%s %d", name, v.Kinds[name]))
	}
	return strings.Join(all, ", ")
}

// Upgrade lets replicas of two versions of Midas share one store. The store's record of the format says which versions
// of records there may be. A replica that knows newer ones writes the older ones (Table.Revert) until each replica
// knows the newer ones; then it raises them in the record, and from then on no older Midas starts on the store. So an
// upgrade can be taken back as long as one replica was not upgraded.
//
// Nothing depends on the moment at which a replica learns of this: a record of an older version can always be read.
type Upgrade struct {
	store   Store
	own     formatRecord
	ahead   Versions
	settled time.Duration

	mu    sync.Mutex
	seen  Revision  // of the record of the format
	since time.Time // when this process has seen it first
}

// ClaimShared is Claim for a store that other replicas use: it raises no version that the others may not know. Every
// call changes the record of the format.
func ClaimShared(ctx context.Context, s Store, program string) (*Upgrade, error) {
	return claimShared(ctx, s, formatRecord{Format: Format, Versions: versions(), Program: program})
}

func claimShared(ctx context.Context, s Store, own formatRecord) (*Upgrade, error) {
	u := &Upgrade{store: s, own: own, settled: settled}
	var now formatRecord
	_, err := s.Update(ctx, func(tx Tx) error {
		if err := notRestoring(tx); err != nil {
			return err
		}
		found, err := formats.Get(tx, formatKey)
		if errors.Is(err, ErrNotFound) {
			found, err = own, nil
		}
		if err != nil {
			return err
		}
		if err := found.notBeyond(own); err != nil {
			return err
		}
		now = found
		now.Claims++
		return formats.Put(tx, formatKey, now)
	})
	if err != nil {
		return nil, err
	}
	u.ahead = own.ahead(now)
	u.hold(now)
	return u, nil
}

// ahead returns what r has that is newer than what found has.
func (r formatRecord) ahead(found formatRecord) (v Versions) {
	if r.Format > found.Format {
		v.Format = r.Format
	}
	for name, version := range r.Versions {
		if version > found.Versions[name] {
			if v.Kinds == nil {
				v.Kinds = map[string]int{}
			}
			v.Kinds[name] = version
		}
	}
	return v
}

// hold makes tables write the versions of the record of the format.
func (u *Upgrade) hold(found formatRecord) {
	holder, ok := u.store.(*transactional)
	if !ok {
		return
	}
	held := map[string]int{}
	for name := range u.own.ahead(found).Kinds {
		held[name] = found.Versions[name]
	}
	if len(held) == 0 {
		holder.held.Store(nil)
		return
	}
	holder.held.Store(&held)
}

// Ahead returns what this replica knows and the store did not have when the replica began to use it.
func (u *Upgrade) Ahead() Versions { return u.ahead }

// Step raises the versions that all replicas know. others returns what each other replica of the store has returned
// for Ahead. It is called every few seconds, reports what it has raised, and does nothing if this replica was not ahead.
func (u *Upgrade) Step(ctx context.Context, others func(Tx) ([]Versions, error)) (raised string, err error) {
	if u.ahead.Format == 0 && len(u.ahead.Kinds) == 0 {
		return "", nil
	}
	var now formatRecord
	_, err = u.store.Update(ctx, func(tx Tx) error {
		raised = ""
		rec, err := tx.Get(formatKey)
		if err != nil {
			return err
		}
		if now, err = formats.Decode(rec); err != nil || !u.isSettled(rec.Revision) {
			return err
		}
		all, err := others(tx)
		if err != nil {
			return err
		}
		next := u.raise(now, all)
		if changes := next.ahead(now); changes.Format > 0 || len(changes.Kinds) > 0 {
			raised, now = changes.String(), next
			return formats.Put(tx, formatKey, next)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("raise the versions of records: %w", err)
	}
	u.hold(now)
	return raised, nil
}

// isSettled reports whether the record of the format has not changed for long enough.
func (u *Upgrade) isSettled(rev Revision) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now := time.Now(); u.since.IsZero() || u.seen != rev {
		u.seen, u.since = rev, now
	}
	return time.Since(u.since) >= u.settled
}

// raise returns the record with the versions that this replica and all others know.
func (u *Upgrade) raise(now formatRecord, others []Versions) formatRecord {
	next := now
	next.Versions = maps.Clone(now.Versions)
	if u.ahead.Format > now.Format {
		next.Format = u.ahead.Format
		for _, o := range others {
			next.Format = min(next.Format, max(o.Format, now.Format))
		}
	}
	for name, version := range u.ahead.Kinds {
		for _, o := range others {
			version = min(version, max(o.Kinds[name], now.Versions[name]))
		}
		if version > now.Versions[name] {
			next.Versions[name] = version
		}
	}
	next.Program = u.own.Program
	return next
}

// Active reports whether every replica of the store knows a kind in the version of this Midas. A new feature asks it
// before it writes what an older Midas would overlook.
func Active(t Tx, kind Kind) bool {
	own, ok := t.(*tx)
	if !ok {
		return true
	}
	held, older := own.held[kind.Name]
	return !older || held >= kind.Version
}
