package directory

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"midas/internal/arm"
)

// Limits of the federated identity credentials of one application, as in Entra. Lengths are in characters.
const (
	maxFederated      = 20
	minFederatedName  = 3
	maxFederatedName  = 120
	maxFederatedValue = 600 // of issuer, subject, audience and description
)

// FederatedCredential is a federated identity credential of an application: it trusts the tokens of an issuer
// for a subject.
type FederatedCredential struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"` // unique in the application, and never changed
	Issuer      string   `json:"issuer"`
	Subject     string   `json:"subject"`
	Description string   `json:"description,omitempty"`
	Audiences   []string `json:"audiences"` // exactly one
}

// FederatedError says which value of a federated identity credential is not valid. It wraps ErrInvalid, or
// ErrExists for a name that another credential of the application has.
type FederatedError struct {
	Property, Value string // "Subject", and the value that is not valid
	Text            string
	err             error
}

func (e *FederatedError) Error() string { return e.Text }
func (e *FederatedError) Unwrap() error { return e.err }

// FederatedIndex is the position of the credential with an id or a name, or -1.
func (a *Application) FederatedIndex(idOrName string) int {
	return slices.IndexFunc(a.Federated, func(f FederatedCredential) bool {
		return arm.SameName(f.ID, idOrName) || arm.SameName(f.Name, idOrName)
	})
}

// checkFederated returns a *FederatedError if a credential is not valid or two have the same name, or the same
// issuer and subject.
func checkFederated(all []FederatedCredential) error {
	if len(all) > maxFederated {
		return &FederatedError{"Name", all[maxFederated].Name, fmt.Sprintf("The number of federated identity credentials of an application cannot exceed %d.", maxFederated), ErrInvalid}
	}
	for i, f := range all {
		if err := f.check(); err != nil {
			return err
		}
		for _, other := range all[:i] {
			if arm.SameName(other.Name, f.Name) {
				return &FederatedError{"Name", f.Name, fmt.Sprintf("FederatedIdentityCredential with name %s already exists.", f.Name), ErrExists}
			}
			if other.Issuer == f.Issuer && other.Subject == f.Subject {
				return &FederatedError{"Subject", f.Subject, fmt.Sprintf("The combination of issuer and subject must be unique for the application. Issuer %s and Subject: %s already exist.", f.Issuer, f.Subject), ErrInvalid}
			}
		}
	}
	return nil
}

func (f FederatedCredential) check() error {
	invalid := func(property, value, text string) error { return &FederatedError{property, value, text, ErrInvalid} }
	audience := strings.Join(f.Audiences, ",")
	for _, v := range []struct{ property, value string }{
		{"Issuer", f.Issuer}, {"Subject", f.Subject}, {"Description", f.Description}, {"Audiences", audience},
	} {
		if utf8.RuneCountInString(v.value) > maxFederatedValue || strings.ContainsFunc(v.value, unicode.IsControl) {
			return invalid(v.property, v.value, fmt.Sprintf("The value has at most %d characters and no control characters.", maxFederatedValue))
		}
	}
	issuer, err := url.Parse(f.Issuer)
	switch {
	case len(f.Name) < minFederatedName || len(f.Name) > maxFederatedName || strings.ContainsFunc(f.Name, notInFederatedName):
		return invalid("Name", f.Name, fmt.Sprintf("The name has %d to %d letters, digits, hyphens and underscores.", minFederatedName, maxFederatedName))
	case err != nil || issuer.Scheme != "https" || issuer.Host == "" || strings.TrimSpace(f.Issuer) != f.Issuer:
		return invalid("Issuer", f.Issuer, "The issuer must be an https URL.")
	case f.Subject == "":
		return invalid("Subject", f.Subject, "The subject must not be empty.")
	case len(f.Audiences) != 1 || f.Audiences[0] == "":
		return invalid("Audiences", audience, "There must be exactly one audience.")
	}
	return nil
}

// notInFederatedName reports whether a name, which stands in URLs, cannot contain a character.
func notInFederatedName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
