package directory

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
	"midas/internal/federation/expression"
)

// Limits of the federated identity credentials of one application, as in Entra. Lengths are in characters.
const (
	maxFederated      = 20
	minFederatedName  = 3
	maxFederatedName  = 120
	maxFederatedValue = 600 // of issuer, subject, audience and description
)

// FederatedCredential is a federated identity credential of an application: it trusts the tokens of an issuer
// for a subject, or for the subjects that an expression matches.
type FederatedCredential struct {
	ID          string               `json:"id"`
	Name        string               `json:"name"` // unique in the application, and never changed
	Issuer      string               `json:"issuer"`
	Subject     string               `json:"subject"` // empty if there is an expression
	Matching    *FederatedExpression `json:"claimsMatchingExpression,omitempty"`
	Description string               `json:"description,omitempty"`
	Audiences   []string             `json:"audiences"` // exactly one
}

// FederatedExpression is the expression of a flexible credential; package expression has the language.
type FederatedExpression struct {
	Value           string `json:"value"`
	LanguageVersion int    `json:"languageVersion"`
}

// FederatedError says which value of a federated identity credential is not valid. It wraps ErrInvalid, ErrExists for a
// name that another credential of the application has, or ErrTooManyFederated.
type FederatedError struct {
	Property, Value string // "Subject", and the value that is not valid
	Text            string
	err             error
}

func (e *FederatedError) Error() string { return e.Text }
func (e *FederatedError) Unwrap() error { return e.err }

// FederatedIndex is the position of the credential with an id, or else with a name, or -1.
func (a *Application) FederatedIndex(idOrName string) int {
	i := slices.IndexFunc(a.Federated, func(f FederatedCredential) bool { return arm.SameName(f.ID, idOrName) })
	if i < 0 {
		i = a.FederatedByName(idOrName)
	}
	return i
}

// FederatedByName is the position of the credential with a name, or -1.
func (a *Application) FederatedByName(name string) int {
	return slices.IndexFunc(a.Federated, func(f FederatedCredential) bool { return arm.SameName(f.Name, name) })
}

// checkFederated returns a *FederatedError if a credential that is new or changed is not valid, or has the name, or the
// issuer and the subject or expression, of another one. The rules have become stricter, and what an earlier version has
// stored must not hinder other changes of the application.
func checkFederated(stored, all []FederatedCredential) error {
	if len(all) > max(maxFederated, len(stored)) {
		return &FederatedError{"Name", all[len(all)-1].Name, "The size of the object has exceeded its limit. Please reduce the number of values and retry your request.", ErrTooManyFederated}
	}
	for i, f := range all {
		old := slices.IndexFunc(stored, func(s FederatedCredential) bool { return s.ID == f.ID })
		if old >= 0 && reflect.DeepEqual(stored[old], f) {
			continue
		}
		if renamed := old < 0 || stored[old].Name != f.Name; renamed && !validFederatedName(f.Name) {
			return f.invalid("Name", f.Name, fmt.Sprintf("The name has %d to %d letters, digits, hyphens and underscores. The first is a letter or a digit.", minFederatedName, maxFederatedName))
		}
		if err := f.check(); err != nil {
			return err
		}
		for _, other := range slices.Concat(all[:i], all[i+1:]) {
			if err := f.checkUnique(other); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f FederatedCredential) checkUnique(other FederatedCredential) error {
	switch {
	case arm.SameName(other.Name, f.Name):
		return &FederatedError{"Name", f.Name, fmt.Sprintf("FederatedIdentityCredential with name %s already exists.", f.Name), ErrExists}
	case other.Issuer != f.Issuer || (other.Matching == nil) != (f.Matching == nil):
		return nil
	case f.Matching == nil && other.Subject == f.Subject:
		return &FederatedError{"Subject", f.Subject, fmt.Sprintf("The combination of issuer and subject must be unique for the application. Issuer %s and Subject: %s already exist.", f.Issuer, f.Subject), ErrInvalid}
	case f.Matching != nil && other.Matching.Value == f.Matching.Value:
		return &FederatedError{"ClaimsMatchingExpression.Value", f.Matching.Value, fmt.Sprintf("The combination of issuer and claims matching expression must be unique for the application. Issuer %s and expression %s already exist.", f.Issuer, f.Matching.Value), ErrInvalid}
	}
	return nil
}

func (f FederatedCredential) invalid(property, value, text string) error {
	return &FederatedError{property, value, text, ErrInvalid}
}

// check returns an error if a value other than the name, which never changes, is not valid.
func (f FederatedCredential) check() error {
	audience := strings.Join(f.Audiences, ",")
	for _, v := range []struct{ property, value string }{
		{"Issuer", f.Issuer}, {"Subject", f.Subject}, {"Description", f.Description}, {"Audiences", audience},
	} {
		if utf8.RuneCountInString(v.value) > maxFederatedValue || strings.ContainsFunc(v.value, NotInFederated) {
			return f.invalid(v.property, v.value, fmt.Sprintf("The value has at most %d characters, and neither control characters nor replacement characters (U+FFFD).", maxFederatedValue))
		}
	}
	switch {
	case !ValidIssuer(f.Issuer):
		return f.invalid("Issuer", f.Issuer, "The issuer must be an https URL.")
	case f.Subject == "" && f.Matching == nil:
		return f.invalid("Subject", f.Subject, "The subject must not be empty.")
	case f.Subject != "" && f.Matching != nil:
		return f.invalid("Subject", f.Subject, "The subject must be null if there is a claims matching expression.")
	case len(f.Audiences) != 1 || f.Audiences[0] == "":
		return f.invalid("Audiences", audience, "There must be exactly one audience.")
	}
	return f.checkExpression()
}

// checkExpression returns an error with the text that Entra has for an expression that is not valid.
func (f FederatedCredential) checkExpression() error {
	if f.Matching == nil {
		return nil
	}
	if _, err := expression.ParseFor(f.Issuer, f.Matching.Value, f.Matching.LanguageVersion); err != nil {
		return &FederatedError{"ClaimsMatchingExpression.Value", f.Matching.Value,
			"The FederatedIdentityCredential.ClaimsMatchingExpression.Value is invalid. Rule exception: " + err.Error(), ErrInvalid}
	}
	return nil
}

// NotInFederated reports whether a character must not stand in the values of a credential. Package json reads different
// broken escapes as the replacement character, and no token with one is accepted.
func NotInFederated(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }

// ValidIssuer reports whether a credential may name an issuer: an https URL with a host and without a user, a query, a
// fragment and spaces around it. OpenID Connect Discovery 1.0 has this form for issuers.
func ValidIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && strings.HasPrefix(issuer, "https://") && u.Hostname() != "" && u.User == nil &&
		strings.TrimSpace(issuer) == issuer && !strings.ContainsAny(issuer, "?#")
}

// validFederatedName reports whether a credential may have a name, which stands in URLs.
func validFederatedName(name string) bool {
	return len(name) >= minFederatedName && len(name) <= maxFederatedName && name[0] != '-' && name[0] != '_' &&
		!strings.ContainsFunc(name, notInFederatedName)
}

func notInFederatedName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
