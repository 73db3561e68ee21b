package grant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"midas/internal/store"
)

const (
	// sweepEvery is how often Run looks for what is over. Nothing depends on it but the store's size.
	sweepEvery = 10 * time.Minute

	// sweepBatch bounds one transaction: three keys for each entry.
	sweepBatch = 30
)

// expiryEntry is the value of an entry; all that it says is in its key.
type expiryEntry struct{}

var expiries = store.Table[expiryEntry]{Kind: store.ExpiryIndex}

// expiryPrefix begins the entries of all tenants.
var expiryPrefix = store.ExpiryIndex.Key("", "")

func expiryKey(at time.Time, key string) string {
	return fmt.Sprintf("%s%020d/%s", expiryPrefix, at.Unix(), key)
}

// ending is what every record that expires says of that.
type ending struct {
	Expires time.Time `json:"expires"`
}

// keep writes a new record with the entry by which it is found when it is over. A record whose time
// was prolonged since keeps its entry: the sweeper then gives it a new one, so that prolonging costs
// one write.
func keep[T any](tx store.Tx, table *store.Table[T], key string, record T, expires time.Time) error {
	if err := expireAt(tx, expires, key); err != nil {
		return err
	}
	return table.Put(tx, key, record)
}

// expireAt writes the entry by which a record is found when it is over.
func expireAt(tx store.Tx, at time.Time, key string) error {
	return expiries.Put(tx, expiryKey(at, key), expiryEntry{})
}

// Run removes what is over until ctx ends. A failure is for the next round.
func (g *Grants) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for {
			n, err := g.Sweep(ctx)
			if err != nil && ctx.Err() == nil && g.Log != nil {
				g.Log.WarnContext(ctx, "sweep grants", "err", err)
			}
			if err != nil || n < sweepBatch {
				break
			}
		}
	}
}

// Sweep removes some of what is over, if Retention allows it, and says how many entries it has looked at.
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
				return fmt.Errorf("read entry %s: it is none", rec.Key)
			}
			if now.Before(time.Unix(seconds, 0)) {
				return nil
			}
			n++
			tx.Delete(rec.Key)
			if err := g.end(tx, name, now); err != nil {
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

// end removes a record that is over, or gives it a new entry.
func (g *Grants) end(tx store.Tx, key string, now time.Time) error {
	kind, known := store.KindOf(key)
	if !known {
		return fmt.Errorf("the entry of %s: there are no such records", key)
	}
	endings := store.Table[ending]{Kind: kind}
	r, err := endings.Get(tx, key)
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
