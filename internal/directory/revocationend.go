package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"midas/internal/store"
)

// expiredBatch is how many revocations one transaction removes. Each takes up to two keys.
const expiredBatch = store.MaxOperations/2 - 4

// ExpireRevocations removes the revocations whose last token has expired, and returns how many it has removed.
// The caller asks package retention before.
func (d *Directory) ExpireRevocations(ctx context.Context) (int, error) {
	if err := d.CountRevocations(ctx); err != nil {
		return 0, err
	}
	removed, after := 0, ""
	for {
		expired, last, err := d.expiredRevocations(ctx, after)
		if err != nil || len(expired) == 0 {
			return removed, err
		}
		n, err := d.removeRevocations(ctx, expired)
		d.revoked.n.Add(int64(-n))
		if removed += n; err != nil {
			return removed, err
		}
		after = last
	}
}

// expiredRevocations returns the keys of at most expiredBatch expired revocations after a key, and the last of them.
func (d *Directory) expiredRevocations(ctx context.Context, after string) (expired []string, last string, err error) {
	now := d.Now()
	err = d.Store.View(ctx, func(tx store.Tx) error {
		expired = nil
		for row, err := range revocations.Scan(tx, store.Range{Prefix: store.RevocationKind.Keys, After: after}) {
			if err != nil {
				return err
			}
			if now.Before(row.Data.Until) {
				continue
			}
			expired, last = append(expired, row.Key), row.Key
			if len(expired) == expiredBatch {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("find expired revocations: %w", err)
	}
	return expired, last, nil
}

// removeRevocations removes the revocations of keys that are still expired.
func (d *Directory) removeRevocations(ctx context.Context, keys []string) (n int, err error) {
	now := d.Now()
	_, err = d.Store.Update(ctx, func(tx store.Tx) error {
		n = 0
		for _, key := range keys {
			r, err := revocations.Get(tx, key)
			if errors.Is(err, ErrNotFound) || err == nil && now.Before(r.Until) {
				continue // it was removed or renewed since
			}
			if err != nil {
				return err
			}
			tenant, _, _ := strings.Cut(strings.TrimPrefix(key, store.RevocationKind.Keys), "/")
			tx.Delete(key)
			if err := revocationLists.Put(tx, revocationListKey(tenant), noValue{}); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("remove expired revocations: %w", err)
	}
	return n, nil
}
