package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// FederatedType is the resource type of federated identity credentials.
const FederatedType = Type + "/" + FederatedTypes

// FederatedTypes is the last word of FederatedType.
const FederatedTypes = "federatedIdentityCredentials"

// Federated is a federated identity credential. A token of Issuer for Subject authenticates the identity.
type Federated struct {
	ID   arm.ID `json:"-"`
	Name string `json:"-"`

	Issuer    string      `json:"issuer"`
	Subject   string      `json:"subject,omitempty"`
	Matching  *Expression `json:"claimsMatchingExpression,omitempty"` // instead of Subject
	Audiences []string    `json:"audiences"`
}

// Expression matches the claims of tokens with different subjects. Package expression has the language.
type Expression struct {
	Value           string `json:"value"`
	LanguageVersion int    `json:"languageVersion"`
}

// PutFederated creates or replaces a credential of an identity. Each write of a credential also writes the
// record of the identity, so writes to the credentials of one identity are serialized. Therefore concurrent
// writes can neither exceed the limit nor create duplicates.
func (s *Service) PutFederated(ctx context.Context, ev activity.Event, id arm.ID, wanted Federated) (out Federated, created bool, err error) {
	end, err := s.Writers.begin(ctx, id.Parent())
	if err != nil {
		return Federated{}, false, err
	}
	defer end()
	err = s.Resources.Settled(ctx, id, func() error {
		return s.Log.Update(ctx, ev, func(tx store.Tx) error {
			var err error
			out, created, err = s.writeFederated(tx, id, wanted)
			return err
		})
	})
	return out, created, err
}

func (s *Service) writeFederated(tx store.Tx, id arm.ID, wanted Federated) (out Federated, created bool, err error) {
	parent, err := s.federatedParent(tx, id)
	if err != nil {
		return Federated{}, false, err
	}
	if err := checkFederated(id.Name(), wanted); err != nil {
		return Federated{}, false, err
	}
	rec, err := s.Resources.Get(tx, id)
	created = arm.IsResourceNotFound(err)
	switch {
	case err != nil && !created:
		return Federated{}, false, err
	case rec.State == resource.Deleting:
		return Federated{}, false, resource.ErrBeingDeleted(id)
	}
	if err := s.checkSiblings(tx, id, wanted); err != nil {
		return Federated{}, false, err
	}
	now := s.Now().UTC()
	if created {
		rec = resource.Record{
			ID: parent.ID + "/" + FederatedTypes + "/" + id.Name(), Type: FederatedType, Name: id.Name(),
			TenantID: parent.TenantID, State: resource.Succeeded, Created: now,
		}
	}
	rec.Changed, parent.Changed = now, now
	if rec.Properties, err = json.Marshal(wanted); err != nil {
		return Federated{}, false, fmt.Errorf("encode federated credential %s: %w", rec.ID, err)
	}
	if out, err = federatedFrom(rec); err != nil {
		return Federated{}, false, err
	}
	if err := s.Resources.Put(tx, id.Parent(), parent); err != nil {
		return Federated{}, false, err
	}
	return out, created, s.Resources.Put(tx, out.ID, rec)
}

// GetFederated reads a credential.
func (s *Service) GetFederated(ctx context.Context, id arm.ID) (Federated, error) {
	rec, err := s.Resources.Find(ctx, id)
	if err != nil {
		return Federated{}, err
	}
	return federatedFrom(rec)
}

// ListFederated returns one page of an identity's credentials, and where the next page begins.
func (s *Service) ListFederated(ctx context.Context, identity arm.ID, part resource.Part) ([]Federated, string, error) {
	page, err := s.Resources.Children(ctx, identity, FederatedType, part)
	if err != nil {
		return nil, "", err
	}
	list := make([]Federated, len(page.Records))
	for i, rec := range page.Records {
		if list[i], err = federatedFrom(rec); err != nil {
			return nil, "", err
		}
	}
	return list, page.Next, nil
}

// EffectiveFederated returns the credentials with which the tokens of other issuers authenticate an identity now, in the
// caller's transaction. There are none if the identity does not exist or is being deleted, and a credential that is
// being deleted is not among them.
func (s *Service) EffectiveFederated(tx store.Tx, identity arm.ID) (all []Federated, err error) {
	parent, err := s.Resources.Lookup(tx, identity)
	if errors.Is(err, store.ErrNotFound) || err == nil && parent.State == resource.Deleting {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for rec, err := range s.Resources.NestedOf(tx, identity, FederatedTypes) {
		if err != nil {
			return nil, err
		}
		if rec.State == resource.Deleting {
			continue
		}
		one, err := federatedFrom(rec)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// DeleteFederated deletes a credential and the role assignments at its scope. It reports whether the credential
// existed.
func (s *Service) DeleteFederated(ctx context.Context, ev activity.Event, id arm.ID) (existed bool, err error) {
	end, err := s.Writers.begin(ctx, id.Parent())
	if err != nil {
		return false, err
	}
	defer end()
	return s.Resources.Delete(ctx, ev, id)
}

func (s *Service) federatedParent(tx store.Tx, id arm.ID) (resource.Record, error) {
	parent, err := s.Resources.Parent(tx, id)
	if e, isARM := err.(*arm.Error); isARM && e.Code == arm.CodeParentNotFound {
		return parent, arm.Errorf(http.StatusNotFound, arm.CodeParentNotFound, "The parent user-assigned identity doesn't exist.")
	}
	return parent, err
}

func federatedFrom(rec resource.Record) (Federated, error) {
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return Federated{}, fmt.Errorf("federated credential record %s: %w", rec.ID, err)
	}
	f := Federated{ID: id, Name: rec.Name}
	if err := json.Unmarshal(rec.Properties, &f); err != nil {
		return Federated{}, fmt.Errorf("decode federated credential %s: %w", rec.ID, err)
	}
	return f, nil
}
