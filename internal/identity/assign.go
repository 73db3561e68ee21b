package identity

import (
	"context"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/store"
)

// Assignment is what a request wants of a resource's identity block. The zero value is a PUT that
// does not mention it, and so ends it.
type Assignment struct {
	Keep   bool   // leave the block as it is
	Merge  bool   // change only what is named, as PATCH does; else the block becomes what is named
	Type   string // None, SystemAssigned, UserAssigned or Both; empty is None
	Attach []string
	Detach []string
	List   bool // the identities came as a list, as they did before the map; refusals are worded for it

	// Allow is asked, inside the transaction, whether the caller may assign identities that the
	// resource does not have yet. It may be asked again when the transaction runs again.
	Allow func(context.Context, []arm.ID) error
}

func (a Assignment) system() bool { return a.Type == SystemAssigned || a.Type == Both }
func (a Assignment) user() bool   { return a.Type == UserAssigned || a.Type == Both }

// carrier is the resource whose block is changed, within one transaction.
type carrier struct {
	id  arm.ID // as the record spells it
	rec resource.Record
}

// assign changes the block of a resource and returns what it is then. Nothing is written before all
// is known to be allowed. Every identity that is named must exist, and is guarded: should it be
// deleted meanwhile, the transaction runs again.
func (s *Service) assign(ctx context.Context, tx store.Tx, c carrier, a Assignment) (was, is ManagedServiceIdentity, err error) {
	was, err = s.resourceIdentity(tx, c.id)
	if err != nil || a.Keep {
		return was, was, err
	}
	attach, detach, err := a.parse(c)
	if err != nil {
		return was, was, err
	}
	named, err := s.named(tx, attach)
	if err != nil {
		return was, was, err
	}
	if fresh := was.lacks(attach, named); len(fresh) > 0 {
		if err := a.Allow(ctx, fresh); err != nil {
			return was, was, err
		}
		if err := checkAssignable(c, fresh, named); err != nil {
			return was, was, err
		}
	}
	if err := missing(c, attach, named); err != nil {
		return was, was, err
	}
	is = ManagedServiceIdentity{Type: None, TenantID: c.rec.TenantID, PrincipalID: was.PrincipalID, ClientID: was.ClientID}
	is.references = was.merged(a, attach, detach, named)
	if err := checkIdentity(c, a, is); err != nil {
		return was, was, err
	}
	if is, err = s.settle(tx, c, a, is); err != nil {
		return was, was, err
	}
	relate(tx, c.id, was, is)
	return was, is, nil
}

// named reads the identities that a request names; nil stands for one that is not there.
func (s *Service) named(tx store.Tx, ids []arm.ID) (map[string]*Identity, error) {
	named := make(map[string]*Identity, len(ids))
	for _, id := range ids {
		rec, err := s.Resources.Get(tx, id)
		if isMissing(err) || err == nil && rec.State == resource.Deleting {
			continue
		}
		if err != nil {
			return nil, err
		}
		found, err := s.fromRecord(rec)
		if err != nil {
			return nil, err
		}
		named[id.Key()] = &found
	}
	return named, nil
}

// lacks gives the identities that the block does not have. One that has been deleted and made again
// since it was assigned is another identity.
func (b ManagedServiceIdentity) lacks(attach []arm.ID, named map[string]*Identity) (fresh []arm.ID) {
	for _, id := range attach {
		found := named[id.Key()]
		if i := b.find(id); i < 0 || found == nil || b.references[i].PrincipalID != found.PrincipalID {
			fresh = append(fresh, id)
		}
	}
	return fresh
}

func (b ManagedServiceIdentity) find(id arm.ID) int {
	return slices.IndexFunc(b.references, func(r reference) bool { return r.id.Key() == id.Key() })
}

// merged is what the block refers to after the change: in the order and the spelling of the first
// assignment.
func (b ManagedServiceIdentity) merged(a Assignment, attach, detach []arm.ID, named map[string]*Identity) []reference {
	if !a.user() {
		return nil
	}
	in := func(ids []arm.ID, r reference) bool {
		return slices.ContainsFunc(ids, func(id arm.ID) bool { return id.Key() == r.id.Key() })
	}
	var all []reference
	for _, r := range b.references {
		if in(attach, r) || a.Merge && !in(detach, r) {
			all = append(all, r)
		}
	}
	for _, id := range attach {
		found := named[id.Key()]
		r := reference{ID: id.String(), PrincipalID: found.PrincipalID, ClientID: found.ClientID, id: id}
		i := slices.IndexFunc(all, func(r reference) bool { return r.id.Key() == id.Key() })
		if i < 0 {
			all = append(all, r)
			continue
		}
		all[i].PrincipalID, all[i].ClientID = r.PrincipalID, r.ClientID
	}
	return all
}

// settle makes or ends the system-assigned principal, and gives the block its final form.
func (s *Service) settle(tx store.Tx, c carrier, a Assignment, is ManagedServiceIdentity) (ManagedServiceIdentity, error) {
	switch {
	case a.system() && is.PrincipalID == "":
		is.PrincipalID, is.ClientID = s.NewID(), s.NewID()
		err := s.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: is.PrincipalID, AppID: is.ClientID, TenantID: is.TenantID, DisplayName: c.rec.Name,
			Type: directory.TypeManagedIdentity, Enabled: true, Created: s.Now().UTC(), ResourceID: c.rec.ID,
			AlternativeNames: []string{"isExplicit=False", c.rec.ID},
		})
		if err != nil {
			return is, err
		}
	case !a.system() && is.PrincipalID != "":
		if err := s.Directory.DeleteServicePrincipal(tx, is.TenantID, is.PrincipalID); err != nil {
			return is, errAdministrator(err)
		}
		is.PrincipalID, is.ClientID = "", ""
	}
	return identityFromStored(storedIdentity{
		Resource: c.rec.ID, TenantID: is.TenantID, PrincipalID: is.PrincipalID, ClientID: is.ClientID, Assigned: is.references,
	})
}

// relate keeps note of who uses which identity.
func relate(tx store.Tx, id arm.ID, was, is ManagedServiceIdentity) {
	for _, r := range was.references {
		if is.find(r.id) < 0 {
			resource.Dissociate(tx, r.id, id)
		}
	}
	for _, r := range is.references {
		if i := was.find(r.id); i < 0 || was.references[i].PrincipalID != r.PrincipalID {
			resource.Associate(tx, r.id, r.PrincipalID, id)
		}
	}
}
