package login

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"midas/internal/arm"
	"midas/internal/token"
)

// The types of access tokens: of a bearer, and bound to a key of the client.
const (
	bearerType = "Bearer"
	popType    = "pop"
)

// maxConfirmation is the longest req_cnf that is read, in bytes. Its key id is a thumbprint of 43 characters.
const maxConfirmation = 1 << 10

// confirmation returns the key to which a client asks to bind its access token: token_type=pop and req_cnf,
// which is base64url of {"kid": …}. It is nil for a bearer token. Some clients send req_cnf alone and expect a
// bound token. A request for any other type of token, or for a key that cannot be read, is refused: a client
// that asks for a bound token must not get one that anybody can use.
func (f *form) confirmation() (*token.Confirmation, error) {
	switch kind := arm.Fold(f.tokenType); {
	case kind != "" && kind != popType && kind != arm.Fold(bearerType):
		return nil, errUnsupportedValue("token_type", f.tokenType)
	case f.reqCnf == "" && kind == popType:
		return nil, errMissingParameter("req_cnf")
	case f.reqCnf == "":
		return nil, nil
	case kind == arm.Fold(bearerType):
		return nil, errConfirmation(errors.New("token_type asks for a bearer token"))
	}
	cnf, err := parseConfirmation(f.reqCnf)
	if err != nil {
		return nil, errConfirmation(err)
	}
	return cnf, nil
}

// parseConfirmation reads req_cnf. MSAL for JavaScript pads it. A member other than kid and xms_ksl, such as
// jwk or jku, is refused, because the token would not be bound to what it names.
func parseConfirmation(text string) (*token.Confirmation, error) {
	if len(text) > maxConfirmation {
		return nil, errors.New("it is too long")
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, errors.New("it is not base64url")
	}
	members, err := uniqueStrings(data)
	if err != nil {
		return nil, errors.New("it is not a JSON object with the members kid and xms_ksl only")
	}
	cnf := &token.Confirmation{KeyID: members["kid"], KeyStore: members["xms_ksl"]}
	delete(members, "kid")
	delete(members, "xms_ksl")
	if len(members) > 0 {
		return nil, errors.New("it has other members than kid and xms_ksl")
	}
	if !keyName(cnf.KeyID) || cnf.KeyStore != "" && !keyName(cnf.KeyStore) {
		return nil, errors.New("kid is missing, too long, or has other characters than a thumbprint")
	}
	return cnf, nil
}

// uniqueStrings reads a JSON object whose members are strings. It refuses a member that occurs twice, because
// readers differ in which one counts, and compares names exactly, which json.Unmarshal does not.
func uniqueStrings(data []byte) (map[string]string, error) {
	if !json.Valid(data) { // Decoder.Token accepts some texts that are no JSON
		return nil, errors.New("not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	all := map[string]string{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		value, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		text, ok := value.(string)
		if _, twice := all[key]; twice || !ok {
			return nil, errors.New("a member is repeated or no string")
		}
		all[key] = text
	}
	return all, nil
}

// keyName reports whether s can be the name of a key: a thumbprint in base64, base64url or hexadecimal.
func keyName(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-_+/=.:", c) >= 0) {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

func errConfirmation(cause error) *Error {
	return invalidRequest(90023, "The value of the parameter 'req_cnf' is not valid: %s.", cause).because(cause)
}
