package expression

import (
	"fmt"
	"slices"
)

// subject is the claim that every expression compares.
const subject = "sub"

// claimRule names a claim that the expressions for an issuer may compare.
type claimRule struct {
	claim     string
	operators []Operator
}

// claimsOf returns the claims that Microsoft's page on flexible federated identity credentials (14 August 2026, and 18
// September 2026 for project_id) has for an issuer. It has no other issuers; documented is false for those.
func claimsOf(issuer string) (rules []claimRule, documented bool) {
	both := []Operator{Equal, Match}
	equal := []Operator{Equal}
	switch issuer {
	case "https://token.actions.githubusercontent.com":
		return []claimRule{{subject, both}, {"job_workflow_ref", both}, {"repository_id", equal}, {"repository_owner_id", equal}}, true
	case "https://gitlab.com":
		return []claimRule{{subject, both}, {"project_id", equal}}, true
	case "https://app.terraform.io", "https://app.eu.terraform.io":
		return []claimRule{{subject, both}}, true
	}
	return nil, false
}

// IssuerError says that a credential for an issuer must not have an expression. The text is that of Azure.
type IssuerError struct {
	Issuer, Text string
}

func (e *IssuerError) Error() string { return e.Text }

// CheckIssuer returns an *IssuerError if a credential for the issuer must not have this expression. An expression
// compares the subject, and at least one clause says more than that the claim exists. For the issuers that Azure
// documents, the claims and operators are those that Azure has. Azure has no expressions for other issuers; here they
// may compare every claim.
func (e Expression) CheckIssuer(issuer string) error {
	rules, documented := claimsOf(issuer)
	wrong := !slices.ContainsFunc(e.clauses, func(c Clause) bool { return c.Claim == subject })
	for _, c := range e.clauses {
		wrong = wrong || documented && !slices.ContainsFunc(rules, func(r claimRule) bool {
			return r.claim == c.Claim && slices.Contains(r.operators, c.Operator)
		})
	}
	switch {
	case wrong:
		return &IssuerError{issuer, fmt.Sprintf("Expression configured for issuer '%s' either lacks all required claims or contains unallowed claims.", issuer)}
	case !slices.ContainsFunc(e.clauses, func(c Clause) bool { return !c.open() }):
		return &IssuerError{issuer, fmt.Sprintf("Expression configured for issuer '%s' matches every token of the issuer.", issuer)}
	}
	return nil
}

// VersionError says that there is no language of this version.
type VersionError struct{ Version int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("The language version of an expression is %d, not %d.", LanguageVersion, e.Version)
}

// ParseFor parses the expression of a credential for an issuer. Its error is a *VersionError, a *SyntaxError or an
// *IssuerError.
func ParseFor(issuer, text string, languageVersion int) (Expression, error) {
	if languageVersion != LanguageVersion {
		return Expression{}, &VersionError{languageVersion}
	}
	e, err := Parse(text)
	if err != nil {
		return Expression{}, err
	}
	return e, e.CheckIssuer(issuer)
}
