package federation

import (
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/federation/expression"
	"midas/internal/token"
)

// The differences between two subjects.
const (
	Parts      Difference = "Parts"      // a part of a subject that a platform has written
	Platform   Difference = "Platform"   // subjects of two platforms
	Expression Difference = "Expression" // a clause of an expression
	Wildcard   Difference = "Wildcard"   // the credential's subject has * or ? and would match with them
	OtherClaim Difference = "OtherClaim" // the credential has the value of another claim
)

// subjectFindings compares the subject of a token, or its claims, with those of a credential.
func subjectFindings(c *Credential, a *token.Assertion) []Finding {
	switch {
	case c.matchesSubject(a):
		return nil
	case c.Expression != "":
		return clauseFindings(c, a)
	}
	d, text := differSubject(a.Subject, c.Subject)
	for _, name := range []string{"email", "azp", "appid", "oid", "client_id", "preferred_username", "repository", "project_path", "actor", "user_login"} {
		if value, has := a.Claim(name); has && value == c.Subject && !d.alike() && value != "" {
			d, text = OtherClaim, fmt.Sprintf("The credential has the value of the token's claim %s. Only the claim sub is compared.", name)
			break
		}
	}
	return []Finding{differs(Subject, c, a.Subject, c.Subject, d, text)}
}

// differSubject returns how the subject of a token differs from that of a credential.
func differSubject(presented, configured string) (Difference, string) {
	d, text := differ(presented, configured)
	if d != Other || configured == "" {
		return d, text
	}
	if wildcard(presented, configured) {
		return Wildcard, "The credential has a wildcard, but a subject is compared as it is. Only a claimsMatchingExpression with matches has wildcards."
	}
	p, c := readForm(presented), readForm(configured)
	switch {
	case p.platform == "" && c.platform == "", presented == "":
		return Other, firstDifference(presented, configured)
	case p.platform == "" || c.platform == "":
		return differForms(presented, configured, p, c)
	case p.platform != c.platform:
		return Platform, fmt.Sprintf("The token's is of the form of %s, and the credential's of the form of %s.", p.platform, c.platform)
	case p.platform == github:
		d, text = differGitHub(p, c)
	default:
		d, text = differParts(p, c)
	}
	if text == "" {
		return Other, firstDifference(presented, configured)
	}
	return d, text
}

// wildcard reports whether a subject matches another one whose * and ? are wildcards.
func wildcard(presented, configured string) bool {
	if !strings.ContainsAny(configured, "*?") {
		return false
	}
	e, err := expression.Parse("claims['sub'] matches '" + strings.ReplaceAll(configured, "'", "''") + "'")
	return err == nil && e.Matches(func(string) (string, bool) { return presented, true })
}

// differParts compares two subjects of one platform part by part.
func differParts(p, c form) (Difference, string) {
	var says []string
	if p.platform == kubernetes && len(p.parts) == 2 && len(c.parts) == 2 && p.parts[0].value == c.parts[1].value && p.parts[1].value == c.parts[0].value {
		return Parts, "The namespace and the service account are the wrong way round."
	}
	seen := map[string]bool{}
	for _, named := range append(append([]part{}, p.parts...), c.parts...) {
		if !seen[named.name] {
			seen[named.name] = true
			if text := differPart(p, c, named.name); text != "" {
				says = append(says, text)
			}
		}
	}
	return Parts, strings.Join(says, " ")
}

// differPart says how a part differs, or is empty if it does not. A part that only one subject has is no difference of
// its own for ids.
func differPart(p, c form, name string) string {
	pv, inToken := p.value(name)
	cv, inCredential := c.value(name)
	switch {
	case inToken && inCredential && pv == cv, !inToken && !inCredential:
		return ""
	case name == ownerID || name == repositoryID:
		if !inToken || !inCredential {
			return ""
		}
	case !inToken:
		return "The token has no " + name + "."
	case !inCredential:
		return "The credential has no " + name + "."
	}
	text := fmt.Sprintf("The %s differs: %s in the token, %s in the credential.", name, shown(pv), shown(cv))
	if d, more := differ(pv, cv); d.alike() {
		text += " " + more
	}
	return text
}

