package hierarchy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// Delete deletes a group and the role assignments at it. It reports whether the group existed. A group with
// children or subscriptions and the root group are not deleted: the error is an *arm.Error.
//
// It first marks the group as Deleting, so that it gets neither children nor role assignments any more. If the
// process stops before the rest is done, Resume finishes the deletion.
func (s *Service) Delete(ctx context.Context, ev activity.Event, tenant, name string) (existed bool, err error) {
	if arm.SameName(name, tenant) {
		return false, errRootDeleted()
	}
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		g, err := load(tx, tenant, name)
		existed = !errors.Is(err, store.ErrNotFound)
		if err != nil || g.State == Deleting {
			if !existed {
				return nil
			}
			return err
		}
		return s.mark(tx, g)
	})
	if err != nil || !existed {
		return false, err
	}
	return true, s.finish(context.WithoutCancel(ctx), tenant, name)
}

// mark marks a group without children as Deleting.
func (s *Service) mark(tx store.Tx, g Group) error {
	t, err := lockTree(tx, g.TenantID)
	if err != nil {
		return err
	}
	for _, kind := range [...]string{childGroup, childSubscription} {
		for _, err := range tx.Scan(store.Range{Prefix: childPrefix(g.TenantID, g.Name, kind), Limit: 1}) {
			if err != nil {
				return err
			}
			return errHasChildren(g.Name)
		}
	}
	g.State = Deleting
	t.Deleting = append(t.Deleting, arm.Fold(g.Name))
	if arm.SameName(t.Settings.DefaultGroup, g.Name) {
		t.Settings.DefaultGroup = ""
	}
	return errors.Join(t.save(tx, g.TenantID), g.save(tx))
}

// finish deletes what belongs to a marked group, and then the group.
func (s *Service) finish(ctx context.Context, tenant, name string) error {
	id, err := GroupID(name)
	if err != nil {
		return err
	}
	if s.DeleteScope != nil {
		if err := s.DeleteScope(ctx, tenant, id); err != nil {
			return fmt.Errorf("delete the management group %s: %w", name, err)
		}
	}
	_, err = s.Store.Update(ctx, func(tx store.Tx) error { return remove(tx, tenant, name) })
	if err != nil {
		return fmt.Errorf("delete the management group %s: %w", name, err)
	}
	return nil
}

// remove deletes the records of a marked group.
func remove(tx store.Tx, tenant, name string) error {
	g, err := load(tx, tenant, name)
	if errors.Is(err, store.ErrNotFound) || err == nil && g.State != Deleting {
		return nil // another call has finished
	}
	if err != nil {
		return err
	}
	t, err := lockTree(tx, tenant)
	if err != nil {
		return err
	}
	t.Groups--
	t.Deleting = slices.DeleteFunc(t.Deleting, func(n string) bool { return arm.SameName(n, name) })
	tx.Delete(groupKey(tenant, name))
	tx.Delete(childKey(tenant, g.Parent, childGroup, name))
	return t.save(tx, tenant)
}

// Resume finishes the deletions that an earlier process has begun.
func (s *Service) Resume(ctx context.Context) error {
	begun := map[string][]string{}
	err := s.Store.View(ctx, func(tx store.Tx) error {
		clear(begun)
		for row, err := range trees.Scan(tx, store.Range{Prefix: store.ManagementTreeKind.Keys}) {
			if err != nil {
				return err
			}
			begun[row.Key[len(store.ManagementTreeKind.Keys):]] = row.Data.Deleting
		}
		return nil
	})
	for tenant, names := range begun {
		for _, name := range names {
			err = errors.Join(err, s.finish(ctx, tenant, name))
		}
	}
	return err
}
