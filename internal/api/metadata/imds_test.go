package metadata_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/metadata"
	"midas/internal/host"
)

const (
	ask  = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net"
	flag = "\nMetadata: true"
)

func TestIMDSTokenMembersAreStrings(t *testing.T) {
	w := call(ask+flag).do(t, serve(t, metadata.NewIMDS(config(&source{}))))
	want := map[string]any{
		"access_token": raw, "client_id": clientID, "expires_in": "86339", "expires_on": "1767409385",
		"ext_expires_in": "86339", "not_before": "1767322985", "refresh_token": "", "resource": vault, "token_type": "Bearer",
	}
	if diff := cmp.Diff(want, decoded(t, w.Body)); w.Code != 200 || diff != "" {
		t.Errorf("%d %s", w.Code, diff)
	}
	for name, want := range map[string]string{
		"Server": "IMDS/150.870.65.1854", "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestIMDSRequests(t *testing.T) {
	const (
		noHeader  = `{"error":"invalid_request","error_description":"Required metadata header not specified"}`
		noVersion = `{"error":"Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds","newest-versions":["2025-04-07","2024-07-17","2024-03-15"]}`
		notFound  = `{"error":"Not found"}`
		repeated  = `{"error":"invalid_request","error_description":"Query parameters must not be repeated"}`
		exclusive = `{"error":"invalid_request","error_description":"Only one of client_id, object_id and msi_res_id may be specified"}`
		forwarded = `{"error":"invalid_request","error_description":"Requests with a header X-Forwarded-For are refused"}`
		badHost   = `{"error":"forbidden_host","error_description":"The request names a host that is not this one"}`
	)
	const path = "/metadata/identity/oauth2/token"
	for name, c := range map[string]struct {
		call   call
		status int
		body   string // "" for any
	}{
		"plain":                       {ask + flag, 200, ""},
		"slash at the end":            {call("GET " + path + "/?api-version=2018-02-01&resource=x" + flag), 200, ""},
		"header in another case":      {call(ask + "\nmetadata: TRUE"), 200, ""},
		"no header":                   {ask, 400, noHeader},
		"header false":                {ask + "\nMetadata: false", 400, noHeader},
		"header twice":                {ask + flag + flag, 400, noHeader},
		"header of two values":        {ask + "\nMetadata: true, true", 400, noHeader},
		"forwarded":                   {ask + flag + "\nX-Forwarded-For: 10.0.0.1", 400, forwarded},
		"forwarded, empty":            {ask + flag + "\nX-Forwarded-For:", 400, forwarded},
		"forwarded, by the new name":  {ask + flag + "\nForwarded: for=10.0.0.1", 400, forwarded},
		"POST":                        {call("POST" + strings.TrimPrefix(ask, "GET") + flag), 405, ""},
		"HEAD":                        {call("HEAD" + strings.TrimPrefix(ask, "GET") + flag), 405, ""},
		"no version":                  {call("GET " + path + "?resource=x" + flag), 400, noVersion},
		"unknown version":             {call("GET " + path + "?resource=x&api-version=2018-02-02" + flag), 400, noVersion},
		"version before tokens":       {call("GET " + path + "?resource=x&api-version=2017-04-02" + flag), 400, noVersion},
		"newest version":              {call("GET " + path + "?resource=x&api-version=2025-04-07" + flag), 200, ""},
		"no resource":                 {call("GET " + path + "?api-version=2018-02-01" + flag), 400, `{"error":"invalid_request","error_description":"Required audience parameter not specified"}`},
		"resource with a line break":  {call("GET " + path + "?api-version=2018-02-01&resource=a%0Ab" + flag), 400, `{"error":"invalid_resource","error_description":"The audience cannot be put into a token"}`},
		"resource that is not UTF-8":  {call("GET " + path + "?api-version=2018-02-01&resource=%ff" + flag), 400, `{"error":"invalid_resource","error_description":"The audience cannot be put into a token"}`},
		"resource twice":              {ask + "&resource=x" + flag, 400, repeated},
		"resource twice, other case":  {ask + "&Resource=x" + flag, 400, repeated},
		"bad escape":                  {ask + "&a=%zz" + flag, 400, `{"error":"invalid_request","error_description":"The query cannot be read"}`},
		"semicolon":                   {ask + "&a=1;b=2" + flag, 400, `{"error":"invalid_request","error_description":"The query cannot be read"}`},
		"two selectors":               {ask + "&client_id=a&object_id=b" + flag, 400, exclusive},
		"two names of one selector":   {ask + "&object_id=a&principal_id=a" + flag, 400, exclusive},
		"foreign host":                {ask + flag + "\nHost: attacker.example", 403, badHost},
		"foreign host with port":      {ask + flag + "\nHost: attacker.example:80", 403, badHost},
		"foreign address":             {ask + flag + "\nHost: 10.1.2.3", 403, badHost},
		"localhost as a subdomain":    {ask + flag + "\nHost: localhost.attacker.example", 403, badHost},
		"localhost":                   {ask + flag + "\nHost: LOCALHOST:8170", 200, ""},
		"loopback, version 6":         {ask + flag + "\nHost: [::1]:8170", 200, ""},
		"loopback, mapped":            {ask + flag + "\nHost: [::ffff:127.0.0.1]:8170", 200, ""},
		"configured host":             {ask + flag + "\nHost: metadata.corp:80", 200, ""},
		"unknown path":                {"GET /metadata/identity/oauth2/tokens", 404, notFound},
		"unknown path, any method":    {"DELETE /metadata/x\nHost: attacker.example", 404, notFound},
		"probe for the newer service": {"GET /metadata/identity/getplatformmetadata?cred-api-version=2.0", 404, notFound},
		"the same with the header":    {"GET /metadata/identity/getplatformmetadata?cred-api-version=2.0" + flag, 404, notFound},
		"the newer service's request": {"POST /metadata/identity/issuecredential" + flag, 404, notFound},
		"root":                        {"GET /" + flag, 404, notFound},
		"path with dots":              {"GET /metadata/identity/oauth2/../oauth2/token?api-version=2018-02-01&resource=x" + flag, 404, notFound},
		"path in other case":          {"GET /Metadata/identity/oauth2/token?api-version=2018-02-01&resource=x" + flag, 404, notFound},
		"versions need no version":    {"GET /metadata/versions" + flag, 200, ""},
		"versions need the header":    {"GET /metadata/versions", 400, `{"error":"Bad request. Required metadata header not specified"}`},
		"info":                        {"GET /metadata/identity/info?api-version=2018-02-01" + flag, 200, `{"tenantId":"` + tenantID + `"}`},
		"attested":                    {"GET /metadata/attested/document?api-version=2020-09-01&nonce=1234567890" + flag, 200, `{"encoding":"pkcs7","signature":"c2lnbmVk"}`},
		"attested, bad nonce":         {"GET /metadata/attested/document?api-version=2020-09-01&nonce=a-b" + flag, 400, ""},
		"attested, long nonce":        {call("GET /metadata/attested/document?api-version=2020-09-01&nonce=" + strings.Repeat("1", 33) + flag), 400, ""},
		"attested, too old a version": {"GET /metadata/attested/document?api-version=2018-02-01" + flag, 400, noVersion},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(&source{instance: host.Instance{TenantID: tenantID}})
			cfg.Hosts = []string{"Metadata.corp"}
			w := c.call.do(t, serve(t, metadata.NewIMDS(cfg)))
			if w.Code != c.status || c.body != "" && w.Body.String() != c.body {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, c.status, c.body)
			}
			if !strings.HasPrefix(w.Header().Get("Server"), "IMDS/") {
				t.Error("the Server header is missing or wrong")
			}
			if w.Code != 200 && strings.Contains(w.Body.String(), raw) {
				t.Error("a refusal has a token in it")
			}
		})
	}
}

