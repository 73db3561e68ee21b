package identity

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/host"
	"midas/internal/store"
)

// ScaleSetInstance is the type of the machines of a scale set. They use the identities of the scale set.
const ScaleSetInstance arm.Type = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"

// Workload selects the identity that a workload on a resource gets tokens for: the selected identity, else
// the system-assigned one, else the only user-assigned one. The error is host.ErrNone, host.ErrSeveral, or
// host.ErrNotAssigned for an identity that the resource does not have, or that was deleted or disabled after
// it was assigned. For a resource that does not exist it is ARM's 404.
func (s *Service) Workload(ctx context.Context, id arm.ID, sel host.Selector) (p host.Principal, err error) {
	err = s.Store.Recent(ctx, func(tx store.Tx) error {
		rec, err := s.Resources.Get(tx, id)
		if err != nil {
			return err
		}
		if rec.Type.Is(ScaleSetInstance) {
			id = id.Parent()
		}
		b, err := s.resourceIdentity(tx, id)
		if err != nil {
			return err
		}
		chosen, err := b.choose(sel)
		if err != nil {
			return err
		}
		status, err := s.Directory.TokenStatus(tx, rec.TenantID, chosen)
		if errors.Is(err, directory.ErrNotFound) || err == nil && !status.Enabled {
			return fmt.Errorf("%w: its principal was deleted or disabled", host.ErrNotAssigned)
		}
		p = host.Principal{
			TenantID: rec.TenantID, ObjectID: chosen, ClientID: status.ClientID,
			ResourceID: status.ResourceID, ValidFrom: status.ValidFrom,
		}
		return err
	})
	if err != nil {
		return host.Principal{}, err
	}
	return p, nil
}

// choose returns the object id of the selected identity.
func (m ManagedServiceIdentity) choose(sel host.Selector) (string, error) {
	if sel == (host.Selector{}) {
		switch {
		case m.PrincipalID != "":
			return m.PrincipalID, nil
		case len(m.references) == 1:
			return m.references[0].PrincipalID, nil
		case len(m.references) > 1:
			return "", host.ErrSeveral
		}
		return "", host.ErrNone
	}
	if m.PrincipalID != "" && matches(sel, reference{PrincipalID: m.PrincipalID, ClientID: m.ClientID}) {
		return m.PrincipalID, nil
	}
	for _, ref := range m.references {
		if matches(sel, ref) {
			return ref.PrincipalID, nil
		}
	}
	return "", host.ErrNotAssigned
}

// matches reports whether a selector selects a reference. Exactly one field of the selector is set.
func matches(sel host.Selector, ref reference) bool {
	switch {
	case sel.ClientID != "":
		return arm.SameName(sel.ClientID, ref.ClientID)
	case sel.ObjectID != "":
		return arm.SameName(sel.ObjectID, ref.PrincipalID)
	}
	id, err := arm.ParseID(sel.ResourceID)
	return err == nil && ref.ID != "" && id.Key() == ref.id.Key()
}
