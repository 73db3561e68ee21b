package hierarchy

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"midas/internal/arm"
	"midas/internal/store"
)

// Inconsistencies checks all management groups and where subscriptions stand. It yields a store.Flaw for each group
// without its parent, its entry there or the hierarchy that counts it, for each entry without its group or place, for each
// place without its group or its entry, and for each wrong count of groups. It ends after an error of the store.
func Inconsistencies(tx store.Tx) iter.Seq[error] {
	checks := store.Checks{
		store.ManagementGroupKind: checkGroup, store.ManagementChildIndex: checkChild, store.SubscriptionPlaceKind: checkPlace,
		store.ManagementTreeKind: checkTree,
	}
	return store.Examine(tx, checks, store.ManagementGroupKind.Keys, store.ManagementChildIndex.Keys, store.SubscriptionPlaceKind.Keys, store.ManagementTreeKind.Keys)
}

func checkGroup(tx store.Tx, rec store.Record) error {
	g, err := groups.Decode(rec)
	if err != nil {
		return err
	}
	if groupKey(g.TenantID, g.Name) != rec.Key {
		return fmt.Errorf("the key is not that of %s", g.Name)
	}
	if g.IsRoot() {
		return nil
	}
	_, err = load(tx, g.TenantID, g.Parent)
	if err != nil {
		err = fmt.Errorf("its parent %s: %w", g.Parent, err)
	}
	return errors.Join(err, store.Exists(tx, "the hierarchy of the tenant", treeKey(g.TenantID)), store.Exists(tx, "its entry at the parent", childKey(g.TenantID, g.Parent, childGroup, g.Name)))
}

// checkChild checks an entry mgc/<tenant>/<parent>/<g or s>/<child>.
func checkChild(tx store.Tx, rec store.Record) error {
	parts := strings.SplitN(strings.TrimPrefix(rec.Key, store.ManagementChildIndex.Keys), "/", 4)
	if len(parts) != 4 {
		return errors.New("the key has too few parts")
	}
	tenant, parent, child := parts[0], parts[1], parts[3]
	if parts[2] == childSubscription {
		above, err := placeOf(tx, tenant, child)
		if err == nil && above != parent {
			err = fmt.Errorf("the subscription stands below %s", above)
		}
		return err
	}
	g, err := load(tx, tenant, child)
	if err == nil && !arm.SameName(g.Parent, parent) {
		err = fmt.Errorf("the parent of the group is %s", g.Parent)
	}
	return err
}

func checkPlace(tx store.Tx, rec store.Record) error {
	p, err := places.Decode(rec)
	if err != nil {
		return err
	}
	tenant, subscription, _ := strings.Cut(strings.TrimPrefix(rec.Key, store.SubscriptionPlaceKind.Keys), "/")
	if _, err = load(tx, tenant, p.Group); err != nil {
		err = fmt.Errorf("the group %s: %w", p.Group, err)
	}
	return errors.Join(err, store.Exists(tx, "its entry at the group", childKey(tenant, p.Group, childSubscription, subscription)))
}

// checkTree counts the groups of a tenant besides its root group.
func checkTree(tx store.Tx, rec store.Record) error {
	kept, err := trees.Decode(rec)
	if err != nil {
		return err
	}
	tenant, n := strings.TrimPrefix(rec.Key, store.ManagementTreeKind.Keys), 0
	for row, err := range groups.Scan(tx, store.Range{Prefix: groupKey(tenant, "")}) {
		if err != nil {
			return nil // the rule about records reports it
		}
		if !row.Data.IsRoot() {
			n++
		}
	}
	if n != kept.Groups {
		return fmt.Errorf("the count is %d, and there are %d management groups", kept.Groups, n)
	}
	return nil
}
