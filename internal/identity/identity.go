// Package identity manages user-assigned and system-assigned managed identities, and decides which of them
// the workloads on a resource may use.
//
// A user-assigned identity is an ARM resource and, in the directory of its subscription's tenant, a
// service principal without any credential. One transaction creates both, and one deletes both. The
// resource is found by its id; the principal, which names its resource, by its object id or its
// client id. An identity that is created under the name of a deleted one gets new ids, so role assignments
// and references of the old one do not apply to it.
//
// A resource of any type can have identities. Its ManagedServiceIdentity has a system-assigned principal,
// which is deleted with the resource, references to user-assigned identities, or both. Workload selects the
// identity that a program on a resource gets tokens for.
package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/resource"
	"midas/internal/store"
)

// Type is the resource type of user-assigned identities.
const Type arm.Type = "Microsoft.ManagedIdentity/userAssignedIdentities"

// Types returns the resource types of this package.
func Types() []arm.Type { return []arm.Type{Type, FederatedType} }

// Identity is one user-assigned identity.
type Identity struct {
	ID       arm.ID
	Name     string
	Location string
	Tags     map[string]string
	Properties
}

// Properties are the properties of a user-assigned identity. Midas sets the tenant, the principal and the client
// id when the identity is created. They never change.
type Properties struct {
	TenantID     string        `json:"tenantId"`
	PrincipalID  string        `json:"principalId"` // object id of the service principal
	ClientID     string        `json:"clientId"`    // its application id
	Isolation    string        `json:"isolationScope,omitempty"`
	Restrictions *Restrictions `json:"assignmentRestrictions,omitempty"`
}

// Restrictions limit the resource providers and types that an identity may be assigned to.
type Restrictions struct {
	Providers []string `json:"providers"`
}

// Config is what a Service needs. All fields but Writers must be set.
type Config struct {
	Resources *resource.Service
	Directory *directory.Directory
	Log       *activity.Log
	Store     store.Store
	Now       func() time.Time
	NewID     func() string
	Writers   *Writers // nil: concurrent writes of federated credentials are not refused
}

// Service manages user-assigned identities and the identities of resources.
type Service struct {
	Config
	decoded           store.Decoded[Identity]
	decodedIdentities store.Decoded[ManagedServiceIdentity]
}

// New returns a Service.
func New(c Config) *Service {
	return &Service{Config: c}
}

// Change returns the new state of an identity for the old one. For an identity that does not exist yet, the old
// state has only ID and Name. Change must not change the name, the ids or the principal.
type Change func(old Identity) (Identity, error)

// Put creates or changes an identity.
func (s *Service) Put(ctx context.Context, ev activity.Event, id arm.ID, change Change) (out Identity, created bool, err error) {
	return s.change(ctx, ev, id, false, change)
}

// Patch changes an identity that must exist.
func (s *Service) Patch(ctx context.Context, ev activity.Event, id arm.ID, change Change) (out Identity, err error) {
	out, _, err = s.change(ctx, ev, id, true, change)
	return out, err
}

// change applies a change to an identity. If exists is set, the identity must exist.
func (s *Service) change(ctx context.Context, ev activity.Event, id arm.ID, exists bool, change Change) (out Identity, created bool, err error) {
	var restricted *resource.Operation
	err = s.Resources.Settled(ctx, id, func() error {
		return s.Log.Update(ctx, ev, func(tx store.Tx) error {
			restricted = nil
			rec, err := s.present(tx, Write{ID: id, Type: Type, Exists: exists})
			if err != nil {
				return err
			}
			if created = rec.Created.IsZero(); created { // the 404 for a missing group comes before the 400 for the name
				if err := checkName(id.Name()); err != nil {
					return err
				}
			}
			was, is, err := s.write(tx, rec, created, change)
			if out = is; err != nil || created || was.Restrictions.equal(is.Restrictions) {
				return err
			}
			op, err := s.restrict(tx, ev, was, is)
			restricted = &op
			return err
		})
	})
	if err == nil && created {
		s.Directory.UsedIDs(directory.ReservedIdentity, id.Key())
	}
	if err != nil || restricted == nil {
		return out, created, err
	}
	refused, err := s.confirm(ctx, *restricted)
	return out, created, cmp.Or(err, refused)
}

// Get reads an identity.
func (s *Service) Get(ctx context.Context, id arm.ID) (Identity, error) {
	rec, err := s.Resources.Find(ctx, id)
	if err != nil {
		return Identity{}, err
	}
	return s.fromRecord(rec)
}

