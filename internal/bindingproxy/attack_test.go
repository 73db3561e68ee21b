package bindingproxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"midas/internal/bindingproxy"
	"midas/internal/bindingproxy/clustertest"
)

// Every refusal is in the form of Entra's errors, and nothing reaches Midas.
func TestRequestsThatAreRefused(t *testing.T) {
	w := start(t)
	elsewhere := clustertest.Start(t)
	deleted := clustertest.Pod{Namespace: pod.Namespace, Account: pod.Account, Name: "gone"}
	replayed := w.cluster.Token(deleted, time.Hour, bindingproxy.Audience)
	w.cluster.DeletePod(deleted.Namespace, deleted.Name)
	set := func(name string, values ...string) func(url.Values) { return func(f url.Values) { f[name] = values } }
	assertion := func(token string) func(url.Values) { return set("client_assertion", token) }
	for name, c := range map[string]struct {
		change         func(url.Values)
		status, number int
		reviews        bool // whether the API server may be asked
	}{
		"a token for the exchange itself":      {assertion(w.cluster.Token(pod, time.Hour, exchangeAudience)), 401, 700212, false},
		"a token for the API server":           {assertion(w.cluster.Token(pod, time.Hour, clustertest.APIAudience)), 401, 700212, false},
		"an audience that only begins alike":   {assertion(w.cluster.Token(pod, time.Hour, bindingproxy.Audience+"/")), 401, 700212, false},
		"an expired token":                     {assertion(w.cluster.Token(pod, -time.Hour, bindingproxy.Audience)), 401, 700027, true},
		"a token of a deleted pod":             {assertion(replayed), 401, 700027, true},
		"a token of another cluster":           {assertion(elsewhere.Token(pod, time.Hour, bindingproxy.Audience)), 401, 700027, true},
		"a token without a signature":          {assertion(unsigned(w.token())), 401, 700027, true},
		"a token of an account without rights": {assertion(w.cluster.Token(clustertest.Pod{Namespace: "shop", Account: "db", Name: "db-1"}, time.Hour, bindingproxy.Audience)), 401, 700213, true},
		"the account of another namespace":     {assertion(w.cluster.Token(clustertest.Pod{Namespace: "test", Account: "web", Name: "web-1"}, time.Hour, bindingproxy.Audience)), 401, 700213, true},
		"another client id":                    {set("client_id", other), 401, 700213, true},
		"every client id":                      {set("client_id", "*"), 400, 700016, false},
		"a client id with a path":              {set("client_id", clientID+"/../x"), 400, 700016, false},
		"no JWT":                               {assertion("secret"), 401, 50027, false},
		"no claims":                            {assertion("e30." + base64.RawURLEncoding.EncodeToString([]byte("[]")) + ".e30"), 401, 50027, false},
		"an audience that is a number":         {assertion("e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"aud":7}`)) + ".e30"), 401, 50027, false},
		"a token above 16 KiB":                 {assertion(w.token() + strings.Repeat("A", 17<<10)), 401, 50027, false},
		"an assertion of another type":         {set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), 400, 90023, false},
		"no type of the assertion":             {set("client_assertion_type"), 400, 900144, false},
		"no scope":                             {set("scope", ""), 400, 900144, false},
		"another grant":                        {set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), 400, 70003, false},
		"a refresh token":                      {set("grant_type", "refresh_token"), 400, 70003, false},
		"two scopes in two parameters":         {set("scope", scope, "https://graph.microsoft.com/.default"), 400, 9002313, false},
		"two client ids":                       {set("client_id", clientID, other), 400, 9002313, false},
		"two assertions":                       {set("client_assertion", w.token(), w.token()), 400, 9002313, false},
		"a scope with a line end":              {set("scope", scope+"\r\nX-Header: 1"), 400, 70011, false},
		"claims that are no JSON":              {set("claims", `{"access_token":`), 400, 9002313, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.cluster.Reviews("tokenreviews")
			form := w.form()
			c.change(form)
			got := w.post(t, form)
			if got.status != c.status || got.number() != c.number || !strings.HasPrefix(got.body.Description, fmt.Sprintf("AADSTS%d: ", c.number)) || got.body.Error == "" {
				t.Errorf("%d %+v", got.status, got.body)
			}
			if asked := w.cluster.Reviews("tokenreviews") > before; asked != c.reviews {
				t.Errorf("the API server was asked: %t", asked)
			}
		})
	}
	if all := w.endpoint.requests(); len(all) != 0 {
		t.Errorf("%d requests reached Midas", len(all))
	}
	if logged := w.log.String(); strings.Contains(logged, "eyJ") {
		t.Errorf("the log has a token:\n%s", logged)
	}
}

