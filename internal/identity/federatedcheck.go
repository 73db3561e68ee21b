package identity

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/federation/expression"
	"midas/internal/resource"
	"midas/internal/store"
)

// The documented limits of federated identity credentials.
const (
	maxFederated      = 20 // credentials of one identity
	maxFederatedName  = 120
	maxFederatedValue = 600 // characters of issuer, subject and audience
)

// checkSiblings returns an error if another credential of the identity has the same issuer and the same subject or
// expression, or if the identity has too many credentials.
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
		if err := checkUnique(wanted, other); err != nil {
			return err
		}
	}
	if others >= maxFederated {
		return errFederated("The number of federated identity credentials of one identity cannot exceed the maximum allowed (%d).", maxFederated)
	}
	return nil
}

func checkUnique(wanted, other Federated) error {
	switch {
	case other.Issuer != wanted.Issuer:
		return nil
	case wanted.Subject != "" && other.Subject == wanted.Subject:
		return errFederated("Issuer and subject combination already exists for this Managed Identity.")
	case wanted.Matching != nil && other.Matching != nil && other.Matching.Value == wanted.Matching.Value:
		return errFederated("Issuer and claims matching expression combination already exists for this Managed Identity.")
	}
	return nil
}

// CheckFederated returns an error if a federated credential is refused whatever the other credentials of its identity are.
func CheckFederated(name string, f Federated) error { return checkFederated(name, f) }

func checkFederated(name string, f Federated) error {
	switch {
	case len(name) < minName || len(name) > maxFederatedName || !plain(name):
		return errFederated("Federated Identity Credential name '%s' is invalid.", name)
	case f.Issuer == "" && f.Subject == "" && f.Matching == nil && f.Audiences == nil:
		return errFederated("Federated Identity Credential from HTTP body has empty properties")
	case !f.complete():
		return errFederated("The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and 'audience'.")
	case !directory.ValidIssuer(f.Issuer):
		return errFederated("The issuer of a federated identity credential must be an https URL without user, query, fragment and spaces around it.")
	case len(f.Audiences) != 1:
		return errFederated("Federated identity credentials must have exactly one audience.")
	case f.Subject != "" && f.Matching != nil:
		return errFederated("A federated identity credential must have either a subject or a claims matching expression.")
	}
	for _, value := range []string{f.Issuer, f.Subject, f.Audiences[0]} {
		switch {
		case utf8.RuneCountInString(value) > maxFederatedValue:
			return errFederated("Issuer, subject and audience of a federated identity credential are limited to %d characters.", maxFederatedValue)
		case strings.ContainsFunc(value, directory.NotInFederated):
			return errFederated("Issuer, subject and audience of a federated identity credential must have neither control characters nor replacement characters (U+FFFD).")
		}
	}
	return f.checkExpression()
}

func (f Federated) checkExpression() error {
	if f.Matching == nil {
		return nil
	}
	if _, err := expression.ParseFor(f.Issuer, f.Matching.Value, f.Matching.LanguageVersion); err != nil {
		return errFederated("The claims matching expression is invalid: %s", err)
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
