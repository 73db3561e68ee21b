package federation

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"midas/internal/token"
)

// formFinding says why a text is not a token that the exchange reads.
func formFinding(raw string, cause error) Finding {
	parts := strings.Count(raw, ".") + 1
	switch {
	case strings.TrimSpace(raw) == "":
		return found(Form, "The token is empty.")
	case len(raw) > token.MaxSize:
		return found(Form, "The token has %d bytes, and at most %d are read.", len(raw), token.MaxSize)
	case strings.HasPrefix(raw, "Bearer "), strings.HasPrefix(raw, "bearer "):
		return found(Form, "The token begins with the word Bearer, which belongs to the HTTP header and not to the token.")
	case strings.HasPrefix(strings.TrimSpace(raw), "{"):
		if json.Valid([]byte(raw)) {
			return found(Form, "The text is a JSON object and not a token. The token is probably one of its members.")
		}
	case strings.ContainsFunc(raw, unicode.IsSpace):
		return found(Form, "The token has a space or a line break.")
	case unquoted(raw) != raw:
		return found(Form, "The token has quotation marks around it.")
	case parts == 5:
		return found(Form, "The token has five parts: it is encrypted (JWE), and only its recipient can read it.")
	case parts != 3:
		return found(Form, "A signed token has three parts with dots between them, and this text has %s. It may have been cut off, or it is not a JWT.", plural(parts, "part"))
	}
	return found(Form, "The token cannot be read: %s.", strings.TrimPrefix(clip(cause.Error()), token.ErrMalformed.Error()+": "))
}

// headerFindings says what is wrong with the header of an assertion.
func headerFindings(a *token.Assertion) (all []Finding) {
	if a.Algorithm != rs256 {
		all = append(all, found(Header, "The token is signed with the algorithm %s (alg in its header), and only RS256 is accepted.%s", shown(a.Algorithm), algorithmNote(a.Algorithm)))
	}
	if !usualType(a.Type) {
		all = append(all, found(Header, "The type of the token (typ in its header) is %s. It must be JWT or http://openid.net/specs/jwt/1.0, or be left out.%s", shown(a.Type), typeNote(a.Type)))
	}
	return all
}

// usualType reports whether typ is one that Entra accepts.
func usualType(typ string) bool {
	return typ == "" || typ == "JWT" || typ == "http://openid.net/specs/jwt/1.0"
}

func algorithmNote(alg string) string {
	switch {
	case alg == "none":
		return " A token without a signature proves nothing."
	case strings.HasPrefix(alg, "HS"):
		return " Its key is a secret that the issuer would share with this server."
	case strings.HasPrefix(alg, "ES"), strings.HasPrefix(alg, "PS"), strings.HasPrefix(alg, "Ed"):
		return " Configure the issuer to sign with an RSA key and RS256, as Azure requires it."
	}
	return ""
}

func typeNote(typ string) string {
	if strings.HasSuffix(typ, "at+jwt") {
		return fmt.Sprintf(" A token of the type %s is an access token for an API. Use an ID token or a token that the issuer makes for workload identity.", shown(typ))
	}
	return ""
}
