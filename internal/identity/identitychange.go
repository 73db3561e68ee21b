package identity

import (
	"context"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/store"
)

// IdentityChange is the change that a PUT or a PATCH makes to the identities of a resource.
//
// A request removes a user-assigned identity from a resource for one of three reasons: the request is a
// PUT and its property "identity" does not name the identity; the request is a PATCH and gives null for the
// identity, which is Remove; the Type, of a PUT or a PATCH, does not include UserAssigned. A request deletes
// the system-assigned identity if the Type does not include SystemAssigned. The zero value removes all
// identities.
type IdentityChange struct {
	Keep   bool     // the request has no property "identity": change nothing
	Merge  bool     // the request is a PATCH: the resource keeps user-assigned identities that are not in Remove
	Type   string   // None, SystemAssigned, UserAssigned or Both; empty is None without a block that says so
	Assign []string // ids of the user-assigned identities that the request gives with an object
	Remove []string // ids of the user-assigned identities that the request gives with null
	List   bool     // the request has the list identityIds, as before Compute 2018-06-01; errors are those of these versions

	// Allow checks that the caller may assign identities that the resource does not have yet. It is
	// called inside the transaction, and again if the transaction is retried.
	Allow func(context.Context, []arm.ID) error
}

func (a IdentityChange) system() bool { return a.Type == SystemAssigned || a.Type == Both }
func (a IdentityChange) user() bool   { return a.Type == UserAssigned || a.Type == Both }

// target is the resource whose identities one transaction changes.
type target struct {
	id  arm.ID // as the record spells it
	rec resource.Record
}

// applyIdentityChange changes the identities of a resource and returns the old and the new ones. It checks
// everything before it writes anything. Every identity that the request assigns must exist. The
// transaction reads each of them, so it is retried if one is deleted at the same time.
func (s *Service) applyIdentityChange(ctx context.Context, tx store.Tx, c target, a IdentityChange) (was, is ManagedServiceIdentity, err error) {
	was, err = s.resourceIdentity(tx, c.id)
	if err != nil || a.Keep {
		return was, was, err
	}
	assign, remove, err := a.parse(c)
	if err != nil {
		return was, was, err
	}
	named, err := s.named(tx, assign)
	if err != nil {
		return was, was, err
	}
	if fresh := was.lacks(assign, named); len(fresh) > 0 {
		if err := a.Allow(ctx, fresh); err != nil {
			return was, was, err
		}
		if err := checkAssignable(c, fresh, named); err != nil {
			return was, was, err
		}
	}
	if err := missing(c, assign, named); err != nil {
		return was, was, err
	}
	is = ManagedServiceIdentity{Type: None, TenantID: c.rec.TenantID, PrincipalID: was.PrincipalID, ClientID: was.ClientID}
	is.references = was.merged(a, assign, remove, named)
	if err := checkIdentity(c, a, is); err != nil {
		return was, was, err
	}
	if is, err = s.settleSystemAssigned(tx, c, a, is); err != nil {
		return was, was, err
	}
	updateAssociations(tx, c.id, was, is)
	return was, is, nil
}

// named reads the identities that a request assigns, by key. One that does not exist is not in the map.
func (s *Service) named(tx store.Tx, ids []arm.ID) (map[string]*Identity, error) {
	named := make(map[string]*Identity, len(ids))
	for _, id := range ids {
		rec, err := s.Resources.Get(tx, id)
		if arm.IsNotFound(err) || err == nil && rec.State == resource.Deleting {
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

// lacks returns the identities that the resource does not have yet. An identity that was deleted and
// created again after it was assigned is a new identity with another principal.
func (m ManagedServiceIdentity) lacks(assign []arm.ID, named map[string]*Identity) (fresh []arm.ID) {
	for _, id := range assign {
		found := named[id.Key()]
		if i := m.find(id); i < 0 || found == nil || m.references[i].PrincipalID != found.PrincipalID {
			fresh = append(fresh, id)
		}
	}
	return fresh
}

func (m ManagedServiceIdentity) find(id arm.ID) int {
	return slices.IndexFunc(m.references, func(r reference) bool { return r.id.Key() == id.Key() })
}

// merged returns the references to user-assigned identities after the change. Those that were there keep
// their order and spelling. The comment of IdentityChange says which are removed.
func (m ManagedServiceIdentity) merged(a IdentityChange, assign, remove []arm.ID, named map[string]*Identity) []reference {
	if !a.user() {
		return nil
	}
	in := func(ids []arm.ID, r reference) bool {
		return slices.ContainsFunc(ids, func(id arm.ID) bool { return id.Key() == r.id.Key() })
	}
	var all []reference
	for _, r := range m.references {
		if in(assign, r) || a.Merge && !in(remove, r) {
			all = append(all, r)
		}
	}
	for _, id := range assign {
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

// settleSystemAssigned creates or deletes the system-assigned principal according to Type, and sets the ids and
// the type of the identity.
func (s *Service) settleSystemAssigned(tx store.Tx, c target, a IdentityChange, is ManagedServiceIdentity) (ManagedServiceIdentity, error) {
	switch {
	case a.system() && is.PrincipalID == "":
		is.PrincipalID, is.ClientID = s.Directory.NewIDs(directory.ReservedIdentity, c.id.Key(), s.NewID)
		err := s.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: is.PrincipalID, AppID: is.ClientID, TenantID: is.TenantID, DisplayName: c.rec.Name,
			Type: directory.TypeManagedIdentity, Enabled: true, Created: s.Now().UTC(), ResourceID: c.rec.ID,
			AlternativeNames: []string{"isExplicit=False", c.rec.ID},
		})
		if err != nil {
			return is, errTooManyRevocations(err)
		}
	case !a.system() && is.PrincipalID != "":
		if err := s.Directory.DeleteServicePrincipal(tx, is.TenantID, is.PrincipalID); err != nil {
			return is, errAdministrator(err)
		}
		s.Directory.UsedIDs(directory.ReservedIdentity, c.id.Key()) // the next one is another principal
		is.PrincipalID, is.ClientID = "", ""
	}
	return identityFromStored(storedIdentity{
		Resource: c.rec.ID, TenantID: is.TenantID, PrincipalID: is.PrincipalID, ClientID: is.ClientID, Assigned: is.references,
	})
}

// updateAssociations updates the index of the resources that use an identity.
func updateAssociations(tx store.Tx, id arm.ID, was, is ManagedServiceIdentity) {
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
