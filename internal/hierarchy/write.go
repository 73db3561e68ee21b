package hierarchy

import (
	"context"
	"errors"
	"slices"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// The actions that changes of the hierarchy need.
const (
	ActionWrite            = string(Type) + "/write"
	ActionAssignmentsWrite = "Microsoft.Authorization/roleAssignments/write"
)

// Allow returns an error if the caller may not perform an action at a scope. It is called in the transaction
// of the change.
type Allow func(tx store.Tx, action string, scope arm.ID) error

// Write is a request to create or to change a group.
type Write struct {
	TenantID    string
	Name        string
	DisplayName *string // nil keeps it; for a new group nil means the name
	Parent      *string // the name of the parent; nil keeps it; for a new group nil means the root group
	MustExist   bool    // a group that does not exist is an error and not created

	Allow Allow
	// Trusted reports whether the caller administers the tenant. Nil means so. See Group.SelfMade.
	Trusted func(tx store.Tx) (bool, error)
	// Created is called in the transaction that creates a group. Nil does nothing.
	Created func(tx store.Tx, g Group) error
}

// Put creates a group, or changes its display name and moves it. As in Azure, creating a group below the
// root group needs no right unless the settings of the tenant require it, creating one below another group needs
// the right to write that group, and a move needs the rights to write the group and its role assignments, and the
// rights to write the old and the new parent, except the root group.
//
// Errors of the client are *arm.Error; see errors.go.
func (s *Service) Put(ctx context.Context, ev activity.Event, w Write) (g Group, created bool, err error) {
	if err := w.check(); err != nil {
		return Group{}, false, err
	}
	err = s.Log.Update(ctx, ev, func(tx store.Tx) error {
		old, err := load(tx, w.TenantID, w.Name)
		switch created = errors.Is(err, store.ErrNotFound); {
		case created && w.MustExist:
			return ErrNotFound(w.Name)
		case created:
			g, err = s.create(tx, ev, w)
		case err == nil:
			g, err = s.change(tx, ev, w, old)
		}
		return err
	})
	return g, created, err
}

func (w Write) check() error {
	if w.DisplayName != nil {
		if err := checkDisplayName(*w.DisplayName); err != nil {
			return err
		}
	}
	if w.MustExist {
		return nil
	}
	return CheckName(w.Name)
}

func (s *Service) create(tx store.Tx, ev activity.Event, w Write) (Group, error) {
	t, err := lockTree(tx, w.TenantID)
	if err != nil {
		return Group{}, err
	}
	if t.Groups >= MaxGroups {
		return Group{}, errTooManyGroups()
	}
	g := Group{
		Name: w.Name, TenantID: arm.Fold(w.TenantID), DisplayName: w.Name, Parent: arm.Fold(w.TenantID),
		Version: 1, UpdatedOn: s.Now().UTC(), UpdatedBy: ev.CallerObjectID, CreatedBy: ev.CallerObjectID,
	}
	if w.DisplayName != nil {
		g.DisplayName = *w.DisplayName
	}
	if w.Parent != nil {
		g.Parent = arm.Fold(*w.Parent)
	}
	parent, err := s.parent(tx, g.TenantID, g.Parent)
	if err != nil {
		return Group{}, err
	}
	if err := checkDepth(tx, parent, 1); err != nil {
		return Group{}, err
	}
	if !parent.IsRoot() || t.Settings.RequireAuthorization {
		if err := w.Allow(tx, ActionWrite, parent.ID()); err != nil {
			return Group{}, err
		}
	}
	if g.SelfMade, err = w.selfMade(tx, parent); err != nil {
		return Group{}, err
	}
	t.Groups++
	putChild(tx, g.TenantID, g.Parent, childGroup, g.Name)
	if err := errors.Join(t.save(tx, g.TenantID), g.save(tx)); err != nil || w.Created == nil {
		return g, err
	}
	return g, w.Created(tx, g)
}

// selfMade returns Group.SelfMade for a group that the caller puts below a parent.
func (w Write) selfMade(tx store.Tx, parent Group) (bool, error) {
	if !parent.IsRoot() || w.Trusted == nil {
		return false, nil
	}
	trusted, err := w.Trusted(tx)
	return err == nil && !trusted, err
}

// parent reads a group that is to have a child.
func (s *Service) parent(tx store.Tx, tenant, name string) (Group, error) {
	g, err := load(tx, tenant, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return g, errParentNotFound(name)
	case err == nil && g.State == Deleting:
		return g, errBeingDeleted(g.Name)
	}
	return g, err
}

func (s *Service) change(tx store.Tx, ev activity.Event, w Write, g Group) (Group, error) {
	if err := w.Allow(tx, ActionWrite, g.ID()); err != nil {
		return Group{}, err
	}
	if g.State == Deleting {
		return Group{}, errBeingDeleted(g.Name)
	}
	before := g
	if w.DisplayName != nil {
		g.DisplayName = *w.DisplayName
	}
	if w.Parent != nil && !arm.SameName(*w.Parent, g.Parent) {
		if err := s.move(tx, w, &g); err != nil {
			return Group{}, err
		}
	}
	if g.SelfMade && w.Trusted != nil { // the write of an administrator of the tenant ends it
		trusted, err := w.Trusted(tx)
		if err != nil {
			return Group{}, err
		}
		g.SelfMade = !trusted
	}
	if g == before {
		return g, nil
	}
	g.Version++
	g.UpdatedOn, g.UpdatedBy = s.Now().UTC(), ev.CallerObjectID
	return g, g.save(tx)
}

// move gives a group another parent. The caller saves the group.
func (s *Service) move(tx store.Tx, w Write, g *Group) error {
	if g.IsRoot() {
		return errRootMoved()
	}
	t, err := lockTree(tx, g.TenantID)
	if err != nil {
		return err
	}
	to, err := s.parent(tx, g.TenantID, *w.Parent)
	if err != nil {
		return err
	}
	from, err := load(tx, g.TenantID, g.Parent)
	if err != nil {
		return err
	}
	if err := allowMove(tx, w.Allow, g.ID(), from, to, t); err != nil {
		return err
	}
	height, inside, err := s.height(tx, *g, to)
	if err != nil {
		return err
	}
	if inside {
		return errCycle(g.Name, to.Name)
	}
	if err := checkDepth(tx, to, height); err != nil {
		return err
	}
	if g.SelfMade, err = w.selfMade(tx, to); err != nil {
		return err
	}
	tx.Delete(childKey(g.TenantID, g.Parent, childGroup, g.Name))
	g.Parent = arm.Fold(to.Name)
	putChild(tx, g.TenantID, g.Parent, childGroup, g.Name)
	return t.save(tx, g.TenantID)
}

// allowMove checks the rights that the move of a group or of a subscription needs. The right to write what is moved
// alone is not enough, because a move changes who has rights on it.
func allowMove(tx store.Tx, allow Allow, moved arm.ID, from, to Group, t tree) error {
	for _, action := range [...]string{ActionWrite, ActionAssignmentsWrite} {
		if err := allow(tx, action, moved); err != nil {
			return err
		}
	}
	for _, parent := range [...]Group{from, to} {
		if parent.IsRoot() && !t.Settings.RequireAuthorization {
			continue
		}
		if err := allow(tx, ActionWrite, parent.ID()); err != nil {
			return err
		}
	}
	return nil
}

// checkDepth refuses a group with a number of levels, its own included, below a parent.
func checkDepth(tx store.Tx, parent Group, levels int) error {
	depth := levels
	for up := parent; !up.IsRoot(); depth++ {
		if depth > MaxDepth {
			break
		}
		var err error
		if up, err = load(tx, up.TenantID, up.Parent); err != nil {
			return err
		}
	}
	if depth > MaxDepth {
		return errTooDeep()
	}
	return nil
}

// height returns the number of levels of a group and its descendants, and whether another group is one of them.
// The tree, which the caller has locked, guards the scans.
func (s *Service) height(tx store.Tx, g, other Group) (levels int, inside bool, err error) {
	level := []string{arm.Fold(g.Name)}
	for len(level) > 0 && levels <= MaxDepth {
		levels++
		inside = inside || slices.Contains(level, arm.Fold(other.Name))
		var next []string
		for _, name := range level {
			for rec, err := range tx.Scan(store.Range{Prefix: childPrefix(g.TenantID, name, childGroup)}) {
				if err != nil {
					return 0, false, err
				}
				next = append(next, arm.Fold(string(rec.Value)))
			}
		}
		level = next
	}
	return levels, inside, nil
}
