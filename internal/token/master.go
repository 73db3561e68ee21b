package token

import (
	"context"
	"fmt"

	"midas/internal/seal"
	"midas/internal/store"
)

// CheckMaster reports whether a store has signing keys. It returns ErrMaster if the master key cannot decrypt
// them. It writes nothing.
func CheckMaster(ctx context.Context, st store.Store, master seal.MasterKey) (sealed bool, err error) {
	err = st.View(ctx, func(tx store.Tx) error {
		sealed = false
		for rec, err := range tx.Scan(store.Range{Prefix: rowPrefix}) {
			if err != nil {
				return err
			}
			if rec.Key == headKey {
				continue
			}
			sealed = true
			if _, err := open(rec, master); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return sealed, fmt.Errorf("read signing keys: %w", err)
	}
	return sealed, nil
}

// Reset deletes all signing keys, including those that cannot be decrypted, so that every token becomes
// invalid. It creates a new key that signs at once, and returns its id. No server may be using the store.
func Reset(ctx context.Context, cfg KeysConfig) (kid string, err error) {
	now := cfg.Now().UTC()
	fresh, err := generate(now, now)
	if err != nil {
		return "", err
	}
	row, err := fresh.seal(cfg.Master)
	if err != nil {
		return "", err
	}
	_, err = cfg.Store.Update(ctx, func(tx store.Tx) error {
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
	})
	if err != nil {
		return "", fmt.Errorf("reset signing keys: %w", err)
	}
	return fresh.kid, nil
}
