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
// Its redirect URI is registered, so the client may be told of everything else that is wrong.
type authorization struct {
	ClientID    string `json:"client"`
	App         string `json:"app"`                 // the client's name
	AppTenant   string `json:"appTenant,omitempty"` // where the client is registered; empty: everywhere
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
	Again       bool   `json:"again,omitempty"` // the user is asked for consent whatever was granted before
	Admin       bool   `json:"admin,omitempty"` // it is a request for an administrator's consent, and for no code

	Prompts []string      `json:"prompts,omitempty"`
	MaxAge  time.Duration `json:"maxAge,omitempty"` // 0: any; a second or more otherwise
}

// app names the client on pages.
func (a *authorization) app() string { return isolated(a.App, "application "+a.ClientID) }

func (h *signIn) authorizeV2(x *request) error { return h.authorize(x, false) }

func (h *signIn) authorizeV1(x *request) error { return h.authorize(x, true) }

// authorize asks the user at the browser to sign in, and then sends them back to the client with a
// code.
func (h *signIn) authorize(x *request, v1 bool) error {
	values, err := parameters(x.r)
	if err != nil {
		return err
	}
	// 1. To whom the answer goes. What is wrong up to here is told to the user only: the address to
	// which the client wants its answer may be anybody's.
	a, err := h.client(x, values)
	if err != nil {
		return err
	}
	// 2. What the client asks for.
	if err := a.read(values, v1); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return h.replyError(x, a, e)
		}
		return err
	}
	// 3. Who sits there.
	return h.start(x, pending{Authorization: a})
}

// asks reports whether the client wants the user to be asked in some way.
func (a *authorization) asks(prompt string) bool { return slices.Contains(a.Prompts, prompt) }

// parameters are those of the query, or of the body if the request is posted.
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
		return nil, errMalformedBy(errors.New("the parameters are not encoded as such"))
	}
	for name := range values {
		if _, err := once(values, name); err != nil {
			return nil, errMalformedBy(errors.New("a parameter is there twice"))
		}
	}
	return values, nil
}

// client finds the client of an authorization request and where its answers go.
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
		Mode: "query", State: values.Get("state"), Hint: values.Get("login_hint"),
	}
	if !app.FirstParty {
		a.AppTenant = app.TenantID
	}
	return a, nil
}

// read reads what the client asks for.
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
	case v1 && resource == "": // the token request may still name it
		return nil
	case v1:
		if !plausible(resource) {
			return errResource(resource, a.AppTenant)
		}
		a.Scope = keep(scopesOf(resource))
		return nil
	case scope == "":
		return errMissingParameter("scope")
	}
	s, err := parseScopes(scope)
	a.Scope = keep(s)
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
		// Who sees the request, as programs of the same machine may, would know a plain verifier.
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

// suits reports whether a user who has signed in before is one whom the client may mean, and has
// signed in as lately as it wants.
func (h *signIn) suits(x *request, a *authorization, u *user) bool {
	if a.asks("login") || a.MaxAge != 0 && h.Now().Sub(u.authenticated) > a.MaxAge {
		return false
	}
	if a.Hint != "" && arm.Fold(a.Hint) != arm.Fold(u.UserPrincipalName) {
		return false
	}
	return h.member(x, a, u) == nil
}

// member refuses a user of another tenant than the path or the client is for.
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

// issue sends the client a code for a user who has consented.
func (h *signIn) issue(x *request, a *authorization, u *user) error {
	granted := u.grant(a.ClientID, a.Scope)
	granted.Page = a.Page
	code, err := h.Grants.SealCode(grant.Code{
		Grant: granted, RedirectURI: a.RedirectURI, Challenge: a.Challenge, Method: a.Method,
		Nonce: a.Nonce, Public: a.Public,
	})
	if err != nil {
		return err
	}
	return h.reply(x, a, field{"code", code})
}
