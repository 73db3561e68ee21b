package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// MaxGroups limits how many groups one object is in, including nested ones. More are an error. A partial
// list would be wrong, because deny assignments apply to groups too.
const MaxGroups = 2048

// Group is a security group. Its members are users, service principals and groups.
type Group struct {
	ID           string    `json:"id"`
	TenantID     string    `json:"tenantId"`
	DisplayName  string    `json:"displayName"`
	Description  string    `json:"description,omitempty"`
	MailNickname string    `json:"mailNickname,omitempty"`
	Created      time.Time `json:"created"`

	// Extra holds opaque properties, as Application.Extra does.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// CreateGroup adds a group, or returns ErrExists. Display names need not be unique.
func (d *Directory) CreateGroup(tx store.Tx, g Group) error {
	if g.ID == "" || g.TenantID == "" {
		return errors.New("create group: object id and tenant are required")
	}
	if g.Created.IsZero() {
		g.Created = d.Now().UTC()
	}
	if err := checkAbsent(tx, groupKey(g.TenantID, g.ID)); err != nil {
		return fmt.Errorf("create group %s: %w", g.ID, err)
	}
	return groups.Put(tx, groupKey(g.TenantID, g.ID), g)
}

// UpdateGroup replaces a group, or gives ErrNotFound.
func (d *Directory) UpdateGroup(tx store.Tx, g Group) error {
	if _, err := d.Group(tx, g.TenantID, g.ID); err != nil {
		return fmt.Errorf("update group %s: %w", g.ID, err)
	}
	return groups.Put(tx, groupKey(g.TenantID, g.ID), g)
}

// DeleteGroup removes a group, or returns ErrNotFound. Its memberships have no effect any more; Unlink
// removes their records.
func (d *Directory) DeleteGroup(tx store.Tx, tenant, oid string) error {
	if _, err := d.Group(tx, tenant, oid); err != nil {
		return fmt.Errorf("delete group %s: %w", oid, err)
	}
	tx.Delete(groupKey(tenant, oid))
	return markForUnlink(tx, tenant, oid)
}

// Group gives the group with an object id, or ErrNotFound.
func (d *Directory) Group(tx store.Tx, tenant, oid string) (Group, error) {
	return groups.Get(tx, groupKey(tenant, oid))
}

// Groups gives at most limit groups in the order of their object ids, after the given one.
func (d *Directory) Groups(tx store.Tx, tenant, after string, limit int) ([]Group, error) {
	return list(tx, &groups, groupKey(tenant, ""), after, limit)
}

// AddMember makes a user, a service principal or a group a member of a group. It returns ErrNotFound if
// one of them does not exist, ErrInvalid if the object cannot be a member, or ErrExists if it already is
// one. Nesting may be cyclic, as in Entra.
func (d *Directory) AddMember(tx store.Tx, tenant, group, member string) error {
	if _, err := d.Group(tx, tenant, group); err != nil {
		return fmt.Errorf("add member to group %s: %w", group, err)
	}
	kind, err := d.guardType(tx, tenant, member)
	if err == nil && kind == ObjectApplication {
		err = fmt.Errorf("%w: an application cannot be a member of a group", ErrInvalid)
	}
	if err == nil && arm.SameName(group, member) {
		err = fmt.Errorf("%w: a group cannot be a member of itself", ErrInvalid)
	}
	if err == nil {
		err = membership.create(tx, tenant, group, member)
	}
	if err != nil {
		return fmt.Errorf("add member %s to group %s: %w", member, group, err)
	}
	return nil
}

// RemoveMember deletes a membership, or returns ErrNotFound.
func (d *Directory) RemoveMember(tx store.Tx, tenant, group, member string) error {
	if err := membership.remove(tx, tenant, group, member); err != nil {
		return fmt.Errorf("remove member %s of group %s: %w", member, group, err)
	}
	return nil
}

// Members gives the object ids of the direct members of a group, at most limit (0: all) after the
// given one. Some may no longer exist.
func (d *Directory) Members(tx store.Tx, tenant, group, after string, limit int) ([]string, error) {
	return membership.members(tx, tenant, group, after, limit)
}

// MemberOf returns the object ids of at most MaxGroups+1 groups that an object is a direct member of.
func (d *Directory) MemberOf(tx store.Tx, tenant, oid string) ([]string, error) {
	return existingIDs(MaxGroups+1, func(after string, limit int) ([]string, error) {
		return membership.containersAfter(tx, tenant, oid, after, limit)
	}, func(id string) error {
		_, err := tx.Get(groupKey(tenant, id))
		return err
	})
}

// TransitiveMemberOf returns the object ids of all groups that an object is in, directly or through other
// groups, in breadth-first order; or ErrTooManyGroups for more than MaxGroups. It reads only records and short
// scans that the store caches.
func (d *Directory) TransitiveMemberOf(tx store.Tx, tenant, oid string) ([]string, error) {
	return transitiveClosure(oid, MaxGroups, func(id string) ([]string, error) { return d.MemberOf(tx, tenant, id) })
}

// GroupsOf is TransitiveMemberOf for requests: as long as no membership and no group of the object changes, it is one
// look-up. All callers share the slice and must not modify it. In an Update, it does not see the transaction's own
// writes, and it guards nothing.
func (d *Directory) GroupsOf(tx store.Tx, tenant, oid string) ([]string, error) {
	g, err := d.groupsOf.Of(tx, tenant+"/"+oid, nil, func(tx store.Tx) (groupIDs, error) {
		ids, err := d.TransitiveMemberOf(tx, tenant, oid)
		return groupIDs(slices.Clip(ids)), err
	})
	return g, err
}

// groupIDs are the object ids of the groups of one object.
type groupIDs []string

// Size estimates the memory in bytes.
func (g groupIDs) Size() int {
	n := 64
	for _, id := range g {
		n += 16 + len(id)
	}
	return n
}

// TransitiveMembers returns the object ids of all direct and nested members of a group, or
// ErrTooManyGroups for more than MaxGroups members.
func (d *Directory) TransitiveMembers(tx store.Tx, tenant, group string) ([]string, error) {
	return transitiveClosure(group, MaxGroups, func(id string) ([]string, error) {
		return existingIDs(MaxGroups+1, func(after string, limit int) ([]string, error) {
			return d.Members(tx, tenant, id, after, limit)
		}, func(id string) error {
			_, err := d.ObjectType(tx, tenant, id)
			return err
		})
	})
}

// existingIDs returns at most limit ids of a list for which find does not return store.ErrNotFound. Lists
// contain deleted objects until Run has unlinked them.
func existingIDs(limit int, list func(after string, limit int) ([]string, error), find func(id string) error) ([]string, error) {
	var found []string
	for after := ""; ; {
		ids, err := list(after, limit)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			err := find(id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("find %s: %w", id, err)
			}
			if found = append(found, id); len(found) == limit {
				return found, nil
			}
		}
		if len(ids) < limit {
			return found, nil
		}
		after = ids[len(ids)-1]
	}
}

// transitiveClosure returns the objects that are reachable through next, in breadth-first order, each
// once, or ErrTooManyGroups for more than limit. It leaves out start, even if a cycle leads back to it.
func transitiveClosure(start string, limit int, next func(id string) ([]string, error)) ([]string, error) {
	seen := map[string]bool{arm.Fold(start): true}
	var found []string
	for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
		ids, err := next(queue[0])
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if seen[id] {
				continue
			}
			if len(found) == limit {
				return nil, ErrTooManyGroups
			}
			seen[id] = true
			found, queue = append(found, id), append(queue, id)
		}
	}
	return found, nil
}
