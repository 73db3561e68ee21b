package login

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/grant"
)

// authorization is a request for an authorization code (RFC 6749, 4.1.1; OpenID Connect Core, 3.1.2).
// Its redirect URI is registered, so other errors are sent to the client.
type authorization struct {
	ClientID    string `json:"client"`
	App         string `json:"app"`                 // the client's name
	AppTenant   string `json:"appTenant,omitempty"` // where the client is registered; empty: in every tenant
	RedirectURI string `json:"redirectUri"`
	Page        bool   `json:"page,omitempty"`
	Public      bool   `json:"public,omitempty"`
	Mode        string `json:"mode"`
	State       string `json:"state,omitempty"`
	Scope       string `json:"scope,omitempty"`
	Nonce       string `json:"nonce,omitempty"`
	Challenge   string `json:"challenge,omitempty"`
	Method      string `json:"method,omitempty"`
	Hint        string `json:"hint,omitempty"`
	SessionID   string `json:"sid,omitempty"`   // the sid claim of the session that the client wants
	Again       bool   `json:"again,omitempty"` // the user is asked for consent even if it was granted before
	Admin       bool   `json:"admin,omitempty"` // the request is for an administrator's consent, not for a code

	Prompts []string      `json:"prompts,omitempty"`
	MaxAge  time.Duration `json:"maxAge,omitempty"` // 0: any; a second or more otherwise
}

// app returns the client's name for pages.
func (a *authorization) app() string { return isolated(a.App, "application "+a.ClientID) }

func (h *signIn) authorizeV2(x *request) error { return h.authorize(x, false) }

func (h *signIn) authorizeV1(x *request) error { return h.authorize(x, true) }

// authorize asks the user to sign in and sends the browser back to the client with a code.
func (h *signIn) authorize(x *request, v1 bool) error {
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	// 1. The client and its redirect URI. Errors up to here are shown to the user only: the redirect URI
	// is not verified yet and may be an attacker's.
	a, err := h.client(x, values)
	if err != nil {
		return err
	}
	// 2. The other parameters.
	if err := a.read(values, v1); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return h.replyError(x, a, e)
		}
		return err
	}
	// 3. The user.
	return h.start(x, pending{Authorization: a})
}

// asks reports whether the request has a prompt value.
func (a *authorization) asks(prompt string) bool { return slices.Contains(a.Prompts, prompt) }

// parameters returns the parameters of the query, or of the body for POST. A parameter that is repeated is
// an error.
func parameters(r *http.Request) (url.Values, error) {
	text := r.URL.RawQuery
	if r.Method == http.MethodPost {
		var err error
		if text, err = readBody(r); err != nil {
			return nil, err
		}
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, errMalformedBy(errors.New("the parameters are not form-encoded"))
	}
	for name := range values {
		if _, err := once(values, name); err != nil {
			return nil, errMalformedBy(errors.New("a parameter is repeated"))
		}
	}
	return values, nil
}

// client finds the client of an authorization request and checks the redirect URI.
func (h *signIn) client(x *request, values url.Values) (*authorization, error) {
	id := values.Get("client_id")
	app, err := h.application(x, id)
	if err != nil {
		return nil, err
	}
	asked := values.Get("redirect_uri")
	to, found := findRedirect(app.Redirects, asked)
	switch {
	case !found && asked == "":
		return nil, errNoRedirect()
	case !found:
		return nil, errRedirect(asked, app.AppID)
	}
	a := &authorization{
		ClientID: app.AppID, App: app.DisplayName, RedirectURI: to.uri, Page: to.page, Public: to.public,
		Mode: "query", State: values.Get("state"), Hint: values.Get("login_hint"), SessionID: values.Get("sid"),
	}
	if !app.FirstParty {
		a.AppTenant = app.TenantID
	}
	return a, nil
}

// read reads the parameters that do not concern the client and its redirect URI.
func (a *authorization) read(values url.Values, v1 bool) error {
	if err := a.readMode(values.Get("response_mode")); err != nil {
		return err
	}
	for _, name := range []string{"request", "request_uri", "registration"} {
		if values.Get(name) != "" {
			return errRequestObject(name)
		}
	}
	switch kind := values.Get("response_type"); kind {
	case "code":
	case "":
		return errMissingParameter("response_type")
	default:
		return errResponseType(kind)
	}
	if err := a.readScope(values, v1); err != nil {
		return err
	}
	if err := a.readChallenge(values.Get("code_challenge"), values.Get("code_challenge_method")); err != nil {
		return err
	}
	if err := a.readPrompt(values.Get("prompt"), values.Get("max_age")); err != nil {
		return err
	}
	if a.Nonce = values.Get("nonce"); len(a.Nonce) > 1024 {
		return errUnsupportedValue("nonce", a.Nonce)
	}
	return nil
}

