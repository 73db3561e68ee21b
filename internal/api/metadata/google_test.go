package metadata_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"midas/internal/api/metadata"
	"midas/internal/host"
)

const (
	accounts  = "/computeMetadata/v1/instance/service-accounts/"
	mail      = clientID + "@" + tenantID
	otherMail = "55555555-5555-4555-8555-555555555555@" + tenantID
	otherID   = "66666666-6666-4666-8666-666666666666"
	flavour   = "\nMetadata-Flavor: Google"
)

func googleSource(principals ...host.Principal) *source {
	return &source{
		principals: principals,
		instance:   host.Instance{Name: "web1", SubscriptionID: "s1", Location: "eastus"},
	}
}

func systemAssigned() host.Principal {
	return host.Principal{TenantID: tenantID, ClientID: clientID, ObjectID: objectID, ResourceID: vmID}
}

func userAssigned(name string) host.Principal {
	return host.Principal{
		TenantID: tenantID, ClientID: otherMail[:36], ObjectID: otherID,
		ResourceID: "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name,
	}
}

func TestGoogleTree(t *testing.T) {
	h := serve(t, metadata.NewGoogle(config(googleSource(userAssigned("app"), systemAssigned())), vault))
	for _, row := range []struct {
		call   call
		status int
		body   string
	}{
		{"GET /", 200, "computeMetadata/\n"}, // the probe has no header
		{"GET /computeMetadata/v1/" + flavour, 200, "instance/\nproject/\nuniverse/\n"},
		{"GET /computeMetadata/v1/project/project-id" + flavour, 200, "s1"},
		{"GET /computeMetadata/v1/universe/universe-domain" + flavour, 200, "googleapis.com"},
		{"GET /computeMetadata/v1/instance/zone" + flavour, 200, "projects/s1/zones/eastus"},
		{"GET /computeMetadata/v1/instance/attributes/" + flavour, 200, ""},
		{accountsCall(""), 200, mail + "/\n" + otherMail + "/\ndefault/\n"},
		{accountsCall("default/"), 200, "aliases\nemail\nidentity\nscopes\ntoken\n"},
		{accountsCall("default/email"), 200, mail},
		{accountsCall("default/email?alt=json"), 200, `"` + mail + `"`},
		{accountsCall("default/aliases"), 200, "default\n"},
		{accountsCall("default/scopes"), 200, "https://www.googleapis.com/auth/cloud-platform\n"},
		{accountsCall("app/email"), 200, otherMail},
		{accountsCall(otherMail + "/email"), 200, otherMail},
		{accountsCall("default/?recursive=true"), 200, `{"aliases":["default"],"email":"` + mail + `","scopes":["https://www.googleapis.com/auth/cloud-platform"]}`},
		{accountsCall("default?recursive=True"), 200, `{"aliases":["default"],"email":"` + mail + `","scopes":["https://www.googleapis.com/auth/cloud-platform"]}`},
		{accountsCall("default/token/"), 404, "not found"},
		{accountsCall("nobody/email"), 404, "not found"},
		{accountsCall("nobody/token"), 404, "not found"},
		{accountsCall("default/nothing"), 404, "not found"},
		{accountsCall("default/?wait_for_change=true"), 400, "not supported"},
		{accountsCall("default/email?wait_for_change=false"), 200, mail},
		{accountsCall("default/?recursive=true&alt=text"), 200, "aliases default\nemail " + mail + "\nscopes https://www.googleapis.com/auth/cloud-platform"},
		{accountsCall("default/email?recursive=true&alt=text"), 200, mail},
		{"GET /computeMetadata/v1/instance/service-accounts//token" + flavour, 404, "not found"},
		{"GET /metadata/instance" + flavour, 404, "not found"},
		{"POST /computeMetadata/v1/project/project-id" + flavour, 405, "not allowed"},
	} {
		w := row.call.do(t, h)
		got := w.Body.String()
		same := got == row.body || row.status == 200 && strings.TrimSpace(got) == row.body
		if w.Code >= 400 {
			same = strings.Contains(got, row.body) && strings.HasPrefix(w.Header().Get("Content-Type"), "text/html")
		}
		if w.Code != row.status || !same || w.Header().Get("Metadata-Flavor") != "Google" {
			t.Errorf("%s: %d %q %v", row.call, w.Code, got, w.Header())
		}
		if kind := w.Header().Get("Content-Type"); strings.HasPrefix(row.body, "{") && kind != "application/json" {
			t.Errorf("%s: %s", row.call, kind)
		}
	}
	w := accountsCall("default?x=1").do(t, h)
	if to := w.Header().Get("Location"); w.Code != http.StatusMovedPermanently || to != accounts+"default/?x=1" {
		t.Errorf("a folder without its slash: %d to %q", w.Code, to)
	}
}

