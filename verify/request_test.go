package verify_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"midas/verify"
)

// answerOf is what a client of the middleware sees.
type answerOf struct {
	status    int
	challenge string
	code      string
}

func ask(t *testing.T, h http.Handler, authorization ...string) answerOf {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Authorization"] = authorization
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var body struct{ Error string }
	if w.Code != http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Errorf("the body is no JSON: %v", err)
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Error("a refusal can be cached")
		}
	}
	return answerOf{w.Code, w.Header().Get("WWW-Authenticate"), body.Error}
}

// greet is a service: it answers with the caller's object id.
var greet = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if c, ok := verify.FromContext(r.Context()); !ok || c.ObjectID == "" {
		http.Error(w, "no claims", http.StatusInternalServerError)
	}
})

func TestMiddlewareAnswersAsRFC6750Says(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	realm := `Bearer realm="` + i.URL + `"`
	application := i.Token(t, audience, map[string]any{"roles": []string{"Orders.Read"}})
	user := i.Token(t, audience, map[string]any{"idtyp": "user", "scp": "Orders.Read"})
	invalid := realm + `, error="invalid_token", error_description="`
	for name, tt := range map[string]struct {
		handler       http.Handler
		authorization []string
		want          answerOf
	}{
		"a good token":         {v.Middleware(greet), []string{"Bearer " + application}, answerOf{200, "", ""}},
		"a scheme has no case": {v.Middleware(greet), []string{"bearer  " + application}, answerOf{200, "", ""}},
		"no token":             {v.Middleware(greet), nil, answerOf{401, realm, ""}},
		"another scheme":       {v.Middleware(greet), []string{"Basic dTpw"}, answerOf{401, realm, ""}},
		"a bound token":        {v.Middleware(greet), []string{"PoP " + application}, answerOf{401, realm, ""}},
		"two headers": {v.Middleware(greet), []string{"Bearer " + application, "Bearer " + application},
			answerOf{400, realm + `, error="invalid_request", error_description="the request does not present one bearer token in one Authorization header"`, "invalid_request"}},
		"no value":        {v.Middleware(greet), []string{"Bearer "}, answerOf{400, realm + `, error="invalid_request", error_description="the request does not present one bearer token in one Authorization header"`, "invalid_request"}},
		"two values":      {v.Middleware(greet), []string{"Bearer " + application + ", Bearer x"}, answerOf{401, invalid + `the token is malformed"`, "invalid_token"}},
		"a broken token":  {v.Middleware(greet), []string{`Bearer x"\y`}, answerOf{401, invalid + `the token is malformed"`, "invalid_token"}},
		"an expired one":  {v.Middleware(greet), []string{"Bearer " + i.Token(t, audience, map[string]any{"exp": 1})}, answerOf{401, invalid + `the token has expired"`, "invalid_token"}},
		"not a user":      {v.With(verify.RequireUser()).Middleware(greet), []string{"Bearer " + application}, answerOf{403, realm + `, error="insufficient_scope", error_description="the token does not give the required rights: a token of a user"`, "insufficient_scope"}},
		"without a scope": {v.With(verify.RequireAllScopes("Orders.Read", "Orders.Write")).Middleware(greet), []string{"Bearer " + user}, answerOf{403, realm + `, error="insufficient_scope", error_description="the token does not give the required rights: the scopes 'Orders.Read', 'Orders.Write'", scope="Orders.Read Orders.Write"`, "insufficient_scope"}},
	} {
		if got := ask(t, tt.handler, tt.authorization...); got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, tt.want)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, v.Middleware(greet), "Bearer "+application); got != (answerOf{503, "", "temporarily_unavailable"}) {
		t.Errorf("a verifier that is closed: %+v", got)
	}
}

