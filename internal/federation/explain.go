package federation

import (
	"errors"
	"time"

	"midas/internal/token"
)

// Question asks why an exchange is granted or refused.
type Question struct {
	Attempt
	Raw      string // the token as it was presented
	Disabled bool   // the client is disabled
	Now      time.Time

	// Inspect returns what is known of an issuer. Nil means that nothing is.
	Inspect func(issuer string) Inspection
	// Operator means that the asker may know about the network and the configuration of the server.
	Operator bool
}

// Explanation is why an exchange is granted or refused.
type Explanation struct {
	Assertion *token.Assertion // not verified if the exchange is refused; nil if the token cannot be read
	Nearest   *Credential      // that the token matches, or resembles most; nil if there are none
	Findings  []Finding        // in the order in which the token endpoint checks; empty exactly if the exchange is granted
}

// Explain finds everything that is wrong with an exchange, and not only what the token endpoint checks first. Whether
// it is granted is for the token endpoint to say: an Attempt has its decision. Explain makes no request.
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
	if q.Refused == nil {
		return x
	}
	if _, err := token.ParseAssertion(q.Raw); err != nil && (a.Algorithm == rs256 || a.Algorithm == "PS256") {
		x.Findings = append(x.Findings, formFinding(q.Raw, err))
	}
	x.Findings = append(x.Findings, headerFindings(a)...)
	if len(q.Credentials) == 0 {
		x.Findings = append(x.Findings, found(ClientID, "The client has no federated identity credentials, so it accepts tokens of no other issuer."))
	}
	x.Findings = append(x.Findings, x.compare(q)...)
	x.Findings = append(x.Findings, x.ownFindings(q)...)
	if q.Inspect != nil && !q.Own {
		x.Findings = append(x.Findings, q.issuerFindings(a)...)
	}
	x.Findings = append(x.Findings, validityFindings(a, q.Now)...)
	if q.Disabled {
		x.Findings = append(x.Findings, found(ClientID, "The client is disabled."))
	}
	if len(x.Findings) == 0 {
		x.Findings = []Finding{found(Condition, "The token endpoint refuses it: %s", q.Refused)}
	}
	return x
}

// compare compares the token with the nearest credential.
func (x *Explanation) compare(q Question) (all []Finding) {
	c, a := x.Nearest, x.Assertion
	var m *Mismatch
	mismatched := errors.As(q.Refused, &m)
	if c == nil || q.Own && !mismatched {
		return nil
	}
	// The token endpoint knows the names of this server's own issuers, and of the resource for the exchange.
	if d, text := differIssuer(a.Issuer, c.Issuer); d != "" && (!q.Own || m.Field == Issuer) {
		all = append(all, differs(Issuer, c, a.Issuer, c.Issuer, d, text))
	}
	all = append(all, subjectFindings(c, a)...)
	if f, wrong := audienceFinding(c, a); wrong && !q.Own {
		all = append(all, f)
	}
	return all
}
