package bindingproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"midas/internal/api/httpx"
)

// userAgent is the User-Agent of the proxy's own requests.
const userAgent = "midas-kubernetes-proxy"

// exchanger gets tokens from Midas.
type exchanger struct {
	server    *upstream
	assertion string // file
}

// exchange requests a token of an identity with the proxy's own service-account token. Only the client id, the scope
// and the claims of the pod's request are sent. The answer may be a refusal of Midas; an error means that there is no
// usable answer.
func (x *exchanger) exchange(ctx context.Context, tenant string, q tokenRequest, correlation string) (answer, error) {
	assertion, err := readToken(x.assertion)
	if err != nil {
		return answer{}, err
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {q.clientID}, "scope": {q.scope},
		"client_assertion_type": {jwtBearer}, "client_assertion": {string(assertion)},
	}
	if q.claims != "" {
		form.Set("claims", q.claims)
	}
	target := x.server.origin.JoinPath(tenant, "oauth2/v2.0/token")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("Client-Request-Id", correlation)
	got, err := x.server.do(request)
	switch {
	case err != nil:
		return answer{}, err
	case bytes.Contains(got.body, []byte(assertion.signature())):
		// A server between the proxy and Midas may quote a request in its answer. Whoever has the assertion gets tokens
		// of all identities.
		return answer{}, errors.New("the answer has the proxy's own service-account token")
	}
	return got, got.check()
}

// tokenAnswer is what the proxy reads of an answer of the token endpoint.
type tokenAnswer struct {
	Token secret `json:"access_token"`
	Error string `json:"error"`
	Codes []int  `json:"error_codes"`
}

// check returns an error if an answer is neither a token nor an OAuth error.
func (a answer) check() error {
	body := a.read()
	if a.status == http.StatusOK && body.Token != "" || a.status >= 400 && body.Error != "" {
		return nil
	}
	return fmt.Errorf("midas answered %d with neither a token nor an OAuth error", a.status)
}

// read decodes the answer. The zero value means that it is not JSON.
func (a answer) read() (body tokenAnswer) {
	if json.Unmarshal(a.body, &body) != nil {
		return tokenAnswer{}
	}
	return body
}

// forward sends an answer of Midas to the pod. Of its headers only Retry-After is sent.
func (a answer) forward(w http.ResponseWriter, ev *httpx.Event) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("Pragma", "no-cache")
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && seconds >= 0 {
		head.Set("Retry-After", strconv.Itoa(seconds))
	}
	if a.status != http.StatusOK {
		body := a.read()
		ev.ErrorCode = quote(body.Error)
		if len(body.Codes) > 0 {
			ev.ErrorCode = "AADSTS" + strconv.Itoa(body.Codes[0])
		}
	}
	httpx.WriteBody(w, a.status, a.body)
}