// differForms compares subjects of which only one has the form of a platform.
func differForms(presented, configured string, p, c form) (Difference, string) {
	known, other, otherIs := p, configured, "credential"
	if p.platform == "" {
		known, other, otherIs = c, presented, "token"
	}
	text := fmt.Sprintf("The %s's is not of the form of %s: ", otherIs, known.platform)
	var written []string
	for _, part := range known.parts {
		written = append(written, part.value)
	}
	plain := func(s string) string { return arm.Fold(strings.NewReplacer(":", "/", " ", "").Replace(s)) }
	if known.platform == kubernetes && plain(other) == plain(strings.Join(written, "/")) {
		return Parts, text + "the prefix " + serviceAccount + " is missing, as in " + serviceAccount + "NAMESPACE:NAME."
	}
	if known.platform == github && len(written) > 1 && strings.HasPrefix(plain(other), plain(written[0]+"/")) {
		return Parts, text + "the prefix repo: is missing."
	}
	text = strings.TrimSuffix(text, ": ") + "."
	if known.platform == github && otherIs == "token" {
		text += " GitHub writes other claims into the subject if the repository or its organization has customized it."
	}
	return Platform, text
}

// firstDifference says where two values begin to differ.
func firstDifference(presented, configured string) string {
	n := common(presented, configured)
	if n == 0 {
		return ""
	}
	at := len([]rune(presented[:n]))
	return fmt.Sprintf("The first %d characters are the same; then the token has %s and the credential has %s.", at, rest(presented[n:]), rest(configured[n:]))
}

func rest(s string) string {
	if s == "" {
		return "nothing more"
	}
	return shown(s)
}

// clauseFindings says which clauses of a credential's expression the claims of a token do not match.
func clauseFindings(c *Credential, a *token.Assertion) []Finding {
	e, err := expression.Parse(c.Expression)
	if err != nil {
		text := fmt.Sprintf("The expression of the credential %s cannot be read and matches nothing: %v.", shown(c.Name), err)
		return []Finding{{Field: Subject, Difference: Expression, Credential: c.Name, Configured: clip(c.Expression), Text: text}}
	}
	var all []Finding
	for _, clause := range e.Clauses() {
		value, has := a.Claim(clause.Claim)
		if has && clause.Matches(value) {
			continue
		}
		all = append(all, clauseFinding(c, clause, value, has))
	}
	return all
}

func clauseFinding(c *Credential, clause expression.Clause, value string, has bool) Finding {
	f := Finding{Field: Subject, Difference: Expression, Credential: c.Name, Presented: clip(value), Configured: clip(clause.String())}
	f.Text = fmt.Sprintf("The credential %s has the clause %s, and the token's claim %s is %s.", shown(c.Name), clause.String(), shown(clause.Claim), shown(value))
	if !has {
		f.Difference = Missing
		f.Text = fmt.Sprintf("The credential %s has the clause %s, and the token has no claim %s that is a string.", shown(c.Name), clause.String(), shown(clause.Claim))
		return f
	}
	folded, err := expression.Parse("claims['sub'] " + string(clause.Operator) + " '" + strings.ReplaceAll(arm.Fold(clause.Value), "'", "''") + "'")
	if err == nil && folded.Clauses()[0].Matches(arm.Fold(value)) {
		f.Difference = Case
		f.Text += " It differs only in case, and the comparison is case-sensitive."
		return f
	}
	if clause.Operator == expression.Equal {
		d, text := differ(value, clause.Value)
		if clause.Claim == "sub" {
			d, text = differSubject(value, clause.Value)
		}
		if d.alike() || clause.Claim == "sub" {
			f.Text = strings.TrimSpace(f.Text + " " + text)
		}
	}
	return f
}
