package directory

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// relation is a kind of link between a container and its members. Each link has two keys, so that both
// directions can be listed: <kind>/<container>/<member> and <kind>-of/<member>/<container>.
//
// Links can exist after their objects were deleted, because deleting an object with thousands of links
// does not fit into one transaction. Readers check that the other object exists, and Unlink removes the
// links afterwards. Object ids are never reused.
type relation struct{ forward, back store.Table[noValue] }

// noValue is the value of both keys. The keys contain all information.
type noValue struct{}

func newRelation(kind, back store.Kind) *relation {
	return &relation{store.Table[noValue]{Kind: kind, Missing: ErrNotFound}, store.Table[noValue]{Kind: back, Missing: ErrNotFound}}
}

var (
	membership     = newRelation(store.MemberIndex, store.MemberOfIndex)               // group, member
	ownership      = newRelation(store.OwnerIndex, store.OwnerOfIndex)                 // group, application or service principal, owner
	roleMembership = newRelation(store.DirectoryRoleIndex, store.DirectoryRoleOfIndex) // directory role, holder
)

func (r *relation) key(tenant, container, member string) string {
	return key(r.forward.Kind, tenant, container+"/"+member)
}

func (r *relation) backKey(tenant, member, container string) string {
	return key(r.back.Kind, tenant, member+"/"+container)
}

// create links two objects, or returns ErrExists. The caller has read both objects.
func (r *relation) create(tx store.Tx, tenant, container, member string) error {
	if err := checkAbsent(tx, r.key(tenant, container, member)); err != nil {
		return err
	}
	if err := r.forward.Put(tx, r.key(tenant, container, member), noValue{}); err != nil {
		return err
	}
	return r.back.Put(tx, r.backKey(tenant, member, container), noValue{})
}

// remove deletes a link, or returns ErrNotFound.
func (r *relation) remove(tx store.Tx, tenant, container, member string) error {
	linked, err := r.exists(tx, tenant, container, member)
	if err != nil {
		return err
	}
	if !linked {
		return ErrNotFound
	}
	r.deleteKeys(tx, tenant, container, member)
	return nil
}

func (r *relation) deleteKeys(tx store.Tx, tenant, container, member string) {
	tx.Delete(r.key(tenant, container, member))
	tx.Delete(r.backKey(tenant, member, container))
}

func (r *relation) exists(tx store.Tx, tenant, container, member string) (bool, error) {
	_, err := r.forward.Get(tx, r.key(tenant, container, member))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (r *relation) members(tx store.Tx, tenant, container, after string, limit int) ([]string, error) {
	return idsAfterPrefix(tx, &r.forward, r.key(tenant, container, ""), after, limit)
}

func (r *relation) containers(tx store.Tx, tenant, member string, limit int) ([]string, error) {
	return idsAfterPrefix(tx, &r.back, r.backKey(tenant, member, ""), "", limit)
}

func (r *relation) containersAfter(tx store.Tx, tenant, member, after string, limit int) ([]string, error) {
	return idsAfterPrefix(tx, &r.back, r.backKey(tenant, member, ""), after, limit)
}

// idsAfterPrefix returns the last part of the keys with a prefix.
func idsAfterPrefix(tx store.Tx, table *store.Table[noValue], prefix, after string, limit int) ([]string, error) {
	if len(prefix) > store.MaxKey {
		return nil, nil
	}
	r := store.Range{Prefix: prefix, Limit: limit}
	if after != "" {
		r.After = prefix + arm.Fold(after)
	}
	records, err := tx.Records(r)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	ids := make([]string, len(records))
	for i, rec := range records {
		if _, err := table.Version(rec); err != nil {
			return nil, err
		}
		ids[i] = rec.Key[len(prefix):]
	}
	return ids, nil
}

// unlinkBatch is how many links one transaction removes: each is two keys, and a transaction has
// room for 128.
const unlinkBatch = 50

// Unlink removes the memberships, ownerships, role assignments and permission grants of a deleted object,
// in several transactions if necessary. It only frees space: readers ignore the links of deleted objects.
// Run calls it for objects whose deletion was interrupted before it.
func (d *Directory) Unlink(ctx context.Context, tenant, oid string) error {
	for {
		more := false
		_, err := d.Store.Update(ctx, func(tx store.Tx) (err error) {
			if more, err = unlink(tx, tenant, oid); !more {
				tx.Delete(unlinkKey(tenant, oid))
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("unlink %s: %w", oid, err)
		}
		if !more {
			return nil
		}
	}
}

// unlink removes one batch, and reports whether there may be more.
func unlink(tx store.Tx, tenant, oid string) (more bool, err error) {
	left := unlinkBatch
	for _, r := range []*relation{membership, ownership, roleMembership} {
		members, err := r.members(tx, tenant, oid, "", left)
		if err != nil {
			return false, err
		}
		left -= len(members)
		for _, m := range members {
			r.deleteKeys(tx, tenant, oid, m)
		}
		if left == 0 {
			return true, nil
		}
		containers, err := r.containers(tx, tenant, oid, left)
		if err != nil {
			return false, err
		}
		left -= len(containers)
		for _, c := range containers {
			r.deleteKeys(tx, tenant, c, oid)
		}
		if left == 0 {
			return true, nil
		}
	}
	n, err := unlinkAppRoles(tx, tenant, oid, left)
	if err != nil || n == left {
		return n == left, err
	}
	return unlinkPermissionGrants(tx, tenant, oid, left-n)
}
