package witness_test

import (
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armsubscriptions"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"midas/midastest"
)

// confidentialClient is an application with a secret, as Microsoft Graph makes it.
type confidentialClient struct{ object, client, principal, secret string }

func (w *world) confidential(t *testing.T, name string) confidentialClient {
	t.Helper()
	made := w.graph(t, "POST", "/v1.0/applications", `{"displayName":"`+name+`"}`)
	a := confidentialClient{object: made.text("id"), client: made.text("appId")}
	a.principal = w.graph(t, "POST", "/v1.0/servicePrincipals", `{"appId":"`+a.client+`"}`).text("id")
	a.secret = w.graph(t, "POST", "/v1.0/applications/"+a.object+"/addPassword", `{}`).text("secretText")
	return a
}

// revoked returns the object ids in the list of revocations, and the version of the list.
func (w *world) revoked(t *testing.T) (oids []string, version float64) {
	t.Helper()
	r, err := w.guard.Get(w.Endpoint + "/" + w.TenantID + "/discovery/v2.0/revocations")
	check(t, err)
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	check(t, err)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", r.StatusCode, text)
	}
	list := claimsOf(t, string(text))
	for _, entry := range list["revoked"].([]any) {
		oids = append(oids, entry.(map[string]any)["oid"].(string))
	}
	return oids, list["version"].(float64)
}

// TestRevokedApplicationGoesOnByTheChallenge disables an application and enables it again, which revokes its tokens.
// The SDK presents its old token, is challenged, and gets a new one; its user notices nothing.
func TestRevokedApplicationGoesOnByTheChallenge(t *testing.T) {
	w := start(t)
	app := w.confidential(t, "worker")
	credential := w.secret(t, w.TenantID, app.client, app.secret)
	long, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{managementScope}, EnableCAE: true})
	check(t, err)
	if left := time.Until(long.ExpiresOn); left < 19*time.Hour || left > 24*time.Hour {
		t.Errorf("the token is valid for %s", left)
	}
	if cc, _ := claimsOf(t, long.Token)["xms_cc"].([]any); !slices.Contains(cc, any("CP1")) {
		t.Errorf("xms_cc is %v", cc)
	}
	clients, err := armsubscriptions.NewClientFactory(credential, w.options())
	check(t, err)
	list := func() {
		t.Helper()
		pages(t, clients.NewTenantsClient().NewListPager(nil))
	}
	asked := func(status int) int {
		return w.guard.count(func(e exchange) bool { return e.Path == "/tenants" && e.Status == status })
	}
	list()
	w.graph(t, "PATCH", "/v1.0/servicePrincipals/"+app.principal, `{"accountEnabled":false}`)
	if oids, _ := w.revoked(t); !slices.Contains(oids, app.principal) {
		t.Errorf("a disabled application is not in the list: %v", oids)
	}
	w.graph(t, "PATCH", "/v1.0/servicePrincipals/"+app.principal, `{"accountEnabled":true}`)
	before := asked(http.StatusUnauthorized)
	list()
	if asked(http.StatusUnauthorized) != before+1 {
		t.Error("the old token was not challenged")
	}
	list()
	if asked(http.StatusUnauthorized) != before+1 {
		t.Error("the new token was challenged too")
	}
}

// TestEveryEndOfAnIdentityIsInTheList ends identities in all ways of ARM and reads the list directly afterwards.
func TestEveryEndOfAnIdentityIsInTheList(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	revoked, deleted, cascaded := w.identity(t, "rg", "revoked"), w.identity(t, "rg", "deleted"), w.identity(t, "rg", "cascaded")
	_, last := w.revoked(t)
	expect := func(what string, id armmsi.Identity) {
		t.Helper()
		oids, version := w.revoked(t)
		if !slices.Contains(oids, *id.Properties.PrincipalID) || version <= last {
			t.Errorf("%s: version %v after %v, %v", what, version, last, oids)
		}
		last = version
	}
	w.did(t, "POST", *revoked.ID+"/revokeTokens?api-version=2023-07-31-preview", "")
	expect("revokeTokens", revoked)
	_, err := w.msi(t).NewUserAssignedIdentitiesClient().Delete(t.Context(), "rg", "deleted", nil)
	check(t, err)
	expect("deletion", deleted)
	poller, err := w.resources(t).NewResourceGroupsClient().BeginDelete(t.Context(), "rg", nil)
	check(t, err)
	_, err = poller.PollUntilDone(t.Context(), nil)
	check(t, err)
	expect("deletion of the group", cascaded)
}

// TestResourceServerIntrospects has an unmodified client of RFC 7662.
func TestResourceServerIntrospects(t *testing.T) {
	w := start(t)
	api, caller := w.confidential(t, "api"), w.confidential(t, "caller")
	raw, err := w.secret(t, w.TenantID, caller.client, caller.secret).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"api://" + api.client + "/.default"}})
	check(t, err)
	issuer := w.Endpoint + "/" + w.TenantID + "/v2.0"
	introspect := func(as confidentialClient) *oidc.IntrospectionResponse {
		t.Helper()
		server, err := rs.NewResourceServerClientCredentials(t.Context(), issuer, as.client, as.secret, rs.WithClient(w.guard.Client))
		check(t, err)
		got, err := rs.Introspect[*oidc.IntrospectionResponse](t.Context(), server, raw.Token)
		check(t, err)
		return got
	}
	if got := introspect(api); !got.Active || got.ClientID != caller.client || got.Claims["oid"] != caller.principal || got.TokenType != "Bearer" || !slices.Contains(got.Audience, "api://"+api.client) {
		t.Errorf("the audience gets %+v", got)
	}
	if got := introspect(caller); got.Active {
		t.Errorf("another client gets %+v", got)
	}
	w.graph(t, "DELETE", "/v1.0/servicePrincipals/"+caller.principal, "")
	if got := introspect(api); got.Active {
		t.Errorf("the token of a deleted application: %+v", got)
	}
	if oids, _ := w.revoked(t); !slices.Contains(oids, caller.principal) {
		t.Errorf("a deleted application is not in the list: %v", oids)
	}
	server, err := rs.NewResourceServerClientCredentials(t.Context(), issuer, api.client, "wrong", rs.WithClient(w.guard.Client))
	check(t, err)
	if _, err := rs.Introspect[*oidc.IntrospectionResponse](t.Context(), server, w.Token(t, midastest.Management)); err == nil {
		t.Error("a wrong secret is accepted")
	}
}