func TestIMDSSelectors(t *testing.T) {
	for query, want := range map[string]host.Selector{
		"":                         {},
		"&client_id=A":             {ClientID: "A"},
		"&object_id=A":             {ObjectID: "A"},
		"&principal_id=A":          {ObjectID: "A"},
		"&msi_res_id=%2Fa%2FB":     {ResourceID: "/a/B"},
		"&mi_res_id=%2Fa%2FB":      {ResourceID: "/a/B"},
		"&client_id=&object_id=A":  {ObjectID: "A"},
		"&bypass_cache=true":       {},
		"&something_else=whatever": {},
	} {
		s := &source{}
		if w := call(ask+query+flag).do(t, serve(t, metadata.NewIMDS(config(s)))); w.Code != 200 || s.selector != want || s.audience != vault {
			t.Errorf("%q: %d, selector %+v, audience %q", query, w.Code, s.selector, s.audience)
		}
	}
}

func TestAudienceIsUsedUnchanged(t *testing.T) {
	for escaped, audience := range map[string]string{
		"https://management.core.windows.net/": "https://management.core.windows.net/",
		"api%3A%2F%2Fa%22b%5Cc":                `api://a"b\c`,
		"a+b%20c":                              "a b c",
		"%C3%A9":                               "é",
	} {
		s := &source{}
		w := call("GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource="+escaped+flag).do(t, serve(t, metadata.NewIMDS(config(s))))
		if s.audience != audience || decoded(t, w.Body)["resource"] != audience {
			t.Errorf("%s: asked for %q, answered %s", escaped, s.audience, w.Body)
		}
	}
}

