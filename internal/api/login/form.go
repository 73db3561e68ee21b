package login

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
)

// maxForm is the longest form that is read, in bytes. A client assertion has a few thousand bytes.
const maxForm = 64 << 10

// usualForm is for how many bytes there is space before the body arrives, whatever length the client announces.
const usualForm = 4 << 10

// form has the parameters of a token request. Each may occur at most once. Other parameters, such as
// clients' telemetry, are ignored.
type form struct {
	grantType     string
	clientID      string
	clientSecret  directory.SecretText
	assertionType string
	assertion     directory.SecretText
	scope         string // v2
	resource      string // v1
	clientInfo    string // "1": the client asks for client_info
	claims        string // JSON: what the client wants to have in its tokens, and its capabilities
	tokenType     string // of the access token: Bearer, also if empty, or pop
	reqCnf        string // the key to which a token of the type pop is bound

	// Parameters of grants for users.
	username      string
	password      directory.PasswordText
	code          string
	redirectURI   string
	codeVerifier  string
	refreshToken  string
	deviceCode    string
	userAssertion string // the caller's access token, of the on-behalf-of grant
	tokenUse      string

	token string // of the introspection endpoint

	basic bool // id and secret are from the Authorization header
}

// readForm reads the form of a token request, including its Authorization header.
func readForm(r *http.Request) (form, error) {
	body, err := readBody(r)
	if err != nil {
		return form{}, err
	}
	f, err := parseForm(body)
	if err != nil {
		return form{}, errMalformedBy(err)
	}
	if err := f.authorization(r); err != nil {
		return form{}, errMalformedBy(err)
	}
	return f, f.oneCredential()
}

// oneCredential refuses a request with two credentials of the client, or an incomplete one (RFC 6749, 2.3;
// RFC 7521, 4.2): an attacker could exploit that it is undefined which of them counts.
func (f *form) oneCredential() error {
	switch {
	case f.assertion != "" && (f.clientSecret != "" || f.basic):
		return errMalformedBy(errors.New("the request has two credentials of the client"))
	case f.assertionType != "" && f.assertion == "":
		return errMissingParameter("client_assertion")
	}
	return nil
}

// readBody reads the body of a form. A body of another media type counts as empty, as at Entra, which
// reports a missing parameter.
func readBody(r *http.Request) (string, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Body == nil {
		return "", nil
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), usualForm)) + bytes.MinRead)
	if _, err := body.ReadFrom(io.LimitReader(r.Body, maxForm+1)); err != nil {
		return "", errMalformedBy(fmt.Errorf("read form: %w", err))
	}
	if body.Len() > maxForm {
		return "", errMalformed(http.StatusRequestEntityTooLarge)
	}
	if kind != "application/x-www-form-urlencoded" {
		return "", nil
	}
	return body.String(), nil
}

// parseForm decodes a form. No parameter that is used may be repeated (RFC 6749, 3.2), because a proxy and
// this server could use different values.
func parseForm(body string) (form, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return form{}, errors.New("the body is not form-encoded") // err would quote a part of the body
	}
	var f form
	var secret, assertion, password string
	for _, field := range [...]struct {
		name string
		to   *string
	}{
		{"grant_type", &f.grantType},
		{"client_id", &f.clientID},
		{"client_secret", &secret},
		{"client_assertion_type", &f.assertionType},
		{"client_assertion", &assertion},
		{"scope", &f.scope},
		{"resource", &f.resource},
		{"client_info", &f.clientInfo},
		{"claims", &f.claims},
		{"token_type", &f.tokenType},
		{"req_cnf", &f.reqCnf},
		{"username", &f.username},
		{"password", &password},
		{"code", &f.code},
		{"redirect_uri", &f.redirectURI},
		{"code_verifier", &f.codeVerifier},
		{"refresh_token", &f.refreshToken},
		{"device_code", &f.deviceCode},
		{"assertion", &f.userAssertion},
		{"requested_token_use", &f.tokenUse},
		{"token", &f.token},
	} {
		if *field.to, err = once(values, field.name); err != nil {
			return form{}, err
		}
	}
	f.clientSecret, f.assertion = directory.SecretText(secret), directory.SecretText(assertion)
	f.password = directory.PasswordText(password)
	return f, nil
}

// once returns the value of a parameter, or "" if it is missing. A repeated parameter is an error.
func once(values url.Values, name string) (string, error) {
	switch got := values[name]; len(got) {
	case 0:
		return "", nil
	case 1:
		return got[0], nil
	default:
		return "", fmt.Errorf("parameter %s occurs %d times", name, len(got))
	}
}

// authorization reads id and secret from HTTP Basic, in which each is form-encoded (RFC 6749, 2.3.1). The
// body may repeat the id but must not have a secret too.
func (f *form) authorization(r *http.Request) error {
	headers := r.Header["Authorization"]
	if len(headers) == 0 || len(headers) == 1 && !strings.HasPrefix(arm.Fold(headers[0]), "basic") {
		return nil // other schemes are not for this endpoint
	}
	id, secret, ok := r.BasicAuth()
	if !ok || len(headers) > 1 {
		return errors.New("the Authorization header is malformed or repeated")
	}
	id, secret = decoded(id), decoded(secret)
	if f.clientSecret != "" {
		return errors.New("the request has two credentials of the client")
	}
	if f.clientID != "" && f.clientID != id {
		return errors.New("the form names another client than the Authorization header")
	}
	f.clientID, f.clientSecret, f.basic = id, directory.SecretText(secret), true
	return nil
}

// decoded reverses form encoding. A value with an invalid escape was not encoded, and is returned as it
// is.
func decoded(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
