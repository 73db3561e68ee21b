package graph_test

import (
	"strings"
	"testing"
)

// What an application requires and what it publishes is checked, because consent reads it.
func TestPermissionsOfApplicationsAreChecked(t *testing.T) {
	s := populated(t)
	const id, other = `"aaaaaaaa-0000-4000-8000-00000000000a"`, `"bbbbbbbb-0000-4000-8000-00000000000b"`
	access := func(one string) string {
		return `{"requiredResourceAccess":[{"resourceAppId":"00000003-0000-0000-c000-000000000000","resourceAccess":[` + one + `]}]}`
	}
	scopes := func(all ...string) string {
		return `{"api":{"oauth2PermissionScopes":[` + strings.Join(all, ",") + `]}}`
	}
	one := `{"id":` + id + `,"value":"one","type":"User","isEnabled":true,"adminConsentDisplayName":"x","adminConsentDescription":"x"}`
	for _, bad := range []string{
		access(`{"id":"x","type":"Scope"}`), access(`{"id":` + id + `,"type":"Other"}`), access(`{"id":` + id + `}`), access(`5`),
		`{"requiredResourceAccess":[{"resourceAccess":[]}]}`,
		scopes(one, one), scopes(one, `{"id":`+other+`,"value":"ONE"}`), scopes(`{"id":"x","value":"two"}`), scopes(`{"value":"two"}`),
		scopes(`{"id":` + other + `,"value":"a b"}`), scopes(`{"id":` + other + `,"value":"two","type":"All"}`), `{"api":{"oauth2PermissionScopes":"x"}}`,
		`{"api":{"knownClientApplications":["x"]}}`, `{"api":{"preAuthorizedApplications":[{"appId":"x"}]}}`,
		`{"api":{"preAuthorizedApplications":[{"appId":` + id + `,"delegatedPermissionIds":["y"]}]}}`,
		`{"displayName":null}`, `{"displayName":""}`,
	} {
		if got := s.want(t, 400, "ga", "PATCH", "applications/{a}", bad).error(); got != "Request_BadRequest" {
			t.Errorf("%s: %s", bad, got)
		}
	}
	for _, good := range []string{
		access(`{"id":` + id + `,"type":"Scope"},{"id":` + other + `,"type":"Role"}`), `{"requiredResourceAccess":[]}`, `{"requiredResourceAccess":null}`,
		scopes(one, `{"id":`+other+`,"value":"two"}`), scopes(), `{"api":null}`, `{"api":{"knownClientApplications":[` + id + `]}}`,
		`{"api":{"preAuthorizedApplications":[{"appId":` + id + `,"delegatedPermissionIds":[` + other + `]}]}}`,
	} {
		s.want(t, 204, "ga", "PATCH", "applications/{a}", good)
	}
	s.want(t, 400, "ga", "PATCH", "users/{u}", `{"displayName":null}`)
	s.want(t, 400, "ga", "PATCH", "groups/{g}", `{"displayName":""}`)
}

// Microsoft's service principals and those of managed identities exist, although they have no application.
func TestServicePrincipalsWithoutApplicationExist(t *testing.T) {
	s := populated(t)
	identity := s.want(t, 200, "ga", "GET", "servicePrincipals/{nobody}", "")["appId"].(string)
	for _, appID := range []string{"00000003-0000-0000-c000-000000000000", "00000003-0000-0000-C000-000000000000", identity} {
		got := s.want(t, 409, "ga", "POST", "servicePrincipals", `{"appId":"`+appID+`"}`)
		if got.error() != "Request_MultipleObjectsWithSameKeyValue" {
			t.Errorf("%s: %v", appID, got)
		}
	}
	owned := s.want(t, 200, "ga", "GET", "servicePrincipals"+query("$filter", "appOwnerOrganizationId eq f8cdef31-a31e-4b4a-93e4-5f571e91255a"), "")
	if got := owned.values("appDisplayName"); len(got) != 3 || got[0] != "Microsoft Graph" {
		t.Errorf("Microsoft's: %v", got)
	}
	if got := s.want(t, 200, "ga", "GET", "servicePrincipals/{nobody}", ""); got["appOwnerOrganizationId"] != nil || got["appDisplayName"] != nil {
		t.Errorf("%v", got)
	}
	if got := s.want(t, 400, "ga", "POST", "servicePrincipals", `{"appId":"aaaaaaaa-0000-4000-8000-00000000000a"}`); got.error() != "NoBackingApplicationObject" {
		t.Errorf("%v", got)
	}
}
