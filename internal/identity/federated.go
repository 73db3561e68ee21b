package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
)

// FederatedType is the resource type of federated identity credentials.
const FederatedType = Type + "/federatedIdentityCredentials"

// The documented limits of federated identity credentials.
const (
	maxFederated      = 20 // credentials of one identity
	maxFederatedName  = 120
	maxFederatedValue = 600 // characters of issuer, subject and audience
)

// Federated is a federated identity credential. A token of Issuer for Subject authenticates the identity.
type Federated struct {
	ID   arm.ID `json:"-"`
	Name string `json:"-"`

	Issuer    string      `json:"issuer"`
	Subject   string      `json:"subject,omitempty"`
	Matching  *Expression `json:"claimsMatchingExpression,omitempty"` // instead of Subject
	Audiences []string    `json:"audiences"`
}

// Expression matches the claims of tokens with different subjects.
type Expression struct {
	Value           string `json:"value"`
	LanguageVersion int    `json:"languageVersion"`
}

// PutFederated creates or replaces a credential of an identity. Each write of a credential also writes the
// record of the identity, so writes to the credentials of one identity are serialized. Therefore concurrent
// writes can neither exceed the limit nor create duplicates.
func (s *Service) PutFederated(ctx context.Context, ev activity.Event, id arm.ID, wanted Federated) (out Federated, created bool, err error) {
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
			ID: parent.ID + "/federatedIdentityCredentials/" + id.Name(), Type: FederatedType, Name: id.Name(),
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

// DeleteFederated deletes a credential and the role assignments at its scope. It reports whether the credential
// existed.
func (s *Service) DeleteFederated(ctx context.Context, ev activity.Event, id arm.ID) (existed bool, err error) {
	return s.Resources.Delete(ctx, ev, id)
}

func (s *Service) federatedParent(tx store.Tx, id arm.ID) (resource.Record, error) {
	parent, err := s.Resources.Parent(tx, id)
	if e, isARM := err.(*arm.Error); isARM && e.Code == arm.CodeParentNotFound {
		return parent, arm.Errorf(http.StatusNotFound, arm.CodeParentNotFound, "The parent user-assigned identity doesn't exist.")
	}
	return parent, err
}

// checkSiblings returns an error if another credential of the identity has the same issuer and subject, or if
// the identity has too many credentials.
func (s *Service) checkSiblings(tx store.Tx, id arm.ID, wanted Federated) error {
	others := 0
	for rec, err := range s.Resources.Nested(tx, id.Parent()) {
		if err != nil {
			return err
		}
		if !rec.Type.Is(FederatedType) || rec.State == resource.Deleting {
			continue // another extension resource of the identity, or a credential that is being deleted
		}
		other, err := federatedFrom(rec)
		if err != nil {
			return err
		}
		if other.ID.Key() == id.Key() {
			continue
		}
		others++
		if wanted.Subject != "" && other.Issuer == wanted.Issuer && other.Subject == wanted.Subject {
			return errFederated("Issuer and subject combination already exists for this Managed Identity.")
		}
	}
	if others >= maxFederated {
		return errFederated("The number of federated identity credentials of one identity cannot exceed the maximum allowed (%d).", maxFederated)
	}
	return nil
}

func checkFederated(name string, f Federated) error {
	switch {
	case len(name) < minName || len(name) > maxFederatedName || !plain(name):
		return errFederated("Federated Identity Credential name '%s' is invalid.", name)
	case f.Issuer == "" && f.Subject == "" && f.Matching == nil && f.Audiences == nil:
		return errFederated("Federated Identity Credential from HTTP body has empty properties")
	case !f.complete():
		return errFederated("The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and 'audience'.")
	case strings.TrimSpace(f.Issuer) != f.Issuer || !strings.HasPrefix(f.Issuer, "https://"):
		return errFederated("The issuer of a federated identity credential must be an https URL without spaces around it.")
	case len(f.Audiences) != 1:
		return errFederated("Federated identity credentials must have exactly one audience.")
	case f.Subject != "" && f.Matching != nil:
		return errFederated("A federated identity credential must have either a subject or a claims matching expression.")
	case f.Matching != nil && (f.Matching.Value == "" || f.Matching.LanguageVersion != 1):
		return errFederated("The claims matching expression must have a value and the language version 1.")
	}
	values := []string{f.Issuer, f.Subject, f.Audiences[0]}
	if f.Matching != nil {
		values = append(values, f.Matching.Value)
	}
	if slices.ContainsFunc(values, func(v string) bool { return utf8.RuneCountInString(v) > maxFederatedValue }) {
		return errFederated("Issuer, subject and audience of a federated identity credential are limited to %d characters.", maxFederatedValue)
	}
	return nil
}

// complete reports whether a credential has an issuer, an audience, and a subject or an expression instead.
func (f Federated) complete() bool {
	return f.Issuer != "" && f.Audiences != nil && !slices.Contains(f.Audiences, "") && (f.Subject != "" || f.Matching != nil)
}

func errFederated(format string, args ...any) error {
	return arm.Errorf(http.StatusBadRequest, "BadRequest", format, args...)
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
