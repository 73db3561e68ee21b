package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFederatedCredentialsOfApplications sends the requests of az ad app federated-credential, which used the
// beta version until Azure CLI 2.37.
func TestFederatedCredentialsOfApplications(t *testing.T) {
	for _, version := range []string{"/v1.0/", "/beta/"} {
		s := populated(t)
		path := version + "applications/{a}/federatedIdentityCredentials"
		w := s.send(t, "ga", "POST", path, `{"name": "Testing", "issuer": "https://token.actions.githubusercontent.com/", "subject": "repo:octo-org/octo-repo:environment:Production", "description": "Testing", "audiences": ["api://AzureADTokenExchange"]}`, "Host: graph.microsoft.com")
		made := decode(t, w)
		id, _ := made["id"].(string)
		if w.Code != 201 || w.Header().Get("Location") != "https://graph.microsoft.com/v2/"+tenant+"/federatedIdentityCredentials/"+id {
			t.Fatalf("%d %s, Location %s", w.Code, w.Body, w.Header().Get("Location"))
		}
		context := "https://graph.microsoft.com" + version + "$metadata#applications('" + s.names["a"] + "')/federatedIdentityCredentials"
		want := answer{
			"@odata.context": context + "/$entity", "id": id, "name": "Testing", "issuer": "https://token.actions.githubusercontent.com/",
			"subject": "repo:octo-org/octo-repo:environment:Production", "description": "Testing", "audiences": []any{"api://AzureADTokenExchange"},
		}
		if version == "/beta/" {
			want["claimsMatchingExpression"] = nil
		}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Error(diff)
		}
		for _, key := range []string{id, "Testing"} {
			if diff := cmp.Diff(want, s.want(t, 200, "ga", "GET", path+"/"+key, "", "Host: graph.microsoft.com")); diff != "" {
				t.Error(diff)
			}
		}
		s.want(t, 204, "ga", "PATCH", path+"/"+id, `{"subject": "repo:octo-org/octo-repo:environment:Staging"}`)
		list := s.want(t, 200, "ga", "GET", path, "", "Host: graph.microsoft.com")
		if got := list.values("subject"); list["@odata.context"] != context || len(got) != 1 || !strings.HasSuffix(got[0], ":Staging") {
			t.Errorf("%v", list)
		}
		if got := s.want(t, 200, "ga", "GET", path+query("$filter", "name eq 'other'"), "").values("id"); len(got) != 0 {
			t.Errorf("filtered: %v", got)
		}
		s.want(t, 204, "ga", "DELETE", path+"/"+id, "")
		s.want(t, 404, "ga", "GET", path+"/"+id, "")
		s.want(t, 404, "ga", "PATCH", path+"/"+id, `{}`)
		s.want(t, 404, "ga", "DELETE", path+"/"+id, "")
	}
	s := populated(t)
	s.want(t, 400, "ga", "GET", "/beta/users", "") // the beta version has no other operations
}