func TestRequirements(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	tokens := map[string]string{
		"application": i.Token(t, audience, map[string]any{"roles": []string{"R1", "R2"}}),
		"user":        i.Token(t, audience, map[string]any{"idtyp": "user", "scp": "S1 S2", "roles": []string{"R1"}}),
		"entra user":  i.Token(t, audience, map[string]any{"idtyp": nil, "scp": "S1"}),
		"unknown":     i.Token(t, audience, map[string]any{"idtyp": nil}),
	}
	for name, tt := range map[string]struct {
		require verify.Requirement
		met     string // by whose tokens
	}{
		"application":      {verify.RequireApplication(), "application"},
		"user":             {verify.RequireUser(), "entra user user"},
		"any role":         {verify.RequireAnyRole("R1", "R9"), "application user"},
		"all roles":        {verify.RequireAllRoles("R1", "R2"), "application"},
		"any scope":        {verify.RequireAnyScope("S9", "S1"), "entra user user"},
		"all scopes":       {verify.RequireAllScopes("S1", "S2"), "user"},
		"a scope as role":  {verify.RequireAnyRole("S1"), ""},
		"a role as scope":  {verify.RequireAnyScope("R1"), ""},
		"another case":     {verify.RequireAnyRole("r1"), ""},
		"part of a name":   {verify.RequireAnyScope("S"), ""},
		"scope or role":    {verify.AnyOf(verify.RequireAnyScope("S2"), verify.RequireAllRoles("R2")), "application user"},
		"no role":          {verify.RequireAllRoles(), ""},
		"no scope":         {verify.RequireAllScopes(), ""},
		"an empty name":    {verify.RequireAnyScope(""), ""},
		"any of none":      {verify.AnyOf(), ""},
		"any of a no role": {verify.AnyOf(verify.RequireAllRoles(), verify.RequireApplication()), ""},
		"no requirement":   {verify.Requirement{}, ""},
	} {
		var met []string
		for _, who := range []string{"application", "entra user", "unknown", "user"} {
			_, err := v.With(tt.require).Verify(t.Context(), tokens[who])
			if err == nil {
				met = append(met, who)
				continue
			}
			wantErr(t, err, verify.ErrForbidden)
		}
		if got := strings.Join(met, " "); got != tt.met {
			t.Errorf("%s is met by %q, want %q", name, got, tt.met)
		}
	}
	both := v.With(verify.RequireApplication()).With(verify.RequireAnyRole("R1"))
	_, err := both.Verify(t.Context(), tokens["user"])
	wantErr(t, err, verify.ErrForbidden)
	_, err = both.Verify(t.Context(), tokens["application"])
	wantErr(t, err, nil)
}

func TestStatusOfEachError(t *testing.T) {
	for err, want := range map[error]int{
		nil: 200, verify.ErrRequest: 400, verify.ErrNoToken: 401, verify.ErrRevoked: 401, &verify.ExpiredError{}: 401,
		&verify.RequirementError{}: 403, &verify.UnavailableError{Err: verify.ErrMalformed}: 503, context.Canceled: 503,
	} {
		if got := verify.HTTPStatus(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

func TestAuthorizePutsClaimsIntoTheContext(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t, verify.RequireApplication())
	ctx, err := v.Authorize(t.Context(), "Bearer "+i.Token(t, audience, nil))
	wantErr(t, err, nil)
	if c, ok := verify.FromContext(ctx); !ok || !c.Application {
		t.Errorf("the context has %v, %v", c, ok)
	}
	for header, want := range map[string]error{
		"": verify.ErrNoToken, "Bearer": verify.ErrRequest, "Basic x": verify.ErrNoToken, "Bearer x": verify.ErrMalformed,
		"Bearer " + i.Token(t, audience, map[string]any{"idtyp": "user", "scp": "S"}): verify.ErrForbidden,
	} {
		ctx, err := v.Authorize(t.Context(), header)
		wantErr(t, err, want)
		if _, ok := verify.FromContext(ctx); ok {
			t.Errorf("%q: the context of a refusal has claims", header)
		}
	}
}
