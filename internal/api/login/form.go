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

	basic bool // id and secret came by the Authorization header
}

// readForm reads the form of a token request, its Authorization header included.
func readForm(r *http.Request) (form, error) {
	body, err := readBody(r)
	if err != nil {
		return form{}, err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		body = "" // of another kind of body Entra too says that it lacks every parameter
	}
	f, err := parseForm(body)
	if err != nil {
		return form{}, errMalformedBy(err)
	}
	if err := f.authorization(r); err != nil {
		return form{}, errMalformedBy(err)
	}
	return f, nil
}

func readBody(r *http.Request) (string, error) {
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
	var secret, assertion string
	for name, to := range map[string]*string{
		"grant_type":            &f.grantType,
		"client_id":             &f.clientID,
		"client_secret":         &secret,
		"client_assertion_type": &f.assertionType,
		"client_assertion":      &assertion,
		"scope":                 &f.scope,
		"resource":              &f.resource,
	} {
		switch got := values[name]; len(got) {
		case 0:
		case 1:
			*to = got[0]
		default:
			return form{}, fmt.Errorf("parameter %s is there %d times", name, len(got))
		}
	}
	f.clientSecret, f.assertion = directory.SecretText(secret), directory.SecretText(assertion)
	return f, nil
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
	if f.clientSecret != "" || f.assertion != "" {
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
