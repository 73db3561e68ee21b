package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	gitHub     = "https://token.actions.githubusercontent.com"
	credential = "applications/{a}/federatedIdentityCredentials"
)

// flexible is the body of a flexible credential.
func flexible(name, issuer, text string) string {
	value, _ := json.Marshal(text)
	return fmt.Sprintf(`{"name":%q,"issuer":%q,"audiences":["api://AzureADTokenExchange"],"claimsMatchingExpression":{"value":%s,"languageVersion":1}}`, name, issuer, value)
}

// TestFlexibleCredentialsAreOfTheBetaVersion sends the request of Microsoft's page on flexible credentials, and reads
// the credential in both versions.
func TestFlexibleCredentialsAreOfTheBetaVersion(t *testing.T) {
	s := populated(t)
	const text = "claims['sub'] matches 'repo:contoso/contoso-repo:ref:refs/heads/*' and claims['repository_id'] eq '456789'"
	made := s.want(t, 201, "ga", "POST", "/beta/"+credential, flexible("FlexFic1", gitHub, text))
	want := map[string]any{"value": text, "languageVersion": 1.0}
	if made["subject"] != nil || !cmp.Equal(made["claimsMatchingExpression"], any(want)) {
		t.Errorf("made %v", made)
	}
	got := s.want(t, 200, "ga", "GET", "/beta/"+credential+"(name='FlexFic1')", "")
	if !cmp.Equal(got["claimsMatchingExpression"], any(want)) {
		t.Errorf("beta: %v", got)
	}
	for _, version := range []string{"/v1.0/", "/beta/"} {
		list := s.want(t, 200, "ga", "GET", version+credential, "")
		one := list["value"].([]any)[0].(map[string]any)
		_, shown := one["claimsMatchingExpression"]
		if subject, has := one["subject"]; !has || subject != nil || shown != (version == "/beta/") {
			t.Errorf("%s: %v", version, one)
		}
	}
	s.want(t, 400, "ga", "GET", "/v1.0/"+credential+query("$select", "claimsMatchingExpression"), "")
	s.want(t, 200, "ga", "GET", "/beta/"+credential+query("$select", "claimsMatchingExpression"), "")
	s.want(t, 400, "ga", "POST", "/v1.0/"+credential, flexible("FlexFic2", gitHub, "claims['sub'] eq 'a'"))
	s.want(t, 201, "ga", "POST", "/v1.0/"+credential, `{"name":"plain","issuer":"https://issuer.test","subject":"s","audiences":["a"],"claimsMatchingExpression":null}`)
	s.want(t, 204, "ga", "PATCH", "/v1.0/"+credential+"/FlexFic1", `{"description":"d"}`)
	if got := s.want(t, 200, "ga", "GET", "/beta/"+credential+"/FlexFic1", ""); !cmp.Equal(got["claimsMatchingExpression"], any(want)) || got["description"] != "d" {
		t.Errorf("after a change in version 1.0: %v", got)
	}
}

func TestFlexibleCredentialsThatAreRefused(t *testing.T) {
	s := populated(t)
	const sub = "claims['sub'] matches 'repo:a/*'"
	s.want(t, 201, "ga", "POST", "/beta/"+credential, flexible("first", gitHub, sub))
	s.want(t, 201, "ga", "POST", "/beta/"+credential, flexible("second", gitHub, "claims['sub'] matches 'repo:b/*'"))
	s.want(t, 201, "ga", "POST", "/beta/"+credential, flexible("other-issuer", "https://gitlab.contoso.test", sub))
	const invalid = "InvalidFederatedIdentityCredentialValue"
	with := func(old, changed string) string {
		return strings.Replace(flexible("third", gitHub, "claims['sub'] eq 'x'"), old, changed, 1)
	}
	for _, r := range []struct{ body, code, text string }{
		{flexible("third", gitHub, sub), invalid, "combination of issuer and claims matching expression must be unique"},
		{flexible("third", gitHub, "claims['sub'] matches 'repo:a/*'."), invalid, "The FederatedIdentityCredential.ClaimsMatchingExpression.Value is invalid. Rule exception: at character 33"},
		{flexible("third", gitHub, "claims['sub'] eq 'a' and claims['actor'] eq 'b'"), invalid, "Rule exception: Expression configured for issuer '" + gitHub + "' either lacks all required claims or contains unallowed claims. paramName: FederatedIdentityCredential.ClaimsMatchingExpression.Value, paramValue: claims['sub'] eq 'a' and"},
		{flexible("third", gitHub, "claims['sub'] matches '*'"), invalid, "matches every token"},
		{flexible("third", gitHub, ""), invalid, "empty"},
		{with(`"languageVersion":1`, `"languageVersion":2`), invalid, "language version"},
		{with(`,"languageVersion":1`, ``), invalid, "language version"},
		{with(`"languageVersion":1`, `"languageVersion":"1"`), "Request_BadRequest", "claimsMatchingExpression"},
		{with(`"languageVersion":1`, `"languageVersion":null`), "Request_BadRequest", "claimsMatchingExpression"},
		{with(`"languageVersion":1`, `"languageVersion":1,"other":1`), "Request_BadRequest", "other"},
		{with(`"name"`, `"subject":"s","name"`), invalid, "subject must be null"},
		{`{"name":"third","issuer":"https://issuer.test","audiences":["a"],"claimsMatchingExpression":"claims['sub'] eq 'a'"}`, "Request_BadRequest", "claimsMatchingExpression"},
		{`{"name":"third","issuer":"https://issuer.test","audiences":["a"],"claimsMatchingExpression":null}`, invalid, "subject"},
	} {
		got := s.want(t, 400, "ga", "POST", "/beta/"+credential, r.body)
		if text := fmt.Sprint(got["error"].(map[string]any)["message"]); got.error() != r.code || !strings.Contains(text, r.text) {
			t.Errorf("%s: %s %s", r.body, got.error(), text)
		}
	}
	s.want(t, 400, "ga", "PATCH", "/beta/"+credential+"/second", `{"claimsMatchingExpression":{"value":"`+sub+`","languageVersion":1}}`)
	s.want(t, 400, "ga", "PATCH", "/beta/"+credential+"/second", `{"subject":"s"}`)
	s.want(t, 400, "ga", "PATCH", "/v1.0/"+credential+"/second", `{"subject":"s"}`)
	s.want(t, 204, "ga", "PATCH", "/beta/"+credential+"/second", `{"subject":"s","claimsMatchingExpression":null}`)
	s.want(t, 204, "ga", "PATCH", "/beta/"+credential+"/second", `{"subject":null,"claimsMatchingExpression":{"@odata.type":"#microsoft.graph.federatedIdentityExpression","value":"claims['sub'] eq 's'","languageVersion":1}}`)
	if names := s.want(t, 200, "ga", "GET", "/beta/"+credential, "").values("name"); !cmp.Equal(names, []string{"first", "second", "other-issuer"}) {
		t.Errorf("%v", names)
	}
}

