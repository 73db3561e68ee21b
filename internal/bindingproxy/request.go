package bindingproxy

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"midas/internal/arm"
)

// jwtBearer is the type of a client assertion that is a JWT (RFC 7523).
const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxBody is the size of the largest token request, in bytes: a token, claims and a scope, all of them escaped.
const maxBody = 64 << 10

// Lengths of parameters, in bytes.
const (
	maxScope  = 2 << 10
	maxClaims = 8 << 10
)

// tokenRequest is what the proxy reads of a token request. All other parameters are ignored.
type tokenRequest struct {
	clientID string // in lower case
	scope    string
	claims   string // optional: what the token must have, such as xms_cc
	token    secret // the service-account token of the pod
}

// readRequest reads a token request and refuses one that is not of the only supported form: the grant
// client_credentials with an assertion that is a JWT for Audience. It does not verify the token.
func readRequest(r *http.Request) (tokenRequest, error) {
	form, err := readForm(r)
	if err != nil {
		return tokenRequest{}, err
	}
	for _, name := range []string{"grant_type", "client_id", "scope", "claims", "client_assertion_type", "client_assertion"} {
		switch values := form[name]; {
		case len(values) > 1:
			return tokenRequest{}, errTwice(name)
		case len(values) == 0 || values[0] == "":
			if name != "claims" {
				return tokenRequest{}, errMissing(name)
			}
		}
	}
	q := tokenRequest{clientID: arm.Fold(form.Get("client_id")), scope: form.Get("scope"), claims: form.Get("claims"), token: secret(form.Get("client_assertion"))}
	switch {
	case form.Get("grant_type") != "client_credentials":
		return q, errGrantType(form.Get("grant_type"))
	case form.Get("client_assertion_type") != jwtBearer:
		return q, errAssertionType(form.Get("client_assertion_type"))
	case !arm.IsGUID(q.clientID):
		return q, errClientID(form.Get("client_id"))
	case len(q.scope) > maxScope || strings.ContainsFunc(q.scope, control):
		return q, errScope(q.scope)
	case len(q.claims) > maxClaims || q.claims != "" && !json.Valid([]byte(q.claims)):
		return q, errMalformed(http.StatusBadRequest)
	}
	return q, checkToken(q.token)
}

// readForm reads the body. Parameters of the query are ignored.
func readForm(r *http.Request) (url.Values, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errMalformed(http.StatusBadRequest)
	}
	body, err := io.ReadAll(r.Body)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, errMalformed(http.StatusRequestEntityTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errMalformed(http.StatusRequestTimeout).because(err)
	case err != nil:
		return nil, errMalformed(http.StatusBadRequest).because(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errMalformed(http.StatusBadRequest)
	}
	return form, nil
}

func control(c rune) bool { return c < ' ' || c == 0x7f }

// checkToken refuses a token that cannot be of a service account for Audience, so that the API server is not asked
// about it. Nothing else is concluded from the claims, because they are not verified.
func checkToken(token secret) error {
	parts := strings.Split(string(token), ".")
	if len(parts) != 3 || len(token) > maxToken {
		return errNotToken()
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return errNotToken()
	}
	var claims struct {
		Audience audience `json:"aud"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return errNotToken()
	}
	if !slices.Contains(claims.Audience, Audience) {
		return errAudience(claims.Audience)
	}
	return nil
}

// audience is the claim aud: a text or an array of texts.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}
