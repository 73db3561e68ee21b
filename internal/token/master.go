package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/seal"
	"midas/internal/store"
)

// CheckMaster reports whether a store has signing keys. It returns ErrMaster if the master key cannot decrypt
// them. It writes nothing.
func CheckMaster(tx store.Tx, master seal.Source) (sealed bool, err error) {
	for rec, err := range tx.Scan(store.Range{Prefix: rowPrefix}) {
		if err != nil {
			return sealed, fmt.Errorf("read signing keys: %w", err)
		}
		if rec.Key == headKey {
			continue
		}
		sealed = true
		if _, err := open(rec, master); err != nil {
			return sealed, fmt.Errorf("read signing keys: %w", err)
		}
	}
	return sealed, nil
}

// NewReset prepares a transaction that deletes all signing keys, including those that cannot be decrypted, so that
// every token becomes invalid, and that creates a new key, which signs at once. kid is the id of that key. No
// server may be using the store.
func NewReset(cfg KeysConfig) (kid string, reset func(tx store.Tx) error, err error) {
	now := cfg.Now().UTC()
	fresh, err := generate(now, now)
	if err != nil {
		return "", nil, err
	}
	row, err := fresh.seal(cfg.Master)
	if err != nil {
		return "", nil, err
	}
	return fresh.kid, func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{Prefix: rowPrefix}) {
			if err != nil {
				return err
			}
			tx.Delete(rec.Key)
		}
		if err := rows.Put(tx, rowPrefix+fresh.kid, row); err != nil {
			return err
		}
		return head.Put(tx, headKey, headRow{Changed: now})
	}, nil
}

// Reseal seals all signing keys again with the key with which master seals now. Keys that are sealed with it already
// stay as they are.
func Reseal(ctx context.Context, st store.Store, master seal.Source, now time.Time) error {
	sealer, err := seal.NewUnderived(master)
	if err != nil {
		return err
	}
	_, err = st.Update(ctx, func(tx store.Tx) error {
		if _, err := head.Get(tx, headKey); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err // the read guards the set of keys
		}
		changed := false
		for rec, err := range tx.Scan(store.Range{Prefix: rowPrefix}) {
			if err != nil {
				return err
			}
			if rec.Key == headKey {
				continue
			}
			row, err := rows.Decode(rec)
			if err != nil {
				return err
			}
			fresh, err := sealer.Reseal(row.KID, row.Sealed)
			if err != nil {
				return fmt.Errorf("open signing key %s: %w", row.KID, ErrMaster)
			}
			if fresh == nil {
				continue
			}
			if row.Sealed = fresh; !changed {
				changed = true
				if err := head.Put(tx, headKey, headRow{Changed: now}); err != nil {
					return err
				}
			}
			if err := rows.Put(tx, rec.Key, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("seal the signing keys again: %w", err)
	}
	return nil
}
