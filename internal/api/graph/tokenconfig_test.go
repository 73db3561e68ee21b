package graph_test

import (
	"encoding/json"
	"testing"
)

// TestTokenConfigurationIsChecked checks that tokens can follow what is stored, and that Graph returns the parts
// that were left out.
func TestTokenConfigurationIsChecked(t *testing.T) {
	s := populated(t)
	for _, body := range []string{
		`{"groupMembershipClaims":"Everything"}`, `{"groupMembershipClaims":"SecurityGroup,"}`, `{"groupMembershipClaims":["All"]}`, `{"groupMembershipClaims":1}`,
		`{"optionalClaims":"x"}`, `{"optionalClaims":[]}`, `{"optionalClaims":{"accessToken":{}}}`, `{"optionalClaims":{"accessToken":[{}]}}`,
		`{"optionalClaims":{"idToken":[{"name":"  "}]}}`, `{"optionalClaims":{"idToken":[{"name":1}]}}`, `{"optionalClaims":{"idToken":[{"name":"upn","additionalProperties":"x"}]}}`,
	} {
		s.want(t, 400, "ga", "PATCH", "applications/{a}", body)
	}
	for _, value := range []string{`"All"`, `"None"`, `"SecurityGroup, ApplicationGroup"`, `"DirectoryRole"`, `null`} {
		s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"groupMembershipClaims":`+value+`}`)
	}
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"optionalClaims":{"accessToken":[{"name":"ipaddr"},{"name":"aud","additionalProperties":["use_guid"],"essential":true,"source":null}]}}`)
	got, err := json.Marshal(s.want(t, 200, "ga", "GET", "applications/{a}?$select=optionalClaims", "")["optionalClaims"])
	must(t, err)
	const want = `{"accessToken":[{"additionalProperties":[],"essential":false,"name":"ipaddr","source":null},` +
		`{"additionalProperties":["use_guid"],"essential":true,"name":"aud","source":null}],"idToken":[],"saml2Token":[]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"optionalClaims":null}`)
	if got := s.want(t, 200, "ga", "GET", "applications/{a}?$select=optionalClaims", "")["optionalClaims"]; got != nil {
		t.Errorf("after null: %v", got)
	}
}
