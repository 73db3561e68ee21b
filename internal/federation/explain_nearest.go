package federation

import (
	"midas/internal/federation/expression"
	"midas/internal/token"
)

// Nearest returns the credential that an assertion resembles most, or nil if there are none. The issuer counts more
// than the subject, and the subject more than the audience, which most credentials have in common.
func Nearest(all []Credential, a *token.Assertion) *Credential {
	var nearest *Credential
	best := -1
	for i := range all {
		if likeness := all[i].likeness(a); likeness > best {
			nearest, best = &all[i], likeness
		}
	}
	return nearest
}

// equal is the likeness of values that are equal, in percent.
const equal = 100

func (c *Credential) likeness(a *token.Assertion) int {
	issuer := likeness(a.Issuer, c.Issuer, differIssuer)
	audience := 0
	if _, wrong := audienceFinding(c, a); !wrong {
		audience = equal
	}
	return 3*issuer + 2*c.subjectLikeness(a) + audience
}

func (c *Credential) subjectLikeness(a *token.Assertion) int {
	if c.Expression == "" {
		return max(likeness(a.Subject, c.Subject, differSubject), equal/2*readForm(clip(a.Subject)).common(readForm(c.Subject))/equal)
	}
	e, err := expression.Parse(c.Expression)
	if err != nil {
		return 0
	}
	matched, clauses := 0, e.Clauses()
	for _, clause := range clauses {
		if value, has := a.Claim(clause.Claim); has && clause.Matches(value) {
			matched++
		}
	}
	return equal * matched / len(clauses)
}

// likeness compares two values: all of it if they are equal, most of it if one of them is probably a mistake, and
// otherwise by what they have in common at the beginning.
func likeness(presented, configured string, compare func(string, string) (Difference, string)) int {
	presented = clip(presented) // a longer value equals that of no credential, and comparing it would take long
	switch d, _ := compare(presented, configured); {
	case d == "":
		return equal
	case d == ImmutableSubject, d == BranchForm, d.alike() && d != Parts && d != Platform && d != Host && d != Path && d != ContextKind:
		return equal * 9 / 10
	}
	return equal / 2 * common(presented, configured) / max(len(presented), len(configured), 1)
}
