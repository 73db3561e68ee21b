package lab_test

import (
	"net/http"
	"strings"
	"testing"

	"midas"
	"midas/midastest"
)

// Without --lab the path is like every other one that does not exist.
func TestWithoutLabThereIsNoLaboratory(t *testing.T) {
	l := laboratory{midastest.Start(t), t}
	for _, authorize := range []func(*http.Request){nil, basic, bearer(l.Token(t, midastest.Management))} {
		for _, path := range []string{"", "/ids", "/clock", "/reset"} {
			for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
				got, want := l.send(method, "/lab/v1"+path, "{}", authorize), l.send(method, "/lob/v1"+path, "{}", authorize)
				wanted := strings.ReplaceAll(want.text, "lob", "lab")
				if got.status != want.status || got.text != wanted || got.header.Get("Www-Authenticate") != want.header.Get("Www-Authenticate") {
					t.Errorf("%s %s: %d %s, want %d %s", method, path, got.status, got.text, want.status, wanted)
				}
			}
		}
	}
}

// Strangers, other applications and other users learn and change nothing.
func TestOnlyTheAdministratorUsesTheLaboratory(t *testing.T) {
	l := start(t)
	app := l.arm("POST", "/v1.0/applications", `{"displayName":"other"}`, 201)
	appID := app.at(t, "appId").(string)
	l.arm("POST", "/v1.0/servicePrincipals", `{"appId":"`+appID+`"}`, 201)
	secret := l.arm("POST", "/v1.0/applications/"+app.at(t, "id").(string)+"/addPassword", `{"passwordCredential":{"displayName":"x"}}`, 200).at(t, "secretText").(string)
	token := l.send("POST", "/"+l.TenantID+"/oauth2/v2.0/token", "", func(r *http.Request) {
		form := "grant_type=client_credentials&client_id=" + appID + "&client_secret=" + secret + "&scope=https://management.azure.com/.default"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body, r.ContentLength = http.NoBody, 0
		setBody(r, form)
	}).at(t, "access_token").(string)
	for name, test := range map[string]struct {
		authorize func(*http.Request)
		status    int
	}{
		"nobody":                       {nil, 401},
		"a wrong secret":               {func(r *http.Request) { r.SetBasicAuth(l.ClientID, "wrong") }, 401},
		"the secret of another":        {func(r *http.Request) { r.SetBasicAuth(appID, secret) }, 401},
		"another with our secret":      {func(r *http.Request) { r.SetBasicAuth(appID, l.ClientSecret) }, 401},
		"no token":                     {bearer("x"), 401},
		"a token for another resource": {bearer(l.Token(t, "https://graph.microsoft.com")), 401},
		"another application":          {bearer(token), 403},
	} {
		for _, path := range []string{"", "/ids", "/nothing"} {
			if a := l.send("GET", "/lab/v1"+path, "", test.authorize); a.status != test.status {
				t.Errorf("%s, %q: %d %s", name, path, a.status, a.text)
			} else if challenge := a.header.Get("Www-Authenticate"); strings.Contains(challenge, "Basic") {
				t.Errorf("%s: browsers are asked for the secret: %s", name, challenge)
			}
		}
		if a := l.send("PUT", "/lab/v1/ids", `{"users":[{"userPrincipalName":"u@midas.localhost","id":"20000000-0000-4000-8000-000000000001"}]}`, test.authorize); a.status != test.status {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	if a := l.send("GET", "/lab/v1", "", bearer(l.Token(t, midastest.Management))); a.status != 200 {
		t.Errorf("the administrator: %d %s", a.status, a.text)
	}
	if got := l.lab("GET", "", "", 200).at(t, "reservedIds"); got != 0.0 {
		t.Errorf("%v ids are reserved", got)
	}
}

func TestLaboratoryRefusesWhatItCannotRead(t *testing.T) {
	l := start(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"GET", "/nothing", "", 404, "NotFound"},
		{"POST", "/ids", "{}", 405, "MethodNotAllowed"},
		{"PUT", "/ids", "{", 400, "InvalidRequestContent"},
		{"PUT", "/ids", "[]", 400, "InvalidRequestContent"},
		{"PUT", "/ids", "{} {}", 400, "InvalidRequestContent"},
		{"PUT", "/ids", `{"usrs":[]}`, 400, "InvalidRequestContent"},
		{"PUT", "/ids", `{"users":[{"userPrincipalName":"` + strings.Repeat("x", 1<<20) + `"}]}`, 413, "RequestEntityTooLarge"},
	} {
		if got := l.lab(c.method, c.path, c.body, c.status).code(t); got != c.code {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, got, c.code)
		}
	}
	a := l.send("PUT", "/lab/v1/ids", "{}", func(r *http.Request) { basic(r); r.Header.Set("Content-Type", "text/plain") })
	if a.status != 415 {
		t.Errorf("a form of another site: %d %s", a.status, a.text)
	}
}

// A browser may remember credentials that somebody has typed into its address bar.
func TestPagesOfOtherOriginsAreRefused(t *testing.T) {
	l := start(t)
	for name, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		a := l.send("POST", "/lab/v1/reset", "", func(r *http.Request) {
			basic(r)
			r.Header.Set(name, value)
		})
		if a.status != 403 || a.code(t) != "CrossOriginRequest" || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	own := l.send("POST", "/lab/v1/reset", "", func(r *http.Request) {
		basic(r)
		r.Header.Set("Origin", l.Endpoint)
	})
	if own.status != 200 {
		t.Errorf("the server's own origin: %d %s", own.status, own.text)
	}
}

// A proxy on this machine has clients on others, and passes their headers on.
func TestProxiesAreNotOnThisMachine(t *testing.T) {
	local, named := start(t), start(t, midastest.With(func(c *midas.Config) { c.Names = append(c.Names, "midas.example") }))
	for name, value := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Real-Ip": "::1", "Via": "1.1 proxy",
	} {
		authorize := func(r *http.Request) {
			basic(r)
			r.Header.Set(name, value)
		}
		if a := local.send("GET", "/lab/v1", "", authorize); a.status != 403 || a.code(t) != "ClientNotLocal" {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
		if a := named.send("GET", "/lab/v1", "", authorize); a.status != 200 {
			t.Errorf("%s, with a name: %d %s", name, a.status, a.text)
		}
	}
}

func TestBodiesOfTheLaboratoryAreExact(t *testing.T) {
	l := start(t)
	for _, body := range []string{`{"advance":"1h"}}`, `{"advance":"1h"}]`, `{"advance":3600}`, `[]`, `{"stop":"yes"}`} {
		a := l.lab("POST", "/clock", body, 400)
		if a.code(t) != "InvalidRequestContent" || strings.Contains(a.text, "lab.") || strings.Contains(a.text, "Go ") {
			t.Errorf("%s: %s", body, a.text)
		}
	}
	if a := l.lab("POST", "/clock", `{"advance":"1h"`, 400); !strings.Contains(a.text, "the body is incomplete") {
		t.Errorf("half a body: %s", a.text)
	}
	if got := l.lab("GET", "/clock", "", 200).at(t, "ahead"); got != "0s" {
		t.Errorf("the clock was moved by %v", got)
	}
}
