package grant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"midas/internal/clock"
	"midas/internal/store"
)

const (
	// sweepEvery is how often Run removes expired records. It affects only the size of the store.
	sweepEvery = 10 * time.Minute

	// sweepBatch is how many entries one transaction handles. Each entry takes three keys.
	sweepBatch = 30
)

// expiryEntry is the empty value of an expiry entry. Its key holds the time and the record's key.
type expiryEntry struct{}

var expiries = store.Table[expiryEntry]{Kind: store.ExpiryIndex}

// expiryPrefix begins the entries of all tenants.
var expiryPrefix = store.ExpiryIndex.Key("", "")

func expiryKey(at time.Time, key string) string {
	return fmt.Sprintf("%s%020d/%s", expiryPrefix, at.Unix(), key)
}

// expiring is the field that all records with an expiry entry share.
type expiring struct {
	Expires time.Time `json:"expires"`
}

// putExpiring writes a new record and its expiry entry. Prolonging a record later does not change its
// entry, and so costs one write; when the entry is due, the sweeper replaces it.
func putExpiring[T any](tx store.Tx, table *store.Table[T], key string, record T, expires time.Time) error {
	if err := expireAt(tx, expires, key); err != nil {
		return err
	}
	return table.Put(tx, key, record)
}

// expireAt writes the expiry entry of a record.
func expireAt(tx store.Tx, at time.Time, key string) error {
	return expiries.Put(tx, expiryKey(at, key), expiryEntry{})
}

// Run removes expired records every sweepEvery, until ctx ends. It logs errors and tries again in the next
// round.
func (g *Grants) Run(ctx context.Context) error {
	clock.Every(ctx, sweepEvery, func(ctx context.Context) {
		for {
			n, err := g.Sweep(ctx)
			if err != nil && ctx.Err() == nil && g.Log != nil {
				g.Log.WarnContext(ctx, "sweep grants", "err", err)
			}
			if err != nil || n < sweepBatch {
				break
			}
		}
	})
	return nil
}

// Sweep handles up to sweepBatch due expiry entries, if Retention allows it, and returns how many it has
// handled.
func (g *Grants) Sweep(ctx context.Context) (n int, err error) {
	now := g.Now()
	if !g.Retention.Allows(now) {
		return 0, nil
	}
	_, err = g.Store.Update(ctx, func(tx store.Tx) error {
		n = 0
		for rec, err := range expiries.Scan(tx, store.Range{Prefix: expiryPrefix, Limit: sweepBatch}) {
			if err != nil {
				return err
			}
			at, name, found := strings.Cut(strings.TrimPrefix(rec.Key, expiryPrefix), "/")
			seconds, err := strconv.ParseInt(at, 10, 64)
			if !found || err != nil {
				return fmt.Errorf("read expiry entry %s: the key is malformed", rec.Key)
			}
			if now.Before(time.Unix(seconds, 0)) {
				return nil
			}
			n++
			tx.Delete(rec.Key)
			if err := g.removeExpired(tx, name, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("sweep grants: %w", err)
	}
	return n, nil
}

// removeExpired removes a record that has expired. A record that was prolonged gets a new expiry entry.
func (g *Grants) removeExpired(tx store.Tx, key string, now time.Time) error {
	kind, known := store.KindOf(key)
	if !known {
		return fmt.Errorf("read the expiry entry of %s: the record's kind is unknown", key)
	}
	r, err := (&store.Table[expiring]{Kind: kind}).Get(tx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if now.Before(r.Expires) {
		return expireAt(tx, r.Expires, key)
	}
	tx.Delete(key)
	return nil
}