func (a *authorization) readMode(mode string) error {
	web := strings.HasPrefix(a.RedirectURI, "http:") || strings.HasPrefix(a.RedirectURI, "https:")
	switch {
	case mode == "":
		return nil
	case mode == "query", mode == "fragment", mode == "form_post" && web:
		a.Mode = mode
		return nil
	}
	return errResponseMode(mode)
}

func (a *authorization) readScope(values url.Values, v1 bool) error {
	scope, resource := values.Get("scope"), values.Get("resource")
	switch {
	case v1 && resource == "": // the token request may name the resource instead
		return nil
	case v1:
		if !plausibleResource(resource) {
			return errResource(resource, a.AppTenant)
		}
		a.Scope = storedScope(scopesOf(resource))
		return nil
	case scope == "":
		return errMissingParameter("scope")
	}
	s, err := parseScopes(scope)
	a.Scope = storedScope(s)
	return err
}

func (a *authorization) readChallenge(challenge, method string) error {
	if method == "" && challenge != "" {
		method = "plain"
	}
	switch {
	case challenge == "" && method != "":
		return errChallenge("Code_Challenge")
	case challenge == "" && a.Page:
		return errPageChallenge()
	case challenge == "" && a.Public:
		return errPublicChallenge()
	case challenge == "":
		return nil
	case method != "S256" && (method != "plain" || a.Page || a.Public):
		// With the method plain, a program that sees the request, as others on the machine may, has the
		// verifier.
		return errUnsupportedValue("code_challenge_method", method)
	case !challengeToken(challenge) || method == "S256" && len(challenge) != 43:
		return errChallenge("Code_Challenge")
	}
	a.Challenge, a.Method = challenge, method
	return nil
}

func (a *authorization) readPrompt(prompt, maxAge string) error {
	a.Prompts = strings.Fields(prompt)
	for _, one := range a.Prompts {
		switch one {
		case "none", "login", "select_account", "consent":
		default:
			return errUnsupportedValue("prompt", prompt)
		}
		if one == "none" && len(a.Prompts) > 1 {
			return errUnsupportedValue("prompt", prompt)
		}
		a.Again = a.Again || one == "consent"
	}
	if maxAge == "" {
		return nil
	}
	seconds, err := strconv.Atoi(maxAge)
	if err != nil || seconds < 0 || seconds > 1<<30 {
		return errUnsupportedValue("max_age", maxAge)
	}
	if seconds == 0 {
		a.Prompts = append(a.Prompts, "login")
	}
	a.MaxAge = time.Duration(seconds) * time.Second
	return nil
}

// satisfies reports whether a signed-in user matches the request: its prompt, max_age, login_hint and
// tenant.
func (h *signIn) satisfies(x *request, a *authorization, u *user) bool {
	if a.asks("login") || a.MaxAge != 0 && h.Now().Sub(u.authenticated) > a.MaxAge {
		return false
	}
	if a.SessionID != "" && !arm.SameName(a.SessionID, u.sid) {
		return false
	}
	if a.Hint != "" && !a.asks("select_account") && !u.hinted(a.Hint) {
		return false
	}
	return h.member(x, a, u) == nil
}

// member refuses a user whose tenant is not the one of the path or of the client.
func (h *signIn) member(x *request, a *authorization, u *user) error {
	tenant, err := h.admit(x, u.TenantID)
	if err != nil {
		return err
	}
	if a.AppTenant != "" && !arm.SameName(a.AppTenant, u.TenantID) {
		return errUnknownApplication(a.ClientID, tenant.DisplayName)
	}
	return nil
}

// issueCode sends the client an authorization code for a user who has consented.
func (h *signIn) issueCode(x *request, a *authorization, u *user) error {
	granted := u.grant(a.ClientID, a.Scope)
	granted.Page = a.Page
	if u.session != "" {
		if err := h.Grants.UseClient(x.r.Context(), u.session, a.ClientID); err != nil {
			return err
		}
	}
	code, err := h.Grants.SealCode(grant.Code{
		Grant: granted, RedirectURI: a.RedirectURI, Challenge: a.Challenge, Method: a.Method,
		Nonce: a.Nonce, Public: a.Public,
	})
	if err != nil {
		return err
	}
	return h.reply(x, a, field{"code", code})
}
