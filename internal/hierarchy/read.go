package hierarchy

import (
	"context"
	"errors"
	"slices"

	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// Get reads a group. If it does not exist, the error is an *arm.Error, NotFound.
func (s *Service) Get(tx store.Tx, tenant, name string) (Group, error) {
	g, err := load(tx, tenant, name)
	if errors.Is(err, store.ErrNotFound) {
		return g, ErrNotFound(name)
	}
	return g, err
}

// Exists reports whether a group exists.
func (s *Service) Exists(tx store.Tx, tenant, name string) (bool, error) {
	_, err := load(tx, tenant, name)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Find is like Get, in a view of its own.
func (s *Service) Find(ctx context.Context, tenant, name string) (g Group, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		g, err = s.Get(tx, tenant, name)
		return err
	})
	return g, err
}

// Node is a group or a subscription in the hierarchy.
type Node struct {
	Group        *Group           // nil for a subscription
	Subscription *resource.Record // nil for a group
	Parent       string           // the folded name of the parent; empty for the root group
}

// Name returns the name of the group or the id of the subscription.
func (n Node) Name() string {
	if n.Group != nil {
		return n.Group.Name
	}
	id, _ := arm.ParseID(n.Subscription.ID) // a stored id
	return id.Subscription()
}

// DisplayName returns the display name of the group or of the subscription.
func (n Node) DisplayName() string {
	if n.Group != nil {
		return n.Group.DisplayName
	}
	return n.Subscription.Name
}

// ID returns the id of the group or of the subscription.
func (n Node) ID() arm.ID {
	if n.Group != nil {
		return n.Group.ID()
	}
	id, _ := arm.ParseID(n.Subscription.ID)
	return id
}

// Tree is the hierarchy of a tenant at one revision: the root group first, and each parent before its children.
type Tree struct {
	Nodes    []Node
	children map[string][]int // indexes in Nodes, by the folded name of the parent
}

// Children returns the children of a group: groups first, each in the order of names.
func (t Tree) Children(name string) []Node {
	indexes := t.children[arm.Fold(name)]
	all := make([]Node, len(indexes))
	for i, at := range indexes {
		all[i] = t.Nodes[at]
	}
	return all
}

// Tree reads the hierarchy of a tenant below a group, the group itself included. With subscriptions false it
// leaves them out.
func (s *Service) Tree(tx store.Tx, tenant, name string, subscriptions bool) (Tree, error) {
	top, err := s.Get(tx, tenant, name)
	if err != nil {
		return Tree{}, err
	}
	t := Tree{Nodes: []Node{{Group: &top, Parent: arm.Fold(top.Parent)}}, children: map[string][]int{}}
	byParent := map[string][]Node{}
	if subscriptions {
		if byParent, err = s.subscriptionsByParent(tx, tenant); err != nil {
			return Tree{}, err
		}
	}
	for at := 0; at < len(t.Nodes); at++ {
		if t.Nodes[at].Group == nil {
			continue
		}
		parent := arm.Fold(t.Nodes[at].Group.Name)
		groups, err := s.groupsBelow(tx, tenant, parent)
		if err != nil {
			return Tree{}, err
		}
		for _, n := range append(groups, byParent[parent]...) {
			t.children[parent] = append(t.children[parent], len(t.Nodes))
			t.Nodes = append(t.Nodes, n)
		}
	}
	return t, nil
}

// groupsBelow reads the groups whose parent is a group, in the order of names.
func (s *Service) groupsBelow(tx store.Tx, tenant, parent string) (below []Node, err error) {
	for rec, err := range tx.Scan(store.Range{Prefix: childPrefix(tenant, parent, childGroup)}) {
		if err != nil {
			return nil, err
		}
		g, err := load(tx, tenant, string(rec.Value))
		if err != nil {
			return nil, err
		}
		below = append(below, Node{Group: &g, Parent: parent})
	}
	return below, nil
}

// subscriptionsByParent reads the subscriptions of a tenant, by the folded name of the parent.
func (s *Service) subscriptionsByParent(tx store.Tx, tenant string) (map[string][]Node, error) {
	all := map[string][]Node{}
	for rec, err := range s.Resources.Subscriptions(tx) {
		if err != nil {
			return nil, err
		}
		if !arm.SameName(rec.TenantID, tenant) {
			continue
		}
		id, err := arm.ParseID(rec.ID)
		if err != nil {
			return nil, err
		}
		parent, err := placeOf(tx, tenant, id.Subscription())
		if err != nil {
			return nil, err
		}
		all[parent] = append(all[parent], Node{Subscription: &rec, Parent: parent})
	}
	return all, nil
}

// GroupsAbove reads the groups above a group or a subscription, nearest first.
func (s *Service) GroupsAbove(tx store.Tx, tenant string, below arm.ID) ([]Group, error) {
	ids, err := s.Above(tx, tenant, below)
	if err != nil {
		return nil, err
	}
	above := make([]Group, len(ids))
	for i, id := range ids {
		if above[i], err = load(tx, tenant, id.Name()); err != nil {
			return nil, err
		}
	}
	return above, nil
}

// IsSelfMade reports whether a group, or one above it, is self-made. See Group.SelfMade.
func (s *Service) IsSelfMade(tx store.Tx, tenant string, group arm.ID) (bool, error) {
	g, err := s.Get(tx, tenant, group.Name())
	if err != nil || g.SelfMade {
		return err == nil, err
	}
	above, err := s.GroupsAbove(tx, tenant, group)
	return slices.ContainsFunc(above, func(g Group) bool { return g.SelfMade }), err
}

// SubscriptionsBelow reads the subscriptions that stand directly below a group.
func (s *Service) SubscriptionsBelow(tx store.Tx, tenant, group string) ([]Node, error) {
	all, err := s.subscriptionsByParent(tx, tenant)
	return all[arm.Fold(group)], err
}

// Descendants returns the number of groups and subscriptions below a group.
func (t Tree) Descendants(name string) int {
	n := 0
	for _, child := range t.Children(name) {
		if n++; child.Group != nil {
			n += t.Descendants(child.Group.Name)
		}
	}
	return n
}
