package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"midas/internal/store"
)

// adoptedBatch is how many records one transaction of AdoptRevocations examines. Each can take two keys.
const adoptedBatch = store.MaxOperations/2 - 4

var revocationsAdopted = store.Table[noValue]{Kind: store.RevocationsAdoptedKind, Missing: ErrNotFound}

// AdoptRevocations writes, once in the life of a store, the revocations that a Midas without revocation records has
// made: those of disabled objects, of objects whose tokens were revoked, and of deleted objects that are not unlinked
// yet. Other objects that were deleted before have left no trace.
func (d *Directory) AdoptRevocations(ctx context.Context) error {
	if err := d.CountRevocations(ctx); err != nil {
		return err
	}
	done, all, err := d.adoptable(ctx)
	if err != nil || done {
		return err
	}
	for _, t := range all {
		if err := d.adoptAll(ctx, principalKey(t.ID, ""), d.adoptPrincipal); err != nil {
			return err
		}
		if err := d.adoptAll(ctx, userKey(t.ID, ""), d.adoptUser); err != nil {
			return err
		}
	}
	if err := d.adoptAll(ctx, unlinkPrefix, d.adoptDeleted); err != nil {
		return err
	}
	_, err = d.Store.Update(ctx, func(tx store.Tx) error {
		return revocationsAdopted.Put(tx, store.RevocationsAdoptedKind.Keys, noValue{})
	})
	return err
}

// adoptable reports whether everything is adopted already, and returns the tenants.
func (d *Directory) adoptable(ctx context.Context) (done bool, all []Tenant, err error) {
	err = d.Store.View(ctx, func(tx store.Tx) error {
		_, err := revocationsAdopted.Get(tx, store.RevocationsAdoptedKind.Keys)
		if done = err == nil; done || !errors.Is(err, ErrNotFound) {
			return err
		}
		all, err = d.Tenants(tx)
		return err
	})
	if err != nil {
		return false, nil, fmt.Errorf("find out whether earlier revocations are recorded: %w", err)
	}
	return done, all, nil
}

// adoptAll calls adopt for all records with a prefix.
func (d *Directory) adoptAll(ctx context.Context, prefix string, adopt func(store.Tx, store.Record) error) error {
	for after, n := "", adoptedBatch; n == adoptedBatch; {
		var last string
		_, err := d.Store.Update(ctx, func(tx store.Tx) error {
			n, last = 0, ""
			for rec, err := range tx.Scan(store.Range{Prefix: prefix, After: after, Limit: adoptedBatch}) {
				if err == nil {
					n, last = n+1, rec.Key
					err = adopt(tx, rec)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("record earlier revocations: %w", err)
		}
		after = last
	}
	return nil
}

func (d *Directory) adoptPrincipal(tx store.Tx, rec store.Record) error {
	p, err := principals.Decode(rec)
	if err != nil {
		return err
	}
	return d.adopt(tx, p.TenantID, p.ID, p.tokenStatus())
}

func (d *Directory) adoptUser(tx store.Tx, rec store.Record) error {
	u, err := users.Decode(rec)
	if err != nil {
		return err
	}
	return d.adopt(tx, u.TenantID, u.ID, u.tokenStatus())
}

func (d *Directory) adoptDeleted(tx store.Tx, rec store.Record) error {
	tenant, oid, _ := strings.Cut(strings.TrimPrefix(rec.Key, unlinkPrefix), "/")
	return d.adopt(tx, tenant, oid, TokenStatus{})
}

// adopt writes the revocation of one object, unless it has one, or none of its refused tokens can still be in time.
func (d *Directory) adopt(tx store.Tx, tenant, oid string, is TokenStatus) error {
	longest := cmp.Or(d.LongestToken, defaultLongestToken) + revocationMargin
	if is.Enabled && d.Now().Sub(is.ValidFrom) > longest {
		return nil
	}
	_, err := revocations.Get(tx, revocationKey(tenant, oid)) // it conflicts with a revocation at this moment
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return d.putRevocation(tx, tenant, oid, Revocation{Before: is.ValidFrom, Ended: !is.Enabled})
}
