package federation

import (
	"errors"
	"strings"
)

const needed = " Only the token of a user-assigned managed identity is accepted, which its metadata service gives for resource=api://AzureADTokenExchange."

// ownNotes says what the refusals of tokens that this server itself has issued mean, by their codes.
func ownNotes() map[string]string {
	return map[string]string{
		"AADSTS700222":  "This server has issued the token, and it is not one for the exchange, or not valid." + needed,
		"AADSTS700226":  "This server has issued the token, and its subject is not a managed identity." + needed,
		"AADSTS700227":  "This server has issued the token, and it is a v1.0 token for another resource." + needed,
		"AADSTS700236":  "Another tenant of this server has issued the token. A managed identity is accepted only in its own tenant.",
		"AADSTS700231":  "The token came out of an exchange itself, and such a token cannot be exchanged again.",
		"AADSTS7002121": "The token is for another resource." + needed,
		"AADSTS700214":  "The credential names another audience. For tokens of managed identities it must be api://AzureADTokenExchange.",
		"AADSTS50173":   "The tokens of the managed identity were revoked after this token was issued. It needs a new one.",
		"AADSTS7000112": "The client or the managed identity of the token is disabled.",
	}
}

// ownFindings says why a token that this server has issued is refused.
func (x *Explanation) ownFindings(q Question) []Finding {
	if !q.Own {
		return nil
	}
	text, known := ownNotes()[q.Code]
	var m *Mismatch
	if !known || errors.As(q.Refused, &m) && m.Field != Audience {
		aud := strings.Join(x.Assertion.Audience, ",")
		if _, meant := ExchangeURI(aud); meant {
			return nil
		}
		return []Finding{found(OwnToken, "This server has issued the token, for the resource %s.%s", shown(aud), needed)}
	}
	if q.Code == "AADSTS7000112" && q.Disabled {
		return nil // it has a finding of its own
	}
	return []Finding{found(OwnToken, "%s", text)}
}