func TestIMDSErrors(t *testing.T) {
	const unknown = "Identity not found"
	for err, want := range map[error]struct {
		status       int
		code, reason string
	}{
		host.ErrNotAssigned:      {400, "invalid_request", unknown},
		host.ErrNone:             {400, "invalid_request", unknown},
		host.ErrRevoked:          {400, "invalid_request", unknown},
		host.ErrSeveral:          {400, "invalid_request", "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request"},
		host.ErrAudience:         {400, "invalid_resource", "The audience cannot be put into a token"},
		host.ErrResourceDisabled: {400, "invalid_resource", "AADSTS500014: The service principal for the resource is disabled. This indicate that a subscription within the tenant has lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being issued for it."},
		host.ErrNotAllowed:       {400, "invalid_grant", "AADSTS501051: The identity is not assigned to a role for the application of the resource."},
		host.ErrAway:             {503, "unknown", "Failed to retrieve token from the Active directory. For details see the log of the agent"},
		errors.New("CAUSE"):      {500, "unknown", "Failed to retrieve token from the Active directory. For details see the log of the agent"},
	} {
		w := call(ask+flag).do(t, serve(t, metadata.NewIMDS(config(&source{err: fmt.Errorf("wrapped: %w", err)}))))
		got := decoded(t, w.Body)
		if w.Code != want.status || got["error"] != want.code || got["error_description"] != want.reason {
			t.Errorf("%v: %d %v", err, w.Code, got)
		}
		if again := w.Header().Get("Retry-After"); (again == "1") != (want.status == 503) {
			t.Errorf("%v: Retry-After %q", err, again)
		}
	}
}

func TestTokenRequestsAreLimitedPerSecond(t *testing.T) {
	now := start
	cfg := config(&source{})
	cfg.Limit, cfg.Now = metadata.IdentityLimit(), func() time.Time { return now }
	h := serve(t, metadata.NewIMDS(cfg))
	burst := func() (served int) {
		for range 50 {
			switch w := call(ask+flag).do(t, h); w.Code {
			case 200:
				served++
			case http.StatusTooManyRequests:
				if w.Header().Get("Retry-After") == "" {
					t.Error("429 without Retry-After")
				}
			default:
				t.Fatal(w.Code)
			}
		}
		return served
	}
	if n := burst(); n != 20 {
		t.Errorf("at once: %d", n)
	}
	if now = now.Add(250 * time.Millisecond); burst() != 5 {
		t.Error("a quarter of a second later, not exactly five requests are served")
	}
	if now = now.Add(time.Hour); burst() != 20 {
		t.Error("an hour later, not exactly 20 requests are served")
	}
	if w := call("GET /metadata/versions"+flag).do(t, h); w.Code != 200 {
		t.Error("a request for versions is limited")
	}
}

