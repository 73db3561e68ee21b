package midastest_test

import (
	"io"
	"net/http"
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
