package token

import (
	"context"
	"fmt"

	"midas/internal/seal"
	"midas/internal/store"
)

// CheckMaster tells whether a store has signing keys and, if it has, whether this master key opens them:
// if it does not, the error is ErrMaster. It writes nothing.
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

// Reset removes all signing keys, whether they can be opened or not, so that no token is good any more,
// and makes a new one that signs at once. It returns its name. A server that runs must not be using the
// store.
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