func accountsCall(path string) call { return call("GET " + accounts + path + flavour) }

func TestGoogleTokens(t *testing.T) {
	s := googleSource(userAssigned("app"), systemAssigned())
	h := serve(t, metadata.NewGoogle(config(s), vault))
	w := accountsCall("default/token?scopes=https://www.googleapis.com/auth/cloud-platform").do(t, h)
	got := decoded(t, w.Body)
	if w.Code != 200 || len(got) != 3 || got["access_token"] != raw || got["token_type"] != "Bearer" || got["expires_in"] != 86339.0 ||
		w.Header().Get("Content-Type") != "application/json" || s.audience != vault || s.selector != (host.Selector{}) {
		t.Errorf("%d %v for %q of %+v", w.Code, got, s.audience, s.selector)
	}
	for _, name := range []string{"app", otherMail, strings.ToUpper(otherMail[:36]), otherID} {
		w := accountsCall(name+"/identity?audience=https://x.example&format=full").do(t, h)
		if w.Code != 200 || w.Body.String() != raw || s.audience != "https://x.example" || s.selector != (host.Selector{ObjectID: otherID}) {
			t.Errorf("%s: %d %s for %q of %+v", name, w.Code, w.Body, s.audience, s.selector)
		}
	}
	for path, status := range map[string]int{
		"default/identity": 400, "default/identity?audience=": 400, "default/identity?audience=a&audience=b": 400,
		"default/identity?audience=a%00": 400, "default/identity?audience=" + strings.Repeat("a", 1025): 400,
		"default/token?transport=mtls&binding-enforcement=on": 400,
	} {
		if w := accountsCall(path).do(t, h); w.Code != status {
			t.Errorf("%.80s: %d, want %d", path, w.Code, status)
		}
	}
}

// Without an audience of the operator there is no access token: none may be for a service that nobody has chosen.
func TestGoogleNeedsAnAudienceForAccessTokens(t *testing.T) {
	s := googleSource(systemAssigned())
	h := serve(t, metadata.NewGoogle(config(s), ""))
	if w := accountsCall("default/token").do(t, h); w.Code != 403 || s.audience != "" {
		t.Errorf("%d for %q", w.Code, s.audience)
	}
	if w := accountsCall("default/identity?audience=a").do(t, h); w.Code != 200 {
		t.Errorf("an identity token: %d", w.Code)
	}
}

func TestGoogleRefusesForgedRequests(t *testing.T) {
	s := googleSource(systemAssigned())
	h := serve(t, metadata.NewGoogle(config(s), vault))
	for _, head := range []string{
		"", "\nMetadata-Flavor: Azure", "\nMetadata: true", flavour + flavour, flavour + "\nX-Forwarded-For: 10.0.0.1", flavour + "\nForwarded: for=x",
		flavour + "\nHost: rebound.example",
	} {
		w := call("GET "+accounts+"default/token"+head).do(t, h)
		if w.Code != 403 || s.audience != "" || w.Header().Get("Metadata-Flavor") != "Google" || !strings.Contains(w.Body.String(), "<title>Error 403 (Forbidden)!!1</title>") {
			t.Errorf("%q: %d %s", head, w.Code, w.Body)
		}
	}
	if w := call("GET "+accounts+"default/token"+flavour+"\nHost: metadata.google.internal").do(t, h); w.Code != 200 {
		t.Errorf("Google's own name: %d", w.Code)
	}
}

func TestGoogleWithoutADefaultAccount(t *testing.T) {
	second := userAssigned("second")
	second.ClientID, second.ObjectID = clientID, objectID
	s := googleSource(userAssigned("first"), second)
	s.err = nil
	h := serve(t, metadata.NewGoogle(config(s), vault))
	if w := accountsCall("default/email").do(t, h); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := accountsCall("second/token").do(t, h); w.Code != 200 || s.selector.ObjectID != objectID {
		t.Errorf("%d of %+v", w.Code, s.selector)
	}
	for reason, status := range map[error]int{
		host.ErrSeveral: 404, host.ErrNone: 404, host.ErrNotAssigned: 404, host.ErrRevoked: 404, host.ErrAway: 503, errors.New("x"): 500,
	} {
		s.err = reason
		if w := accountsCall("default/token").do(t, h); w.Code != status {
			t.Errorf("%v: %d, want %d", reason, w.Code, status)
		}
	}
}