func TestSixthConcurrentTokenRequestIsRefused(t *testing.T) {
	s := &source{entered: make(chan struct{}), leave: make(chan struct{})}
	cfg := config(s)
	cfg.Limit = metadata.Limit{AtOnce: 5}
	h := serve(t, metadata.NewIMDS(cfg))
	done := make(chan int)
	for range 5 {
		go func() { done <- call(ask+flag).do(t, h).Code }()
		<-s.entered
	}
	if w := call(ask+flag).do(t, h); w.Code != http.StatusTooManyRequests {
		t.Errorf("the sixth got %d", w.Code)
	}
	close(s.leave)
	for range 5 {
		if code := <-done; code != 200 {
			t.Errorf("one of the five got %d", code)
		}
	}
}

// AtOnce does not apply to requests that are answered from memory, whether the token is fresh or due for renewal.
func TestCachedTokensDoNotCountAsWaitingRequests(t *testing.T) {
	s := &source{entered: make(chan struct{}), leave: make(chan struct{}), known: map[string]bool{"fresh": true, "stale": false}}
	cfg := config(s)
	cfg.Limit = metadata.Limit{AtOnce: 5}
	h := serve(t, metadata.NewIMDS(cfg))
	done := make(chan int)
	for range 5 {
		go func() { done <- call(ask+flag).do(t, h).Code }()
		<-s.entered
	}
	for audience, want := range map[string]int{"fresh": 200, "stale": 200, "cold": http.StatusTooManyRequests} {
		if w := call(strings.Replace(ask, "https%3A%2F%2Fvault.azure.net", audience, 1)+flag).do(t, h); w.Code != want {
			t.Errorf("%s: %d, want %d", audience, w.Code, want)
		}
	}
	close(s.leave)
	for range 5 {
		<-done
	}
}

// The Host header may be the address of this machine to which the connection was made.
func TestLocalAddressOfTheConnectionIsAnAcceptedHost(t *testing.T) {
	server := httptest.NewServer(serve(t, metadata.NewIMDS(config(&source{}))))
	defer server.Close()
	for name, want := range map[string]int{"": 200, "192.0.2.7": 403} {
		r, err := http.NewRequest("GET", server.URL+"/metadata/versions", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = name
		r.Header.Set("Metadata", "true")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("host %q: %s", name, resp.Status)
		}
	}
}

func FuzzIMDS(f *testing.F) {
	f.Add("/metadata/identity/oauth2/token", "api-version=2018-02-01&resource=x&client_id=a", "true", "localhost")
	f.Add("/metadata/instance/network/interface/0", "api-version=2021-02-01&format=text", "True", "169.254.169.254")
	f.Add("/metadata/instance/compute/tagsList/-1", "api-version=2021-02-01", "", "evil")
	f.Add("//metadata/%2e%2e", "a=1;b", "true,true", "[::1]:1")
	h := serve(f, metadata.NewIMDS(config(&source{instance: machine()})))
	f.Fuzz(func(t *testing.T, path, query, flag, name string) {
		r := httptest.NewRequest("GET", "http://localhost/", nil)
		r.URL.Path, r.URL.RawQuery, r.Host = path, query, name
		r.Header["Metadata"] = []string{flag}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		given := strings.Contains(w.Body.String(), raw)
		if given && (!strings.EqualFold(strings.TrimSpace(flag), "true") || strings.TrimSuffix(path, "/") != "/metadata/identity/oauth2/token") {
			t.Errorf("a token for %q %q %q %q", path, query, flag, name)
		}
		if given {
			decoded(t, w.Body) // it must be JSON whatever the audience is
		}
	})
}
