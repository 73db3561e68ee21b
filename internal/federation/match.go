package federation

import (
	"slices"
	"strings"

	"midas/internal/token"
)

// Match finds the credential that an assertion matches: its issuer, its subject or expression, and its audience,
// compared in this order. All comparisons are exact and case-sensitive: a slash at the end of an issuer counts. An
// assertion with several audiences matches none, because its issuer has meant it for others too. A nil Mismatch
// means that the credential matches. Match does not look at the signature and at times.
func Match(all []Credential, a *token.Assertion) (Credential, *Mismatch) {
	if len(all) == 0 {
		return Credential{}, &Mismatch{Field: None}
	}
	audience := presented(a)
	for i := range all {
		if c := &all[i]; c.Issuer == a.Issuer && c.meant(audience) && c.matchesSubject(a) {
			return *c, nil
		}
	}
	issued := keep(all, func(c *Credential) bool { return c.Issuer == a.Issuer })
	if len(issued) == 0 {
		return Credential{}, mismatch(Issuer, a.Issuer, all)
	}
	named := keep(issued, func(c *Credential) bool { return c.matchesSubject(a) })
	if len(named) == 0 {
		return Credential{}, mismatch(Subject, a.Subject, issued)
	}
	return Credential{}, mismatch(Audience, strings.Join(a.Audience, ","), named)
}

// meant reports whether the credential accepts tokens for an audience.
func (c *Credential) meant(audience string) bool {
	return audience != "" && slices.Contains(c.Audiences, audience)
}

// matchesSubject reports whether the assertion is for the credential's subject, or its claims match the expression.
func (c *Credential) matchesSubject(a *token.Assertion) bool {
	if c.Expression == "" {
		return c.Subject != "" && c.Subject == a.Subject
	}
	parsed := c.parsed
	if parsed == nil {
		parsed = c.Parsed().parsed
	}
	return c.Subject == "" && parsed.Matches(a.Claim)
}

// keep returns the credentials for which wanted is true.
func keep(all []Credential, wanted func(*Credential) bool) []Credential {
	var kept []Credential
	for i := range all {
		if wanted(&all[i]) {
			kept = append(kept, all[i])
		}
	}
	return kept
}
