//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Microsoft's article on user-assigned identities with curl signs in with Azure CLI, gets a token,
// and sends four requests to https://management.azure.com. These are its commands, in its order,
// in a shell in which Azure is Midas. What the article leaves open is in variables. That there is a
// resource group it takes for granted.
func TestArticleOnIdentitiesWithCurlComesTrue(t *testing.T) {
	need(t, "az", "bash", "curl")
	w := world(t)
	const article = `
set -euo pipefail
az login > /dev/null
TOKEN=$(az account get-access-token --query accessToken -o tsv)
az group create -n TestRG -l eastus > /dev/null
ask() { curl -sS -w '\n%{http_code}\n' "$@"; }
IDENTITIES="https://management.azure.com/subscriptions/$MIDAS_SUBSCRIPTION_ID/resourceGroups/TestRG/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
ask "$IDENTITIES/app?api-version=2015-08-31-preview" -X PUT -d '{"location": "eastus"}' -H "Content-Type: application/json" -H "Authorization: Bearer $TOKEN"
ask "$IDENTITIES?api-version=2015-08-31-preview" -H "Authorization: Bearer $TOKEN"
ask "$IDENTITIES/app?api-version=2015-08-31-preview" -X DELETE -H "Authorization: Bearer $TOKEN"
ask "$IDENTITIES?api-version=2015-08-31-preview" -H "Authorization: Bearer $TOKEN"
`
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done := w.person(t)
	cmd := w.command(ctx, "bash")
	cmd.Stdin = strings.NewReader(article)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	<-done
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 8 {
		t.Fatalf("%d lines:\n%s", len(lines), out)
	}
	var created struct {
		Name, Type, Location string
		Properties           struct{ TenantID, PrincipalID, ClientID, ClientSecretURL string }
	}
	if err := json.Unmarshal([]byte(lines[0]), &created); err != nil {
		t.Fatal(err)
	}
	if created.Name != "app" || created.Type != "Microsoft.ManagedIdentity/userAssignedIdentities" || created.Location != "eastus" ||
		created.Properties.TenantID != w.TenantID || len(created.Properties.PrincipalID) != 36 || len(created.Properties.ClientID) != 36 {
		t.Errorf("created %s", lines[0])
	}
	for i, want := range map[int]string{1: "201", 3: "200", 4: "", 5: "200", 6: `{"value":[]}`, 7: "200"} {
		if lines[i] != want {
			t.Errorf("line %d is %s, want %s", i, lines[i], want)
		}
	}
	if !strings.Contains(lines[2], `"name":"app"`) {
		t.Errorf("list %s", lines[2])
	}
}
