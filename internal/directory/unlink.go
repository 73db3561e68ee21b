package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"midas/internal/store"
)

// unlinkPrefix begins the keys of deleted objects that are not unlinked yet.
var unlinkPrefix = key(store.UnlinkKind, "", "")

func unlinkKey(tenant, oid string) string { return key(store.UnlinkKind, "", tenant+"/"+oid) }

// markForUnlink records, in the transaction that deletes an object, that Unlink has to run for it.
func markForUnlink(tx store.Tx, tenant, oid string) error {
	return pendingUnlinks.Put(tx, unlinkKey(tenant, oid), noValue{})
}

const (
	pendingBatch = 50               // objects that are read in one transaction
	retryAfter   = time.Second      // after a failure of the store
	sweepEvery   = 10 * time.Minute // in case the change feed lost a change
)

// Run unlinks deleted objects, including those of an earlier process, until ctx ends. It follows the
// change feed, so that links are removed soon after the deletion.
func (d *Directory) Run(ctx context.Context) error {
	for {
		err := d.watchPending(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, store.ErrClosed) {
			return fmt.Errorf("unlink deleted objects: %w", err)
		}
		if err != nil && !errors.Is(err, store.ErrCompacted) && d.Logger != nil {
			d.Logger.WarnContext(ctx, "directory: unlinking deleted objects failed, trying again", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryAfter):
		}
	}
}

// watchPending unlinks the objects that are pending, and then those that the change feed reports.
func (d *Directory) watchPending(ctx context.Context) error {
	head, err := d.Store.Update(ctx, func(store.Tx) error { return nil })
	if err != nil {
		return fmt.Errorf("find the newest revision: %w", err)
	}
	if err := d.unlinkPending(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sweepEvery)
	defer cancel()
	for change, err := range d.Store.Watch(ctx, unlinkPrefix, head) {
		if err != nil {
			return err
		}
		if change.Deleted {
			continue
		}
		if err := d.unlinkPending(ctx); err != nil {
			return err
		}
	}
	return nil
}

// unlinkPending unlinks all pending objects.
func (d *Directory) unlinkPending(ctx context.Context) error {
	for {
		var waiting []store.Record
		err := d.Store.View(ctx, func(tx store.Tx) (err error) {
			waiting, err = tx.Records(store.Range{Prefix: unlinkPrefix, Limit: pendingBatch})
			return err
		})
		if err != nil || len(waiting) == 0 {
			return err
		}
		if err := d.unlinkObjects(ctx, waiting); err != nil {
			return err
		}
	}
}

// unlinkObjects unlinks a batch of objects. One transaction handles all objects without links, which are
// most of them.
func (d *Directory) unlinkObjects(ctx context.Context, waiting []store.Record) error {
	owner := func(rec store.Record) (tenant, oid string) {
		tenant, oid, _ = strings.Cut(strings.TrimPrefix(rec.Key, unlinkPrefix), "/")
		return tenant, oid
	}
	var linked []store.Record
	_, err := d.Store.Update(ctx, func(tx store.Tx) error {
		linked = nil
		for _, rec := range waiting {
			tenant, oid := owner(rec)
			switch has, err := hasLinks(tx, tenant, oid); {
			case err != nil:
				return err
			case has:
				linked = append(linked, rec)
			default:
				tx.Delete(rec.Key)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("unlink deleted objects: %w", err)
	}
	for _, rec := range linked {
		tenant, oid := owner(rec)
		if err := d.Unlink(ctx, tenant, oid); err != nil {
			return err
		}
	}
	return nil
}

// hasLinks reports whether a deleted object has links. The answer stays valid, because nothing can be
// linked to a deleted object.
func hasLinks(tx store.Tx, tenant, oid string) (bool, error) {
	var prefixes []string
	for _, r := range []*relation{membership, ownership, roleMembership} {
		prefixes = append(prefixes, r.key(tenant, oid, ""), r.backKey(tenant, oid, ""))
	}
	for _, end := range []GrantEnd{GrantClient, GrantResource, GrantUser} {
		prefixes = append(prefixes, end.key(tenant, oid, ""))
	}
	for _, prefix := range append(prefixes, appRoleKey(tenant, oid, ""), appRoleToKey(tenant, oid, "")) {
		found, err := tx.Records(store.Range{Prefix: prefix, Limit: 1})
		if err != nil || len(found) > 0 {
			return true, err
		}
	}
	return false, nil
}
