package directory

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"midas/internal/store"
)

// defaultMaxRevocations is the default of Directory.MaxRevocations, the number of revocations from which on no subjects are created. A revocation or a deletion is
// never refused, and lists hide no entry; so whoever creates and deletes subjects in turn is stopped at the creation,
// long before a list has a size that relying parties refuse. An entry of a list has about 90 bytes.
const defaultMaxRevocations = 100_000

// revocationCount estimates the number of revocations in the store, without a read on the way of a request. It counts
// what this process writes, and CountRevocations corrects it.
type revocationCount struct{ n atomic.Int64 }

func (c *revocationCount) add() { c.n.Add(1) }

// tooManyRevoked reports whether there are so many revocations that no subjects are created.
func (d *Directory) tooManyRevoked() bool {
	return d.revoked.n.Load() >= cmp.Or(d.MaxRevocations, defaultMaxRevocations)
}

// CountRevocations counts the revocations in the store.
func (d *Directory) CountRevocations(ctx context.Context) error {
	var n int64
	err := d.Store.View(ctx, func(tx store.Tx) error {
		n = 0
		for _, err := range tx.Scan(store.Range{Prefix: store.RevocationKind.Keys}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count revocations: %w", err)
	}
	d.revoked.n.Store(n)
	return nil
}
