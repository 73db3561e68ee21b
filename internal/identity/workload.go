package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// ScaleSetInstance is the type of a scale set's machines. They are whoever their scale set is.
const ScaleSetInstance arm.Type = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"

// Why a workload gets no identity; errors.Is tells them apart.
var (
	ErrNone        = errors.New("identity: the resource has no identity")
	ErrSeveral     = errors.New("identity: the resource has several user-assigned identities, and none was selected")
	ErrNotAssigned = errors.New("identity: the identity is not assigned to the resource")
)

// Selector says which of a resource's identities is meant; at most one field is set.
type Selector struct {
	ClientID, ObjectID, ResourceID string
}

// Principal is who a workload is.
type Principal struct {
	TenantID, ObjectID, ClientID string
	ResourceID                   string    // the identity's own id, or for a system-assigned one the resource's
	ValidFrom                    time.Time // tokens issued before are revoked
}

// Workload tells who a workload on a resource is: the selected identity, else the system-assigned
// one, else the only user-assigned one. The error is ErrNone, ErrSeveral, or ErrNotAssigned for an
// identity that the resource does not have, or that was deleted or disabled since it was assigned.
// A resource that does not exist is ARM's not-found error.
func (s *Service) Workload(ctx context.Context, id arm.ID, sel Selector) (p Principal, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
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
			return fmt.Errorf("%w any more: its principal is gone or disabled", ErrNotAssigned)
		}
		p = Principal{
			TenantID: rec.TenantID, ObjectID: chosen, ClientID: status.ClientID,
			ResourceID: status.ResourceID, ValidFrom: status.ValidFrom,
		}
		return err
	})
	if err != nil {
		return Principal{}, err
	}
	return p, nil
}

// choose gives the object id of the selected identity.
func (b ManagedServiceIdentity) choose(sel Selector) (string, error) {
	if sel == (Selector{}) {
		switch {
		case b.PrincipalID != "":
			return b.PrincipalID, nil
		case len(b.references) == 1:
			return b.references[0].PrincipalID, nil
		case len(b.references) > 1:
			return "", ErrSeveral
		}
		return "", ErrNone
	}
	if b.PrincipalID != "" && sel.means(reference{PrincipalID: b.PrincipalID, ClientID: b.ClientID}) {
		return b.PrincipalID, nil
	}
	for _, ref := range b.references {
		if sel.means(ref) {
			return ref.PrincipalID, nil
		}
	}
	return "", ErrNotAssigned
}

func (sel Selector) means(ref reference) bool {
	switch {
	case sel.ClientID != "":
		return arm.SameName(sel.ClientID, ref.ClientID)
	case sel.ObjectID != "":
		return arm.SameName(sel.ObjectID, ref.PrincipalID)
	}
	id, err := arm.ParseID(sel.ResourceID)
	return err == nil && ref.ID != "" && id.Key() == ref.id.Key()
}