// A program may let another party choose the audience of an identity token, because on Google that opens nothing.
func TestGoogleIdentityTokensOpenNoServiceOfMicrosoftNorTheServer(t *testing.T) {
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://Midas.corp:8443/t/"}`))
	s := googleSource(systemAssigned())
	s.raw = "e30." + claims + ".x"
	h := serve(t, metadata.NewGoogle(config(s), vault))
	for _, audience := range []string{
		"https://management.azure.com/", "https://management.azure.com", "HTTPS://Management.Azure.Com.", "management.azure.com", "https://management.core.windows.net/",
		"https://management.azure.com:443//", "https://x@graph.microsoft.com/", "https://graph.microsoft.com\\x", "00000003-0000-0000-C000-000000000000",
		"spn:797f4846-ba00-4fd7-ba43-dac1f8f63013", "https://own.vault.azure.net", "https://midas.corp:8443", "https://MIDAS.corp:8443/",
	} {
		for _, leaf := range []string{"default/identity", mail + "/identity"} {
			w := accountsCall(leaf+"?format=full&audience="+url.QueryEscape(audience)).do(t, h)
			if w.Code != 403 || strings.Contains(w.Body.String(), claims) {
				t.Errorf("%s of %s: %d %s", leaf, audience, w.Code, w.Body)
			}
		}
	}
	for _, audience := range []string{
		vault, "https://service.corp", "https://midas.corp", "https://notazure.com", "https://azure.com.corp.example", "https://web.eastus.cloudapp.azure.com",
		"api://AzureADTokenExchange", "sts.amazonaws.com", "//iam.googleapis.com/projects/1",
	} {
		if w := accountsCall("default/identity?audience="+url.QueryEscape(audience)).do(t, h); w.Code != 200 {
			t.Errorf("%s: %d %s", audience, w.Code, w.Body)
		}
	}
}

// Who creates an identity chooses its name, also that of the default account and the id of another one.
func TestGoogleNamesOfIdentitiesHideNoOtherOnes(t *testing.T) {
	for _, name := range []string{"default", clientID, objectID} {
		s := googleSource(userAssigned(name), systemAssigned())
		h := serve(t, metadata.NewGoogle(config(s), vault))
		asked := name
		if w := accountsCall(asked+"/email").do(t, h); w.Body.String() != mail {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		want := host.Selector{ObjectID: objectID}
		if name == "default" {
			want = host.Selector{}
		}
		if w := accountsCall(asked+"/token").do(t, h); w.Code != 200 || s.selector != want {
			t.Errorf("%s: %d of %+v", name, w.Code, s.selector)
		}
	}
}

// Requests that cannot be answered count too, as on Azure: nobody tries parameters without a bound.
func TestBadTokenRequestsCountAgainstTheLimit(t *testing.T) {
	for name, row := range map[string]struct {
		endpoint func(metadata.Config) *metadata.Endpoint
		call     call
	}{
		"imds, no audience":   {metadata.NewIMDS, "GET /metadata/identity/oauth2/token?api-version=2018-02-01\nMetadata: true"},
		"imds, two selectors": {metadata.NewIMDS, "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=a&client_id=1&object_id=2\nMetadata: true"},
		"google, no audience": {func(c metadata.Config) *metadata.Endpoint { return metadata.NewGoogle(c, "") }, accountsCall("default/identity")},
		"google, no account":  {func(c metadata.Config) *metadata.Endpoint { return metadata.NewGoogle(c, vault) }, accountsCall("nobody/token")},
	} {
		c := config(googleSource(systemAssigned()))
		c.Limit = metadata.IdentityLimit()
		h := serve(t, row.endpoint(c))
		for i := range c.Limit.PerSecond {
			if w := row.call.do(t, h); w.Code == http.StatusTooManyRequests || w.Code < 400 {
				t.Errorf("%s: request %d: %d", name, i, w.Code)
			}
		}
		if w := row.call.do(t, h); w.Code != http.StatusTooManyRequests {
			t.Errorf("%s: after the burst: %d", name, w.Code)
		}
	}
}
