package installation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"midas/internal/seal"
	"midas/internal/store"
)

// Change is a change of the master key. All fields are required.
type Change struct {
	Master   seal.MasterKey // the new one
	StoreKey bool           // the store key is replaced too

	// Pause waits until every replica has adopted a change of the keys.
	Pause func(ctx context.Context) error

	// Values seals the values of other packages again. It may be called more than once.
	Values func(ctx context.Context) error

	// Commit makes the new master key the one that the next start reads. Until it has returned both master keys are
	// valid.
	Commit func() error
}

// ErrResealing means that another Reseal has begun in the meantime.
var ErrResealing = errors.New("another change of the master key has begun in the meantime")

// Reseal changes the master key while replicas run, and reports whether it has also replaced the store key: because
// change asks for it, or because the store key was the master key of an earlier version, which others may
// know. Values that clients hold, such as refresh tokens, end with their store key.
//
// The old and the new master key are valid until the end. So the process may end at any point: the next start works
// with the key that it reads, and another Reseal goes on.
func (i *Installation) Reseal(ctx context.Context, change Change) (storeKey bool, err error) {
	i.resealing.Lock()
	defer i.resealing.Unlock()
	run := rand.Text()
	if storeKey, err = i.beginReseal(ctx, run, change); err != nil {
		return false, fmt.Errorf("begin to change the master key: %w", err)
	}
	if storeKey {
		if err := i.replaceStoreKey(ctx, run, change); err != nil {
			return false, fmt.Errorf("replace the store key: %w", err)
		}
	}
	if err := i.edit(ctx, func(rec *record) error { return rec.check(run) }); err != nil {
		return false, err
	}
	if err := change.Commit(); err != nil {
		return false, fmt.Errorf("store the new master key: %w", err)
	}
	if err := i.endReseal(ctx, run, change.Master); err != nil {
		return false, fmt.Errorf("end the change of the master key: %w", err)
	}
	return storeKey, nil
}

// beginReseal makes the new master key valid beside the old one, and adds the next store key, with which nothing
// is sealed yet.
func (i *Installation) beginReseal(ctx context.Context, run string, change Change) (storeKey bool, err error) {
	err = i.edit(ctx, func(rec *record) error {
		rec.Run = run
		storeKey = change.StoreKey || slices.ContainsFunc(rec.Keys, func(k storedKey) bool { return k.Next || k.WasMaster })
		for n := range rec.Keys {
			if err := rec.wrapAlso(&rec.Keys[n], i.keyOf(*rec, rec.Keys[n]), change.Master); err != nil {
				return err
			}
		}
		if !storeKey || slices.ContainsFunc(rec.Keys, func(k storedKey) bool { return k.Next }) {
			return nil
		}
		key, err := newKey()
		if err != nil {
			return err
		}
		next, err := rec.wrap(key, i.currentMaster(), change.Master)
		if err != nil {
			return err
		}
		next.Next = true
		rec.Keys = append(rec.Keys, next)
		return nil
	})
	return storeKey, err
}

// replaceStoreKey seals everything in the store with the next store key.
func (i *Installation) replaceStoreKey(ctx context.Context, run string, change Change) error {
	if err := change.Pause(ctx); err != nil {
		return err
	}
	err := i.edit(ctx, func(rec *record) error {
		slices.SortStableFunc(rec.Keys, func(a, b storedKey) int {
			switch {
			case a.Next == b.Next:
				return 0
			case a.Next:
				return -1
			}
			return 1
		})
		return rec.check(run)
	})
	if err != nil {
		return err
	}
	if err := change.Pause(ctx); err != nil {
		return err
	}
	if err := i.resealAuthorities(ctx); err != nil {
		return err
	}
	return change.Values(ctx)
}

// endReseal ends the old master key, and the old store key if there is a next one.
func (i *Installation) endReseal(ctx context.Context, run string, master seal.MasterKey) error {
	err := i.edit(ctx, func(rec *record) error {
		if err := rec.check(run); err != nil {
			return err
		}
		if slices.ContainsFunc(rec.Keys, func(k storedKey) bool { return k.Next }) {
			rec.Keys = slices.DeleteFunc(rec.Keys, func(k storedKey) bool { return !k.Next })
		}
		for n := range rec.Keys {
			key := i.keyOf(*rec, rec.Keys[n])
			rec.Keys[n].Next, rec.Keys[n].Sealed = false, nil
			if err := rec.wrapAlso(&rec.Keys[n], key, master); err != nil {
				return err
			}
		}
		rec.Run = ""
		return nil
	})
	if err == nil {
		i.mu.Lock()
		i.master = master
		i.mu.Unlock()
	}
	return err
}

// edit changes the record in one transaction, and adopts its keys.
func (i *Installation) edit(ctx context.Context, fn func(rec *record) error) error {
	var rec record
	_, err := i.cfg.Store.Update(ctx, func(tx store.Tx) (err error) {
		if rec, err = records.Get(tx, recordKey); err != nil {
			return err
		}
		if err := i.adopt(ctx, rec); err != nil {
			return err
		}
		if err := fn(&rec); err != nil {
			return err
		}
		return records.Put(tx, recordKey, rec)
	})
	if err != nil {
		return err
	}
	return i.adopt(ctx, rec)
}

// check returns ErrResealing if another Reseal than run has changed the record.
func (r *record) check(run string) error {
	if r.Run != run {
		return ErrResealing
	}
	return nil
}

// keyOf returns a store key that adopt has opened.
func (i *Installation) keyOf(rec record, stored storedKey) seal.MasterKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.known[rec.ID+stored.ID]
}

func (i *Installation) currentMaster() seal.MasterKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.master
}

// resealAuthorities seals the certificate authorities with the key with which the keyring seals now.
func (i *Installation) resealAuthorities(ctx context.Context) error {
	sealer, err := seal.New(i.keys, authorityPurpose)
	if err != nil {
		return err
	}
	_, err = i.cfg.Store.Update(ctx, func(tx store.Tx) error {
		for row, err := range authorities.Scan(tx, store.Range{Prefix: store.AuthorityKind.Keys}) {
			if err != nil {
				return err
			}
			if _, err := tx.Get(row.Key); err != nil { // guards the record
				return err
			}
			fresh, err := sealer.Reseal(row.Key, row.Data.Sealed)
			if err != nil {
				return fmt.Errorf("open the record %s: %w", row.Key, err)
			}
			if fresh == nil {
				continue
			}
			if err := authorities.Put(tx, row.Key, authorityRow{Sealed: fresh}); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