func TestApplicationFederatedCredentialsAreLimitedUniqueAndValid(t *testing.T) {
	s := populated(t)
	const path = "applications/{a}/federatedIdentityCredentials"
	body := func(changes ...string) string {
		values := map[string]string{"name": `"one-1"`, "issuer": `"https://issuer.test"`, "subject": `"s"`, "audiences": `["api://AzureADTokenExchange"]`}
		for i := 0; i < len(changes); i += 2 {
			if values[changes[i]] = changes[i+1]; changes[i+1] == "" {
				delete(values, changes[i])
			}
		}
		var parts []string
		for name, value := range values {
			parts = append(parts, fmt.Sprintf("%q:%s", name, value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	long := `"` + strings.Repeat("é", 601) + `"`
	for _, bad := range [][]string{
		{"name", ""}, {"name", `"ab"`}, {"name", `"-ab"`}, {"name", `"_ab"`}, {"name", `"é23"`}, {"name", `"` + strings.Repeat("a", 121) + `"`}, {"name", `"a b c"`}, {"name", `"a/b/c"`}, {"name", "null"}, {"name", "7"},
		{"issuer", ""}, {"issuer", `"http://issuer.test"`}, {"issuer", `" https://issuer.test"`}, {"issuer", `"x"`}, {"issuer", `"https://"`}, {"issuer", `"https://:8443/"`}, {"issuer", `"https://u:p@issuer.test"`}, {"issuer", `"https://issuer.test#f"`}, {"issuer", `"https://issuer.test?q"`}, {"issuer", long}, {"issuer", "[]"},
		{"subject", ""}, {"subject", `""`}, {"subject", long}, {"subject", `"a\u0000b"`}, {"subject", `"a\ud800b"`}, {"audiences", `["\udc00"]`}, {"issuer", `"https://issuer.test/\ud800"`},
		{"audiences", ""}, {"audiences", "[]"}, {"audiences", `["a","b"]`}, {"audiences", `[""]`}, {"audiences", `"a"`},
		{"description", long}, {"id", `"x"`}, {"unknown", "1"},
	} {
		s.want(t, 400, "ga", "POST", path, body(bad...))
	}
	s.want(t, 201, "ga", "POST", path, body())
	for _, r := range []struct {
		status        int
		code, request string
	}{
		{409, "Request_MultipleObjectsWithSameKeyValue", body("subject", `"t"`)},
		{409, "Request_MultipleObjectsWithSameKeyValue", body("subject", `"t"`, "name", `"ONE-1"`)},
		{400, "InvalidFederatedIdentityCredentialValue", body("name", `"two-2"`)},
	} {
		if got := s.want(t, r.status, "ga", "POST", path, r.request).error(); got != r.code {
			t.Errorf("%s: %s", r.request, got)
		}
	}
	s.want(t, 400, "ga", "PATCH", path+"/one-1", `{"name":"other"}`)
	s.want(t, 204, "ga", "PATCH", path+"/one-1", `{"name":"one-1","description":"d"}`)
	for i := range 19 {
		s.want(t, 201, "ga", "POST", path, body("name", fmt.Sprintf(`"n-%d"`, i), "subject", fmt.Sprintf(`"s%d"`, i)))
	}
	if got := s.want(t, 403, "ga", "POST", path, body("name", `"n-20"`, "subject", `"s20"`)).error(); got != "Directory_ResourceSizeExceeded" {
		t.Errorf("the 21st credential: %s", got)
	}
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"displayName":"kept"}`)
	if got := s.want(t, 200, "ga", "GET", path, "").values("name"); len(got) != 20 {
		t.Errorf("%d credentials", len(got))
	}
	// A credential lets the holder of a token become the application.
	s.app(t, "key")
	s.rights[s.names["key.sp"]] = true
	for caller, status := range map[string]int{"appadmin": 403, "app.rw": 403, "member": 403, "ga": 201} {
		s.want(t, status, caller, "POST", "applications/{key}/federatedIdentityCredentials", body())
	}
}

// TestOwnIDInAChangeIsNoChange: hamilton, the client of Terraform's azuread provider 2, sends an object back with its
// id.
func TestOwnIDInAChangeIsNoChange(t *testing.T) {
	s := populated(t)
	const path = "applications/{a}/federatedIdentityCredentials"
	made := s.want(t, 201, "ga", "POST", path, `{"name":"main","issuer":"https://issuer.test","subject":"s","audiences":["a"]}`)
	id := made["id"].(string)
	one := path + "/" + id
	s.want(t, 204, "ga", "PATCH", one, `{"@odata.type":"#microsoft.graph.federatedIdentityCredential","@odata.id":"x","id":"`+id+`","name":"main","issuer":"https://issuer.test","subject":"other","description":null,"audiences":["a"]}`)
	s.want(t, 204, "ga", "PATCH", one, `{"id":"`+strings.ToUpper(id)+`"}`)
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"id":"{a}","displayName":"renamed"}`)
	if got := s.want(t, 200, "ga", "GET", one, "")["subject"]; got != "other" {
		t.Errorf("the subject is %v", got)
	}
	for _, body := range []string{`{"id":"11111111-1111-4111-8111-111111111111"}`, `{"id":null}`, `{"id":7}`, `{"id":""}`, `{"id":["` + id + `"]}`} {
		s.want(t, 400, "ga", "PATCH", one, body)
	}
	s.want(t, 400, "ga", "POST", path, `{"id":"`+id+`","name":"two","issuer":"https://issuer.test","subject":"two","audiences":["a"]}`)
	s.want(t, 400, "ga", "PATCH", "applications/{a}", `{"createdDateTime":"2020-01-01T00:00:00Z"}`)
}
