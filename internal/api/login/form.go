package login

import (
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

// maxForm is the longest form that is read, in bytes. A client assertion is a few thousand.
const maxForm = 64 << 10

// form is the body of a token request: what is read of it, each at most once. Other fields, which
// clients send to tell about themselves, are ignored.
type form struct {
	grantType     string
	clientID      string
	clientSecret  directory.SecretText
	assertionType string
	assertion     directory.SecretText
	scope         string // v2
	resource      string // v1
	clientInfo    string // "1": the client wants to know whose token it is

	// Of the grants in which a user takes part.
	username      string
	password      directory.PasswordText
	code          string
	redirectURI   string
	codeVerifier  string
	refreshToken  string
	deviceCode    string
	userAssertion string // on behalf of whom
	tokenUse      string

	basic bool // id and secret came by the Authorization header
}

// readForm reads the form of a token request, its Authorization header included.
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

// oneCredential refuses a client that shows itself in more than one way (RFC 6749, 2.3; RFC 7521, 4.2), or
// in half of one: an attacker could exploit that it is open which of them counts.
func (f *form) oneCredential() error {
	switch {
	case f.assertion != "" && (f.clientSecret != "" || f.basic):
		return errMalformedBy(errors.New("the client shows itself in two ways"))
	case f.assertionType != "" && f.assertion == "":
		return errMissingParameter("client_assertion")
	}
	return nil
}

// readBody gives the body of a form. Of another kind of body Entra too says that it lacks every
// parameter.
func readBody(r *http.Request) (string, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Body == nil {
		return "", nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil {
		return "", errMalformedBy(fmt.Errorf("read form: %w", err))
	}
	if len(body) > maxForm {
		return "", errMalformed(http.StatusRequestEntityTooLarge)
	}
	if kind != "application/x-www-form-urlencoded" {
		return "", nil
	}
	return string(body), nil
}

// parseForm reads an encoded form. No parameter that counts may be there twice (RFC 6749, 3.2), for
// else a proxy in front and this server could take different ones.
func parseForm(body string) (form, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return form{}, errors.New("the form is not encoded as one") // err would repeat a piece of it
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
		{"username", &f.username},
		{"password", &password},
		{"code", &f.code},
		{"redirect_uri", &f.redirectURI},
		{"code_verifier", &f.codeVerifier},
		{"refresh_token", &f.refreshToken},
		{"device_code", &f.deviceCode},
		{"assertion", &f.userAssertion},
		{"requested_token_use", &f.tokenUse},
	} {
		if *field.to, err = once(values, field.name); err != nil {
			return form{}, err
		}
	}
	f.clientSecret, f.assertion = directory.SecretText(secret), directory.SecretText(assertion)
	f.password = directory.PasswordText(password)
	return f, nil
}

// once gives a parameter that may be there once, or not at all.
func once(values url.Values, name string) (string, error) {
	switch got := values[name]; len(got) {
	case 0:
		return "", nil
	case 1:
		return got[0], nil
	default:
		return "", fmt.Errorf("parameter %s is there %d times", name, len(got))
	}
}

// authorization takes id and secret from HTTP Basic, each form-encoded before it was joined (RFC
// 6749, 2.3.1). A client shows itself in one way only; in its body it may repeat its id.
func (f *form) authorization(r *http.Request) error {
	headers := r.Header["Authorization"]
	if len(headers) == 0 || len(headers) == 1 && !strings.HasPrefix(arm.Fold(headers[0]), "basic") {
		return nil // credentials of another kind are not for this endpoint
	}
	id, secret, ok := r.BasicAuth()
	if !ok || len(headers) > 1 {
		return errors.New("the Authorization header is not one of Basic")
	}
	id, secret = decoded(id), decoded(secret)
	if f.clientSecret != "" {
		return errors.New("the client shows itself in two ways")
	}
	if f.clientID != "" && f.clientID != id {
		return errors.New("the form names another client than the Authorization header")
	}
	f.clientID, f.clientSecret, f.basic = id, directory.SecretText(secret), true
	return nil
}

// decoded undoes the form encoding. Who sends a bare % has not encoded anything, and means what it
// sends.
func decoded(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}
