package federation

import (
	"errors"
	"time"

	"midas/internal/token"
)

// Question asks why an exchange is granted or refused.
type Question struct {
	Raw         string // the token as it was presented
	Credentials []Credential
	Now         time.Time

	// Refused is why the token endpoint refuses the exchange; nil means that it grants it. Its causes may be a
	// *Mismatch and an *IssuerError.
	Refused error
	// Own means that this server has issued the token. Its issuer, audience and key are then compared by the token
	// endpoint alone.
	Own bool
	// Inspect returns what is known of an issuer. Nil means that nothing is.
	Inspect func(issuer string) Inspection
}

// Explanation is why an exchange is granted or refused.
type Explanation struct {
	Assertion *token.Assertion // not verified; nil if the token cannot be read
	Nearest   *Credential      // that the token matches, or resembles most; nil if there are none
	Findings  []Finding        // in the order in which the token endpoint checks; empty if nothing was found
}

// Explain finds everything that is wrong with an exchange, and not only what the token endpoint checks first. Whether
// it is granted is for the token endpoint to say. Explain makes no request.
func Explain(q Question) Explanation {
	x := Explanation{}
	a, err := token.ReadAssertion(q.Raw)
	if err != nil {
		x.Findings = []Finding{formFinding(q.Raw, err)}
		return x
	}
	x.Assertion, x.Nearest = a, Nearest(q.Credentials, a)
	if matched, m := Match(q.Credentials, a); m == nil {
		x.Nearest = &matched
	}
	x.Findings = headerFindings(a)
	if len(q.Credentials) == 0 {
		x.Findings = append(x.Findings, found(ClientID, "It has no federated identity credentials, so it accepts tokens of no other issuer."))
	}
	x.Findings = append(x.Findings, x.compare(q)...)
	if q.Inspect != nil {
		x.Findings = append(x.Findings, issuerFindings(a, q.Refused, q.Inspect(a.Issuer), q.Now)...)
	}
	x.Findings = append(x.Findings, validityFindings(a, q.Now)...)
	return x
}

// compare compares the token with the nearest credential.
func (x *Explanation) compare(q Question) (all []Finding) {
	c, a := x.Nearest, x.Assertion
	var m *Mismatch
	switch {
	case c == nil:
		return nil
	case q.Own && !errors.As(q.Refused, &m):
		return nil // the token endpoint knows the names of its own issuer and of the resource
	}
	if d, text := differIssuer(a.Issuer, c.Issuer); d != "" && !q.Own {
		all = append(all, differs(Issuer, c, a.Issuer, c.Issuer, d, text))
	}
	all = append(all, subjectFindings(c, a)...)
	if f, wrong := audienceFinding(c, a); wrong && !q.Own {
		all = append(all, f)
	}
	return all
}
