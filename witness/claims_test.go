package witness_test

import (
	"strings"
	"testing"

	"midas/midastest"
)

// claimsOf returns the claims of a token without verifying it.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a token: %q", token)
	}
	return decoded(t, parts[1])
}

// TestManagedIdentityTokensFollowTheResource checks the claims of a managed identity's tokens that depend on the
// audience: groups, which the registration of the resource asks for, and xms_mirid, which only Microsoft's
// resources get.
func TestManagedIdentityTokensFollowTheResource(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	agent := w.agent(t, w.vm(t, "web1", *identity.ID))
	app := w.graph(t, "POST", "/v1.0/applications", `{"displayName":"api","groupMembershipClaims":"SecurityGroup"}`)
	w.graph(t, "POST", "/v1.0/servicePrincipals", `{"appId":"`+app.text("appId")+`"}`)
	group := w.graph(t, "POST", "/v1.0/groups", `{"displayName":"g","mailEnabled":false,"mailNickname":"g","securityEnabled":true}`).text("id")
	w.graph(t, "POST", "/v1.0/groups/"+group+"/members/$ref",
		`{"@odata.id":"`+w.Endpoint+"/v1.0/directoryObjects/"+*identity.Properties.PrincipalID+`"}`)

	own := "api://" + app.text("appId")
	for audience, want := range map[string]struct{ groups, mirid bool }{
		own:                                         {groups: true},
		app.text("appId"):                           {groups: true},
		"api://nobody":                              {},
		"https://api.contoso.example":               {},
		midastest.Management:                        {mirid: true},
		midastest.Management + "/":                  {mirid: true},
		w.Endpoint:                                  {mirid: true},
		"https://graph.microsoft.com/":              {mirid: true},
		"https://vault.azure.net":                   {mirid: true},
		"https://x.vault.azure.net":                 {mirid: true},
		"https://vault.azure.net.evil.example":      {},
		"https://evil.example/vault.azure.net":      {},
		"00000003-0000-0000-c000-000000000000":      {mirid: true},
		"6dae42f8-4368-4678-94ff-3960e28e3630":      {mirid: true},
		"https://ossrdbms-aad.database.windows.net": {mirid: true},
	} {
		token, reason := imds(t, agent, audience, "")
		if token == "" {
			t.Errorf("%s: %s", audience, reason)
			continue
		}
		claims := claimsOf(t, token)
		if groups, _ := claims["groups"].([]any); (len(groups) == 1 && groups[0] == group) != want.groups || len(groups) > 1 {
			t.Errorf("%s: groups %v", audience, claims["groups"])
		}
		if id, _ := claims["xms_mirid"].(string); strings.EqualFold(id, *identity.ID) != want.mirid || !want.mirid && id != "" {
			t.Errorf("%s: xms_mirid %q", audience, id)
		}
	}
}
