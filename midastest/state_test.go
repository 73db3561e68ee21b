package midastest_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"midas"
	"midas/midastest"
)

const declared = `
location: eastus
resourceGroups: [{name: rg1}]
identities: [{name: app, resourceGroup: rg1, tags: {a: b}}]
users: [{userPrincipalName: anna}]
roleAssignments: [{role: Reader, principal: {identity: rg1/app}, scope: resourceGroups/rg1}]
`

func TestServerBeginsWithItsDeclaredState(t *testing.T) {
	srv := midastest.Start(t, midastest.Lab(), midastest.State(declared))
	req, err := http.NewRequest(http.MethodGet, srv.Endpoint+"/subscriptions/"+srv.SubscriptionID+"/resourceGroups/rg1/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app?api-version=2024-11-30", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+srv.Token(t, midastest.Management))
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"tags":{"a":"b"}`) {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
}

func TestServerBeginsWithFixedIDs(t *testing.T) {
	const state = `
location: eastus
resourceGroups: [{name: rg1}]
identities: [{name: app, resourceGroup: rg1, properties: {principalId: 3a000000-0000-4000-8000-000000000001, clientId: 3a000000-0000-4000-8000-000000000002}}]
applications: [{displayName: ci, appId: 3a000000-0000-4000-8000-000000000004, passwordCredentials: [{displayName: test, secretText: a-secret-that-tests-know}]}]
roleAssignments: [{role: Reader, principal: {id: 3a000000-0000-4000-8000-000000000001}, scope: resourceGroups/rg1}]
`
	srv := midastest.Start(t, midastest.Lab(), midastest.State(state))
	resp, err := srv.Client().PostForm(srv.Endpoint+"/"+srv.TenantID+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {"3a000000-0000-4000-8000-000000000004"}, "client_secret": {"a-secret-that-tests-know"}, "scope": {"https://management.azure.com/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the application of the file: %s", resp.Status)
	}
	_, err = midas.Start(t.Context(), midas.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Store: "memory:", StateText: state})
	if err == nil || !strings.Contains(err.Error(), `state:4:72: "principalId" can be fixed only on a server with --lab.`) {
		t.Errorf("a server without --lab: %v", err)
	}
}

func TestServerDoesNotStartWithAWrongState(t *testing.T) {
	_, err := midas.Start(t.Context(), midas.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Store: "memory:", StateText: "identities: [{name: app, resourceGroup: rg1}]"})
	if err == nil || !strings.Contains(err.Error(), `declared state: state:1:14: The resource group "/subscriptions/`) {
		t.Errorf("started with %v", err)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		server, err := midas.Start(b.Context(), midas.Config{Data: b.TempDir(), Listen: "127.0.0.1:0", Store: "memory:", Lab: true, StateText: declared})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := server.Close(); err != nil {
			b.Error(err)
		}
		b.StartTimer()
	}
}