// unsigned replaces a token's header by one with the algorithm none, and its signature by nothing.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
}

// A permission that is removed, and a pod that is deleted, count for the next request: nothing is remembered.
func TestReviewsAreNotRemembered(t *testing.T) {
	w := start(t)
	form := w.form()
	if got := w.post(t, form); got.status != 200 {
		t.Fatalf("%d %+v", got.status, got.body)
	}
	w.cluster.RemoveBindings("use-" + clientID)
	if got := w.post(t, form); got.number() != 700213 {
		t.Errorf("without the permission: %d %+v", got.status, got.body)
	}
	w.cluster.Allow(pod.Namespace, pod.Account, clientID)
	w.cluster.DeletePod(pod.Namespace, pod.Name)
	if got := w.post(t, form); got.number() != 700027 {
		t.Errorf("without the pod: %d %+v", got.status, got.body)
	}
}

// Paths, methods and bodies that no SDK sends.
func TestRequestsThatAreNotTokenRequests(t *testing.T) {
	w := start(t)
	kind := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", value) }
	}
	path := func(path string) func(*http.Request) {
		return func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + path }
	}
	for name, c := range map[string]struct {
		change         func(*http.Request)
		status, number int
	}{
		"another tenant":         {path("/22222222-2222-4222-8222-222222222222/oauth2/v2.0/token"), 400, 90002},
		"a shared tenant":        {path("/common/oauth2/v2.0/token"), 400, 90002},
		"a path upwards":         {path("/" + tenant + "/../" + tenant + "/oauth2/v2.0/token"), 404, 9002313},
		"an escaped path":        {path("/" + tenant + "%2foauth2/v2.0/token"), 404, 9002313},
		"another endpoint":       {path("/" + tenant + "/oauth2/v2.0/authorize"), 404, 9002313},
		"Azure Resource Manager": {path("/subscriptions?api-version=2022-12-01"), 404, 9002313},
		"GET":                    {func(r *http.Request) { r.Method = http.MethodGet }, 400, 900561},
		"JSON":                   {kind("application/json"), 400, 9002313},
		"no type":                {kind(""), 400, 9002313},
		"a bad escape":           {body("client_id=%zz"), 400, 9002313},
		"a huge body":            {body("scope=" + strings.Repeat("x", 1<<20)), 413, 9002313},
		"many parameters":        {body(strings.Repeat("a=&", 30<<10)), 413, 9002313},
		"huge headers":           {func(r *http.Request) { r.Header.Set("X-Large", strings.Repeat("x", 40<<10)) }, 431, 9002313},
	} {
		t.Run(name, func(t *testing.T) {
			if got := w.post(t, w.form(), c.change); got.status != c.status || got.number() != c.number {
				t.Errorf("%d %+v", got.status, got.body)
			}
		})
	}
	if n := w.cluster.Reviews("tokenreviews") + len(w.endpoint.requests()); n != 0 {
		t.Errorf("%d requests went on", n)
	}
}

func body(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
}