// List returns one page of the identities in a subscription or a group, and where the next page begins.
func (s *Service) List(ctx context.Context, scope arm.ID, part resource.Part) ([]Identity, string, error) {
	page, err := s.Resources.List(ctx, scope, Type, part)
	if err != nil {
		return nil, "", err
	}
	identities := make([]Identity, len(page.Records))
	for i, rec := range page.Records {
		if identities[i], err = s.fromRecord(rec); err != nil {
			return nil, "", err
		}
	}
	return identities, page.Next, nil
}

// Delete deletes an identity, its federated credentials, its service principal, and the role assignments at its
// scope. It keeps the role assignments of its principal at other scopes, and the references of resources that
// use it. It reports whether the identity existed. It returns an error if the group does not exist, or if the
// identity is the tenant's last enabled Global Administrator.
func (s *Service) Delete(ctx context.Context, ev activity.Event, id arm.ID) (existed bool, err error) {
	return s.Resources.Delete(ctx, ev, id)
}

// Deleted implements resource.Owner. It deletes the service principal of a deleted identity.
func (s *Service) Deleted(tx store.Tx, rec resource.Record) error {
	identity, err := s.fromRecord(rec)
	if err != nil {
		return err
	}
	return s.Directory.DeleteManagedIdentityPrincipal(tx, identity.TenantID, identity.PrincipalID)
}

// write applies a change to a record and stores it. For a new record, it creates the principal.
func (s *Service) write(tx store.Tx, rec resource.Record, created bool, change Change) (was, is Identity, err error) {
	was, err = s.fromRecord(rec)
	if err != nil {
		return was, is, err
	}
	wanted, err := change(was.clone())
	if err != nil {
		return was, is, err
	}
	if err := check(was, wanted, created); err != nil {
		return was, is, err
	}
	now := s.Now().UTC()
	if created {
		rec.Location, rec.Created = arm.Location(wanted.Location), now
		was.TenantID = rec.TenantID
		was.PrincipalID, was.ClientID = s.Directory.NewIDs(directory.ReservedIdentity, was.ID.Key(), s.NewID)
		if err := s.createPrincipal(tx, was, now); err != nil {
			return was, is, err
		}
	}
	wanted.TenantID, wanted.PrincipalID, wanted.ClientID = was.TenantID, was.PrincipalID, was.ClientID
	is = Identity{ID: was.ID, Name: rec.Name, Location: rec.Location, Tags: wanted.Tags, Properties: wanted.Properties}
	if !created && !was.Restrictions.equal(is.Restrictions) {
		if err := s.checkUse(tx, is); err != nil {
			return was, is, err
		}
	}
	rec.Tags, rec.Changed, rec.Revision = is.Tags, now, 0 // the store assigns the new revision
	if rec.Properties, err = json.Marshal(is.Properties); err != nil {
		return was, is, fmt.Errorf("encode identity %s: %w", rec.ID, err)
	}
	return was, is, s.Resources.Put(tx, is.ID, rec)
}

func (s *Service) createPrincipal(tx store.Tx, identity Identity, now time.Time) error {
	err := s.Directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
		ID: identity.PrincipalID, AppID: identity.ClientID, TenantID: identity.TenantID,
		DisplayName: identity.Name, Type: "ManagedIdentity", Enabled: true, Created: now,
		ResourceID:       identity.ID.String(),
		AlternativeNames: []string{"isExplicit=True", WireID(identity.ID)},
	})
	return errTooManyRevocations(err)
}

// fromRecord decodes the record of an identity. Callers must not change its tags and restrictions, which the
// cache shares.
func (s *Service) fromRecord(rec resource.Record) (Identity, error) {
	return s.decoded.Of(store.Record{Key: rec.ID, Revision: rec.Revision}, func(store.Record) (Identity, error) {
		return decode(rec)
	})
}

func decode(rec resource.Record) (Identity, error) {
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return Identity{}, fmt.Errorf("identity record %s: %w", rec.ID, err)
	}
	identity := Identity{ID: id, Name: rec.Name, Location: rec.Location, Tags: rec.Tags}
	if len(rec.Properties) > 0 {
		if err := json.Unmarshal(rec.Properties, &identity.Properties); err != nil {
			return Identity{}, fmt.Errorf("decode identity %s: %w", rec.ID, err)
		}
	}
	return identity, nil
}
