package federation

import (
	"slices"

	"midas/internal/arm"
	"midas/internal/token"
)

// Field is what an assertion and the credentials differ in.
type Field string

// The fields, in the order in which they are compared.
const (
	None     Field = "" // there are no credentials
	Issuer   Field = "issuer"
	Subject  Field = "subject"
	Audience Field = "audience"
)

// Mismatch says why no credential matches an assertion.
type Mismatch struct {
	Field     Field
	Presented string      // the assertion's value of the field
	Nearest   *Credential // a credential that matches in all earlier fields; nil if there is none
	OnlyCase  bool        // the nearest credential's value differs only in case
}

// Error says which field differs. It does not name the credential's value, which clients must not see.
func (m *Mismatch) Error() string {
	if m.Field == None {
		return "there are no federated credentials"
	}
	return "no federated credential has the presented " + string(m.Field)
}

// mismatch makes a Mismatch. The nearest credential is the first of the given ones whose value differs only in case,
// or else the first one.
func mismatch(field Field, presented string, near []Credential) *Mismatch {
	m := &Mismatch{Field: field, Presented: presented}
	if len(near) == 0 {
		return m
	}
	i := slices.IndexFunc(near, func(c Credential) bool { return arm.SameName(c.value(field), presented) })
	m.OnlyCase = i >= 0
	m.Nearest = &near[max(i, 0)]
	return m
}

// value returns a credential's value of a field.
func (c *Credential) value(field Field) string {
	switch field {
	case Issuer:
		return c.Issuer
	case Subject:
		return c.Subject
	case Audience:
		if len(c.Audiences) > 0 {
			return c.Audiences[0]
		}
	}
	return ""
}

// presented returns an assertion's audience. It is empty if the assertion has not exactly one.
func presented(a *token.Assertion) string {
	if len(a.Audience) != 1 {
		return ""
	}
	return a.Audience[0]
}
