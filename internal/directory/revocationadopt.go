package directory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"midas/internal/store"
)

// adoptedBatch is how many records one transaction of AdoptRevocations corrects. Each takes up to three keys.
const adoptedBatch = store.MaxOperations/3 - 2

// subject names a user or a service principal.
type subject struct{ tenant, oid string }

// AdoptRevocations corrects the records of revocations after a Midas without such records has used the store: it
// compares them with the users and service principals, and with the deleted ones that are not unlinked yet. Other
// objects that were deleted without a record have left no trace. It is called at each start, because nothing tells
// which version has used the store before.
func (d *Directory) AdoptRevocations(ctx context.Context) error {
	if err := d.CountRevocations(ctx); err != nil {
		return err
	}
	var all []subject
	err := d.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = d.unrecorded(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("compare revocations with their subjects: %w", err)
	}
	for batch := range slices.Chunk(all, adoptedBatch) {
		if _, err := d.Store.Update(ctx, func(tx store.Tx) error { return d.adopt(tx, batch) }); err != nil {
			return fmt.Errorf("record earlier revocations: %w", err)
		}
	}
	return nil
}

// adopt writes the revocations of subjects as their records are now.
func (d *Directory) adopt(tx store.Tx, all []subject) error {
	for _, s := range all {
		was, is, err := d.recorded(tx, s)
		if err == nil {
			err = d.revoke(tx, s.tenant, s.oid, was, is)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unrecorded returns the subjects whose record of a revocation is missing or wrong.
func (d *Directory) unrecorded(tx store.Tx) (all []subject, err error) {
	examine := func(s subject) error {
		was, is, err := d.recorded(tx, s)
		if err == nil && !was.sameValidity(is) {
			all = append(all, s)
		}
		return err
	}
	tenants, err := d.Tenants(tx)
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		for _, prefix := range []string{principalKey(t.ID, ""), userKey(t.ID, "")} {
			err = errors.Join(err, eachObject(tx, prefix, func(oid string, value []byte) error {
				if !bytes.Contains(value, []byte(`"validFrom"`)) { // its tokens were never revoked; decoding all objects takes long
					return nil
				}
				return examine(subject{t.ID, oid})
			}))
		}
	}
	for _, prefix := range []string{store.RevocationKind.Keys, unlinkPrefix} {
		err = errors.Join(err, eachObject(tx, prefix, func(name string, _ []byte) error {
			tenant, oid, _ := strings.Cut(name, "/")
			return examine(subject{tenant, oid})
		}))
	}
	return all, err
}

// eachObject calls do with the rest of the key, and with the value, of all records with a prefix.
func eachObject(tx store.Tx, prefix string, do func(name string, value []byte) error) error {
	for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
		if err == nil {
			err = do(rec.Key[len(prefix):], rec.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recorded returns the token status that the revocation of a subject follows from, and that of the subject now. They
// are the same if there is no revocation, and none of the tokens that it would refuse can still be in time.
func (d *Directory) recorded(tx store.Tx, s subject) (was, is TokenStatus, err error) {
	is, err = d.TokenStatus(tx, s.tenant, s.oid)
	gone := errors.Is(err, ErrNotFound)
	if err != nil && !gone {
		return was, is, err
	}
	r, err := revocations.Get(tx, revocationKey(s.tenant, s.oid)) // it conflicts with a revocation at this moment
	switch {
	case err == nil:
		return TokenStatus{Enabled: !r.Ended, ValidFrom: r.Before}, is, nil
	case !errors.Is(err, ErrNotFound):
		return was, is, err
	case !gone && d.Now().Sub(is.ValidFrom) > cmp.Or(d.LongestToken, defaultLongestToken)+revocationMargin:
		return is, is, nil
	}
	return TokenStatus{Enabled: true}, is, nil
}
