package federation

import "fmt"

// The fields of findings that no credential has.
const (
	Form      Field = "token"     // it is not a token that can be read
	Header    Field = "header"    // typ, alg
	Key       Field = "key"       // kid and the signature
	Validity  Field = "validity"  // exp, nbf, iat
	Reach     Field = "reach"     // the discovery document and the keys of the issuer
	ClientID  Field = "client"    // the application or the identity itself
	OwnToken  Field = "own token" // a token that this server has issued
	Condition Field = "condition" // another condition of the token endpoint
)

// Finding is one reason why an exchange is refused.
type Finding struct {
	Field      Field
	Difference Difference // how a field of a credential differs; empty for other fields
	Credential string     // the name of the credential that is compared; empty if the finding is about none

	// Presented is the token's value and Configured the credential's. Neither is longer than a few KiB.
	Presented, Configured string
	Text                  string // sentences that say it, with the values in quotation marks
}

// found makes a finding without a credential.
func found(field Field, format string, args ...any) Finding {
	return Finding{Field: field, Text: fmt.Sprintf(format, args...)}
}

// differs makes a finding about a field of a credential. The detail says how the values differ.
func differs(field Field, c *Credential, presented, configured string, d Difference, detail string) Finding {
	text := fmt.Sprintf("The %s of the token is %s, and the credential %s has %s.", field, shown(presented), shown(c.Name), shown(configured))
	if presented == "" {
		text = fmt.Sprintf("The token has no %s, and the credential %s has %s.", field, shown(c.Name), shown(configured))
		detail = ""
	}
	if detail != "" {
		text += " " + detail
	}
	return Finding{Field: field, Difference: d, Credential: c.Name, Presented: clip(presented), Configured: clip(configured), Text: text}
}