// TestFederatedCredentialIsUpsertedByName sends the requests of Graph's upsert. The name is the alternate key.
func TestFederatedCredentialIsUpsertedByName(t *testing.T) {
	s := populated(t)
	const byName = "applications(appId='{a.appid}')/federatedIdentityCredentials(name='fic01-app')"
	const prefer = "Prefer: return=minimal, Create-If-Missing"
	body := func(subject string) string {
		return `{"issuer":"https://issuer.test/","subject":"` + subject + `","audiences":["api://AzureADTokenExchange"]}`
	}
	for _, version := range []string{"/v1.0/", "/beta/"} {
		s.want(t, 404, "ga", "PATCH", version+byName, body("one"))
		s.want(t, 404, "ga", "PATCH", version+credential+"/fic01-app", body("one"), prefer) // not by the name
		s.want(t, 400, "ga", "PATCH", version+byName, `{"subject":"one"}`, prefer)
		s.want(t, 400, "ga", "PATCH", version+byName, `{"name":"other",`+body("one")[1:], prefer)
		s.want(t, 403, "member", "PATCH", version+byName, body("one"), prefer)
		made := s.want(t, 201, "ga", "PATCH", version+byName, body("one"), prefer)
		if made["name"] != "fic01-app" || made["subject"] != "one" || made["id"] == "" {
			t.Errorf("%v", made)
		}
		s.want(t, 204, "ga", "PATCH", version+byName, body("two"), prefer)
		got := s.want(t, 200, "ga", "GET", version+credential+"(name='FIC01-APP')", "")
		if got["id"] != made["id"] || got["subject"] != "two" {
			t.Errorf("%v", got)
		}
		s.want(t, 200, "ga", "GET", version+credential+"(id='"+fmt.Sprint(made["id"])+"')", "")
		s.want(t, 404, "ga", "GET", version+credential+"(id='fic01-app')", "")
		s.want(t, 404, "ga", "GET", version+credential+"(name='"+fmt.Sprint(made["id"])+"')", "")
		s.want(t, 400, "ga", "GET", version+credential+"(subject='two')", "")
		s.want(t, 204, "ga", "DELETE", version+byName, "")
	}
	s.want(t, 400, "ga", "PATCH", "applications(appId='{a.appid}')/federatedIdentityCredentials(name='a%20b')", body("one"), prefer)
}

// A name may have the form of an id. It does not stand for the credential with that id.
func TestCredentialIsFoundByIDBeforeName(t *testing.T) {
	s := populated(t)
	post := func(name, subject string) string {
		return fmt.Sprint(s.want(t, 201, "ga", "POST", credential, `{"name":"`+name+`","issuer":"https://issuer.test","subject":"`+subject+`","audiences":["a"]}`)["id"])
	}
	first := post("first-1", "one")
	second := post("second-2", "two")
	s.want(t, 204, "ga", "DELETE", credential+"/first-1", "")
	post(second, "three")
	if got := s.want(t, 200, "ga", "GET", credential+"/"+second, ""); got["subject"] != "two" || first == second {
		t.Errorf("%v", got)
	}
}
