package federation

import "fmt"

// Reason says why an assertion of an outside issuer was not verified.
type Reason string

// The reasons.
const (
	Unreachable Reason = "unreachable" // the discovery document or the keys cannot be fetched
	Document    Reason = "document"    // they were fetched, but are not acceptable
	UnknownKey  Reason = "unknown key" // no key of the issuer has the key id of the assertion
	Signature   Reason = "signature"   // the key has not signed the assertion
	HeaderType  Reason = "header type" // typ of the header is not that of a JWT
	Algorithm   Reason = "algorithm"   // alg of the header is not RS256
)

// IssuerError means that an assertion was not verified. Detail can contain names and addresses of the server's
// network: it is for logs and for administrators, and is not sent to the client.
type IssuerError struct {
	Issuer, Kid string
	Reason      Reason
	Detail      error // nil if Reason says all
}

func (e *IssuerError) Error() string {
	text := fmt.Sprintf("verify an assertion of the issuer %.300q: %s", e.Issuer, e.Reason)
	if e.Detail != nil {
		text += ": " + e.Detail.Error()
	}
	return text
}

func (e *IssuerError) Unwrap() error { return e.Detail }