// None of the pod's headers and none of its other parameters reach Midas or the API server.
func TestNothingElseIsForwarded(t *testing.T) {
	w := start(t)
	form := w.form()
	for name, value := range map[string]string{"client_secret": "stolen", "resource": "https://graph.microsoft.com", "assertion": "x", "requested_token_use": "on_behalf_of", "username": "admin"} {
		form.Set(name, value)
	}
	got := w.post(t, form, func(r *http.Request) {
		r.URL.RawQuery = "scope=https%3A%2F%2Fgraph.microsoft.com%2F.default&client_id=" + other
		for name, value := range map[string]string{
			"Authorization": "Basic YTpi", "Cookie": "a=b", "X-Forwarded-For": "10.0.0.1", "X-Remote-User": "admin", "Impersonate-User": "admin",
			"X-Http-Method-Override": "GET", "Origin": "https://page.example", "Client-Request-Id": "7e3c9a3e-2a6f-4f2b-8a55-3a1c3a2f0001",
		} {
			r.Header.Set(name, value)
		}
	})
	if got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Fatalf("%d %+v", got.status, got.body)
	}
	sent := w.endpoint.requests()[0]
	if len(sent.form) != 5 || sent.form.Get("client_id") != clientID {
		t.Errorf("it sent %v", sent.form)
	}
	for name := range sent.header {
		switch name {
		case "Accept", "Content-Type", "Content-Length", "User-Agent", "Client-Request-Id":
		default:
			t.Errorf("it sent the header %s", name)
		}
	}
	if id := sent.header.Get("Client-Request-Id"); id != "7e3c9a3e-2a6f-4f2b-8a55-3a1c3a2f0001" {
		t.Errorf("the correlation id is %q", id)
	}
}

// A request in which a proxy and a server could see two requests ends its connection.
func TestSmuggledRequests(t *testing.T) {
	w := start(t)
	address := strings.TrimPrefix(w.server.URL(), "https://")
	form := w.form().Encode()
	inner := fmt.Sprintf("POST /%s/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", tenant, len(form), form)
	for name, head := range map[string]string{
		"two lengths":       "Content-Length: 5\r\nContent-Length: 6\r\n",
		"length and chunks": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"two encodings":     "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
		"a space in a name": "Content-Length : 5\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			config := w.client.Transport.(*http.Transport).TLSClientConfig.Clone()
			config.NextProtos = []string{"http/1.1"}
			c, err := tls.Dial("tcp", address, config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_, _ = fmt.Fprintf(c, "POST /%s/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n%s\r\n0\r\n\r\n%s", tenant, head, inner)
			answers := bufio.NewReader(c)
			for {
				resp, err := http.ReadResponse(answers, nil)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				if resp.StatusCode < 400 {
					t.Errorf("it answered %d", resp.StatusCode)
				}
			}
		})
	}
	if n := len(w.endpoint.requests()); n != 0 {
		t.Errorf("%d requests reached Midas", n)
	}
}

