package lab_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"midas"
	"midas/midastest"
)

// answer is an answer of a server.
type answer struct {
	status int
	header http.Header
	text   string
}

// at returns the value at a path of the JSON body, such as "error", "code"; nil if there is none.
func (a answer) at(t *testing.T, path ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.text), &v); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.text, err)
	}
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// code is the error code of an answer in ARM's form.
func (a answer) code(t *testing.T) string {
	t.Helper()
	code, _ := a.at(t, "error", "code").(string)
	return code
}

// laboratory is a server with the administrator of its laboratory.
type laboratory struct {
	*midastest.Server
	t *testing.T
}

func start(t *testing.T, opts ...midastest.Option) laboratory {
	t.Helper()
	return laboratory{midastest.Start(t, append([]midastest.Option{midastest.Lab()}, opts...)...), t}
}

// send sends a request with the credentials that authorize sets.
func (l laboratory) send(method, path, body string, authorize func(*http.Request)) answer {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.Endpoint+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if authorize != nil {
		authorize(req)
	}
	return do(l.t, l.Client(), req)
}

func do(t *testing.T, c *http.Client, req *http.Request) answer {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func basic(r *http.Request) { r.SetBasicAuth(midas.LabClientID, midas.LabClientSecret) }

// lab sends a request to the laboratory and requires a status.
func (l laboratory) lab(method, path, body string, want int) answer {
	l.t.Helper()
	a := l.send(method, "/lab/v1"+path, body, basic)
	if a.status != want {
		l.t.Fatalf("%s /lab/v1%s %s: %d %s, want %d", method, path, body, a.status, a.text, want)
	}
	return a
}

// arm sends a request to Azure Resource Manager, or with a path below /v1.0/ to Microsoft Graph, as the administrator.
func (l laboratory) arm(method, path, body string, want int) answer {
	l.t.Helper()
	resource := midastest.Management
	if strings.HasPrefix(path, "/v1.0/") {
		resource = "https://graph.microsoft.com"
	}
	a := l.send(method, path, body, bearer(l.Token(l.t, resource)))
	if a.status != want {
		l.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.text, want)
	}
	return a
}

func (l laboratory) group() string {
	return "/subscriptions/" + l.SubscriptionID + "/resourceGroups/rg1"
}

func (l laboratory) identity(name string) string {
	return l.group() + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name
}

const (
	groupVersion    = "?api-version=2021-04-01"
	identityVersion = "?api-version=2023-01-31"
)

// create creates the resource group and an identity in it, and returns the identity's principal.
func (l laboratory) create(name string) (principal string) {
	l.t.Helper()
	if a := l.send("PUT", l.group()+groupVersion, `{"location":"eastus"}`, bearer(l.Token(l.t, midastest.Management))); a.status > 201 {
		l.t.Fatal(a.text)
	}
	a := l.arm("PUT", l.identity(name)+identityVersion, `{"location":"eastus"}`, 201)
	return a.at(l.t, "properties", "principalId").(string)
}
