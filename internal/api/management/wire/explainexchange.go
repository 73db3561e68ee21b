package wire

import (
	"time"

	"midas/internal/directory"
	"midas/internal/federation"
)

// ExplainExchange is the body of a request to explain an exchange.
type ExplainExchange struct {
	ClientID string               `json:"clientId"`
	Token    directory.SecretText `json:"token"`
}

// ExchangeClient is the application or the managed identity that an exchange is for.
type ExchangeClient struct {
	ClientID    string `json:"clientId"`
	PrincipalID string `json:"principalId,omitempty"`
	Name        string `json:"displayName"`
	Type        string `json:"type"`
	Enabled     bool   `json:"enabled"`
	ResourceID  string `json:"resourceId,omitempty"` // of a managed identity
}

// ExchangeExplanation is the answer to ExplainExchange. It has claims of the token and never the token.
type ExchangeExplanation struct {
	Verdict     string             `json:"verdict"` // granted or refused
	Error       *exchangeError     `json:"error,omitempty"`
	Reasons     []string           `json:"reasons"`
	Findings    []exchangeFinding  `json:"findings"`
	Client      ExchangeClient     `json:"client"`
	Credentials int                `json:"credentials"` // how many the client has
	Credential  *exchangeCandidate `json:"credential,omitempty"`
	Token       *exchangeToken     `json:"token,omitempty"`
	ServerTime  time.Time          `json:"serverTime"`
	Issuer      *exchangeIssuer    `json:"issuer,omitempty"`
	Advice      []string           `json:"advice"` // commands for those who trust the issuer and the subject
}

// exchangeError is what the token endpoint answers.
type exchangeError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type exchangeFinding struct {
	Field      federation.Field      `json:"field"`
	Difference federation.Difference `json:"difference,omitempty"`
	Credential string                `json:"credential,omitempty"`
	Presented  string                `json:"presented,omitempty"`
	Configured string                `json:"configured,omitempty"`
	Message    string                `json:"message"`
}

// exchangeCandidate is the credential that the token matches or resembles most.
type exchangeCandidate struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Issuer     string   `json:"issuer"`
	Subject    string   `json:"subject,omitempty"`
	Expression string   `json:"claimsMatchingExpression,omitempty"`
	Audiences  []string `json:"audiences"`
}

type exchangeToken struct {
	Issuer    string     `json:"issuer"`
	Subject   string     `json:"subject"`
	Audience  []string   `json:"audience"`
	IssuedAt  *time.Time `json:"issuedAt,omitempty"`
	NotBefore *time.Time `json:"notBefore,omitempty"`
	Expires   *time.Time `json:"expires,omitempty"`
	Type      string     `json:"type,omitempty"`
	Algorithm string     `json:"algorithm"`
	KeyID     string     `json:"keyId,omitempty"`
}

// exchangeIssuer is what the server knows of the issuer.
type exchangeIssuer struct {
	Listed  bool       `json:"listed"`  // the configuration lists it
	Private bool       `json:"private"` // and allows private addresses
	Known   bool       `json:"keysKnown"`
	KeyIDs  []string   `json:"keyIds"`
	Fetched *time.Time `json:"fetched,omitempty"`
	Tried   *time.Time `json:"tried,omitempty"`
	Failure string     `json:"failure,omitempty"` // of the last fetch
}

// ExchangeAnswer is what an explanation is encoded from.
type ExchangeAnswer struct {
	Client   ExchangeClient
	Question federation.Question
	Holder   federation.Holder
}

// EncodeExchange explains an exchange and encodes the explanation.
func EncodeExchange(a ExchangeAnswer) ExchangeExplanation {
	q := a.Question
	x := federation.Explain(q)
	out := ExchangeExplanation{
		Verdict: "granted", Reasons: []string{}, Findings: []exchangeFinding{}, Client: a.Client, Credentials: len(q.Credentials),
		ServerTime: q.Now.UTC(), Token: encodeAssertion(x), Advice: []string{},
	}
	if q.Refused != nil {
		out.Verdict, out.Error = "refused", &exchangeError{q.Code, q.Refused.Error()}
		out.Advice = append(out.Advice, x.Advice(a.Holder, q.Credentials)...)
	}
	for _, f := range x.Findings {
		out.Reasons = append(out.Reasons, f.Text)
		out.Findings = append(out.Findings, exchangeFinding{f.Field, f.Difference, f.Credential, f.Presented, f.Configured, f.Text})
	}
	if c := x.Nearest; c != nil {
		out.Credential = &exchangeCandidate{c.ID, c.Name, c.Issuer, c.Subject, c.Expression, c.Audiences}
	}
	if x.Assertion != nil && q.Inspect != nil && !q.Own {
		out.Issuer = encodeInspection(q.Inspect(x.Assertion.Issuer), q.Operator)
	}
	return out
}

func encodeAssertion(x federation.Explanation) *exchangeToken {
	a := x.Assertion
	if a == nil {
		return nil
	}
	out := &exchangeToken{
		Issuer: a.Issuer, Subject: a.Subject, Audience: a.Audience, Type: a.Type, Algorithm: a.Algorithm, KeyID: a.Kid,
		IssuedAt: orNil(a.IssuedAt), NotBefore: orNil(a.NotBefore), Expires: orNil(a.Expires),
	}
	if out.Audience == nil {
		out.Audience = []string{}
	}
	return out
}

// maxKeyIDs is how many key ids an explanation has.
const maxKeyIDs = 20

func encodeInspection(seen federation.Inspection, operator bool) *exchangeIssuer {
	out := &exchangeIssuer{
		Listed: seen.Listed, Private: seen.Private, Known: seen.Known, KeyIDs: append([]string{}, seen.Kids[:min(len(seen.Kids), maxKeyIDs)]...),
		Fetched: orNil(seen.Fetched), Tried: orNil(seen.Tried),
	}
	if seen.Failure != nil {
		out.Failure = string(seen.Failure.Reason)
		if operator {
			out.Failure = seen.Failure.Error()
		}
	}
	if !operator {
		out.Listed, out.Private = false, false
	}
	return out
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
