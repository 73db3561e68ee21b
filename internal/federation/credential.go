package federation

import "midas/internal/federation/expression"

// Credential is a federated identity credential: it says whose tokens authenticate an application or a managed
// identity.
type Credential struct {
	ID, Name   string
	Issuer     string
	Subject    string
	Expression string // in place of Subject: matches the claims of tokens with different subjects
	Audiences  []string

	parsed *expression.Expression // of Expression; nil before Parsed
}

// Parsed returns the credential with its expression parsed, for callers that match many assertions with it.
// An expression that could not be stored today, because it cannot be parsed or accepts every token, matches nothing.
func (c Credential) Parsed() Credential {
	if c.Expression == "" {
		return c
	}
	e, err := expression.ParseFor(c.Issuer, c.Expression, expression.LanguageVersion)
	if err != nil {
		e = expression.Expression{}
	}
	c.parsed = &e
	return c
}

// Size estimates the memory of a credential in bytes.
func (c *Credential) Size() int {
	n := 256 + len(c.ID) + len(c.Name) + len(c.Issuer) + len(c.Subject) + 4*len(c.Expression)
	for _, audience := range c.Audiences {
		n += 16 + len(audience)
	}
	return n
}