// When the API server does not decide, the proxy does not either.
func TestWithoutTheAPIServerNothingIsGranted(t *testing.T) {
	w := start(t)
	review := func(change func(*authenticationv1.TokenReview)) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			var got authenticationv1.TokenReview
			if strings.HasSuffix(r.URL.Path, "/tokenreviews") {
				_ = json.NewDecoder(r.Body).Decode(&got)
				got.Status = authenticationv1.TokenReviewStatus{
					Authenticated: true, Audiences: []string{bindingproxy.Audience}, User: authenticationv1.UserInfo{Username: "system:serviceaccount:shop:web"},
				}
				change(&got)
				_ = json.NewEncoder(rw).Encode(got)
				return
			}
			var access authorizationv1.SubjectAccessReview
			_ = json.NewDecoder(r.Body).Decode(&access)
			access.Status.Allowed = true
			_ = json.NewEncoder(rw).Encode(access)
		}
	}
	named := func(name string) http.HandlerFunc {
		return review(func(r *authenticationv1.TokenReview) { r.Status.User.Username = name })
	}
	const refused, transient = 700027, 90033
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		number int
	}{
		"it is well":                {review(func(*authenticationv1.TokenReview) {}), 0},
		"it refuses the proxy":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, transient},
		"it has a fault":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, transient},
		"it redirects":              {http.RedirectHandler(w.endpoint.URL, http.StatusTemporaryRedirect).ServeHTTP, transient},
		"it answers a page":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, transient},
		"it answers without end":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20)) }, transient},
		"it answers another kind":   {review(func(r *authenticationv1.TokenReview) { r.Kind = "SubjectAccessReview" }), transient},
		"it knows no audiences":     {review(func(r *authenticationv1.TokenReview) { r.Status.Audiences = nil }), refused},
		"it has another audience":   {review(func(r *authenticationv1.TokenReview) { r.Status.Audiences = []string{exchangeAudience} }), refused},
		"the token is of a person":  {review(func(r *authenticationv1.TokenReview) { r.Status.User.Username = "alice" }), refused},
		"the name is of too little": {named("system:serviceaccount:shop"), refused},
		"the name is empty":         {named(""), refused},
		"no namespace":              {named("system:serviceaccount::web"), refused},
		"a name of two parts":       {named("system:serviceaccount:shop:web:admin"), refused},
		"a name with a space":       {named("system:serviceaccount:shop:web x"), refused},
		"a name that looks alike":   {named("system:serviceaccount:shop:w\u0435b"), refused},
		"another case":              {named("System:ServiceAccount:shop:web"), refused},
		"a group's name":            {named("system:serviceaccounts:shop:web"), refused},
		"it has an error as well":   {review(func(r *authenticationv1.TokenReview) { r.Status.Error = "the token could not be checked" }), refused},
		"it is not authenticated":   {review(func(r *authenticationv1.TokenReview) { r.Status.Authenticated = false }), refused},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.endpoint.requests())
			w.cluster.Away(c.answer)
			got := w.post(t, w.form())
			if got.number() != c.number {
				t.Errorf("%d %+v", got.status, got.body)
			}
			if reached := len(w.endpoint.requests()) > before; reached != (c.number == 0) {
				t.Errorf("a request reached Midas: %t", reached)
			}
		})
	}
	if logged := w.log.String(); strings.Contains(logged, "eyJ") {
		t.Errorf("the log has a token:\n%s", logged)
	}
}

// A denial wins over a permission.
func TestDeniedAccessIsNotAllowed(t *testing.T) {
	w := start(t)
	review := httptest.NewRecorder()
	w.cluster.Away(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tokenreviews") {
			_ = json.NewEncoder(rw).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": map[string]any{
				"authenticated": true, "audiences": []string{bindingproxy.Audience}, "user": map[string]any{"username": "system:serviceaccount:shop:web"},
			}})
			return
		}
		_, _ = io.Copy(review, r.Body)
		_, _ = io.WriteString(rw, `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":true,"denied":true}}`)
	})
	if got := w.post(t, w.form()); got.number() != 700213 {
		t.Errorf("%d %+v", got.status, got.body)
	}
	if strings.Contains(review.Body.String(), "namespace") {
		t.Errorf("a role in a namespace would count: %s", review.Body)
	}
}

// Requests beyond the queue are turned away at once, and the others are served when the API server is back.
func TestTheQueueIsBounded(t *testing.T) {
	w := start(t, func(c *bindingproxy.Config) { c.Timeout = time.Minute })
	form := w.form()
	release := make(chan struct{})
	w.cluster.Away(func(rw http.ResponseWriter, _ *http.Request) {
		<-release
		rw.WriteHeader(http.StatusServiceUnavailable)
	})
	// With connections that are open already, and have streams for all requests, no request opens another one: an address
	// may have few.
	const requests, connections = 320, 8
	var clients [connections]world
	for i := range clients {
		clients[i] = *w
		clients[i].client = &http.Client{Transport: w.client.Transport.(*http.Transport).Clone()}
		t.Cleanup(clients[i].client.CloseIdleConnections)
		warm, err := clients[i].client.Get(w.server.URL() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = warm.Body.Close()
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range requests {
		all.Go(func() {
			got := clients[i%connections].post(t, form)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	until(t, "a refusal", func() bool { mu.Lock(); defer mu.Unlock(); return statuses[429] == requests-32-256 })
	close(release)
	all.Wait()
	if statuses[503] != 32+256 || len(statuses) != 2 {
		t.Errorf("%v", statuses)
	}
}
