package state_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"midas/internal/state"
)

func export(t testing.TB, s *state.Server, scope string) string {
	t.Helper()
	return exported(t, s, scope, false)
}

// exported is the text of an export, with or without ids.
func exported(t testing.TB, s *state.Server, scope string, ids bool) string {
	t.Helper()
	e, err := s.Export(t.Context(), scope, ids)
	if err != nil {
		t.Fatal(err)
	}
	text, err := e.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestExportBuildsTheSameServer(t *testing.T) {
	s, _ := serve(t)
	apply(t, s, read(t, "testdata/all.yaml"), state.Options{Secrets: state.NewSecrets()})
	first := export(t, s, "")
	if p := plan(t, s, first, state.Options{}); len(p.Steps) != 0 {
		t.Errorf("its own export would change the server:\n%s\n%s", lines(t, p), first)
	}
	other, _ := serve(t)
	apply(t, other, first, state.Options{Secrets: state.NewSecrets()})
	if second := export(t, other, ""); second != first {
		t.Errorf("the export of the second server is\n%s\nnot\n%s", second, first)
	}
	if strings.Contains(first, s.SubscriptionID) || strings.Contains(first, "administrator") {
		t.Errorf("the export has ids of its server:\n%s", first)
	}
	if group := export(t, s, "resourceGroups/rg1"); strings.Contains(group, "userPrincipalName") || !strings.Contains(group, "web1") {
		t.Errorf("the export of a group:\n%s", group)
	}
}

// az has what Azure CLI prints: flat entries, nulls, and the ids of a real subscription.
const (
	azIdentities = `[{"clientId": "30000000-0000-4000-8000-000000000001", "id": "/subscriptions/20000000-0000-4000-8000-000000000002/resourcegroups/prod/providers/Microsoft.ManagedIdentity/userAssignedIdentities/api", "location": "westeurope", "name": "api", "principalId": "30000000-0000-4000-8000-000000000002", "resourceGroup": "prod", "systemData": null, "tags": {}, "tenantId": "20000000-0000-4000-8000-000000000001", "type": "Microsoft.ManagedIdentity/userAssignedIdentities"}]`
	azMachines   = `[{"additionalCapabilities": null, "hardwareProfile": {"vmSize": "Standard_B1s", "vmSizeProperties": null}, "id": "/subscriptions/20000000-0000-4000-8000-000000000002/resourceGroups/PROD/providers/Microsoft.Compute/virtualMachines/web", "identity": {"principalId": "30000000-0000-4000-8000-000000000003", "tenantId": "20000000-0000-4000-8000-000000000001", "type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {"/subscriptions/20000000-0000-4000-8000-000000000002/resourceGroups/prod/providers/Microsoft.ManagedIdentity/userAssignedIdentities/api": {"clientId": "30000000-0000-4000-8000-000000000001", "principalId": "30000000-0000-4000-8000-000000000002"}}}, "location": "westeurope", "name": "web", "networkProfile": {"networkInterfaces": [{"id": "/subscriptions/20000000-0000-4000-8000-000000000002/resourceGroups/prod/providers/Microsoft.Network/networkInterfaces/web", "resourceGroup": "prod"}]}, "provisioningState": "Succeeded", "resourceGroup": "PROD", "resources": null, "tags": null, "type": "Microsoft.Compute/virtualMachines", "vmId": "30000000-0000-4000-8000-000000000009", "zones": null}]`
	azRoles      = `[{"condition": null, "conditionVersion": null, "createdBy": null, "description": null, "id": "/subscriptions/20000000-0000-4000-8000-000000000002/providers/Microsoft.Authorization/roleAssignments/30000000-0000-4000-8000-000000000004", "name": "30000000-0000-4000-8000-000000000004", "principalId": "30000000-0000-4000-8000-000000000002", "principalName": "30000000-0000-4000-8000-000000000001", "principalType": "ServicePrincipal", "roleDefinitionId": "/subscriptions/20000000-0000-4000-8000-000000000002/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7", "roleDefinitionName": "Reader", "scope": "/subscriptions/20000000-0000-4000-8000-000000000002/resourceGroups/prod", "type": "Microsoft.Authorization/roleAssignments"},
{"id": "/subscriptions/20000000-0000-4000-8000-000000000002/providers/Microsoft.Authorization/roleAssignments/30000000-0000-4000-8000-000000000005", "principalId": "30000000-0000-4000-8000-000000000006", "principalName": "anna@contoso.com", "principalType": "User", "roleDefinitionId": "/subscriptions/20000000-0000-4000-8000-000000000002/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7", "roleDefinitionName": "Reader", "scope": "/subscriptions/20000000-0000-4000-8000-000000000002", "type": "Microsoft.Authorization/roleAssignments"}]`
)

func TestOutputOfAzureCLIIsBuiltLocally(t *testing.T) {
	e, err := state.FromAzure([]state.File{{Name: "i.json", Text: []byte(azIdentities)}, {Name: "m.json", Text: []byte(azMachines)}, {Name: "r.json", Text: []byte(azRoles)}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := e.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "20000000-") {
		t.Errorf("ids of Azure are left:\n%s", text)
	}
	s, _ := serve(t)
	if r := apply(t, s, string(text), state.Options{}); r.Created != 6 {
		t.Errorf("%+v from\n%s", r, text)
	}
	if p := plan(t, s, string(text), state.Options{}); len(p.Steps) != 0 {
		t.Errorf("the second run would change:\n%s", lines(t, p))
	}
}

// many is a declaration of about n objects.
func many(n int) string {
	var b strings.Builder
	b.WriteString("location: eastus\nresourceGroups:\n")
	groups := n / 100
	for g := range groups {
		fmt.Fprintf(&b, "- {name: rg%d}\n", g)
	}
	b.WriteString("identities:\n")
	for i := range n * 6 / 10 {
		fmt.Fprintf(&b, "- {name: app%d, resourceGroup: rg%d, tags: {n: %d}", i, i%groups, i)
		if i%10 == 0 {
			b.WriteString(", federatedCredentials: [{name: github, properties: {issuer: 'https://token.actions.githubusercontent.com', subject: s}}]")
		}
		b.WriteString("}\n")
	}
	b.WriteString("resources:\n")
	for i := range n / 10 {
		fmt.Fprintf(&b, "- {type: Microsoft.Compute/virtualMachines, name: vm%d, resourceGroup: rg%d, identity: {type: UserAssigned, userAssignedIdentities: [app%d]}}\n", i, i%groups, i)
	}
	b.WriteString("roleAssignments:\n")
	for i := range n * 2 / 10 {
		fmt.Fprintf(&b, "- {role: Reader, principal: {identity: rg%d/app%d}, scope: resourceGroups/rg%d}\n", i%groups, i, i%groups)
	}
	return b.String()
}

func TestTenThousandObjectsChangeNothingTheSecondTime(t *testing.T) {
	if testing.Short() {
		t.Skip("10,000 objects")
	}
	s, wire := serve(t)
	text := many(10_000)
	begin := time.Now()
	p := plan(t, s, text, state.Options{})
	r, err := p.Apply(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d objects created in %s", r.Created, time.Since(begin))
	if r.Created < 9_000 {
		t.Errorf("%+v", r)
	}
	writes, all, begin := wire.writes.Load(), wire.all.Load(), time.Now()
	if p := plan(t, s, text, state.Options{}); len(p.Steps) != 0 {
		t.Errorf("the second run would make %d changes", len(p.Steps))
	}
	t.Logf("compared in %s with %d requests", time.Since(begin), wire.all.Load()-all)
	if n := wire.all.Load() - all; n > int64(r.Created)/10 { // pages of lists, and one list for each identity with credentials
		t.Errorf("%d requests to compare %d objects", n, r.Created)
	}
	begin = time.Now()
	exported := export(t, s, "")
	t.Logf("exported in %s", time.Since(begin))
	if p := plan(t, s, exported, state.Options{}); len(p.Steps) != 0 {
		t.Errorf("the export would make %d changes, such as %s", len(p.Steps), p.Steps[0].Line())
	}
	if n := wire.writes.Load() - writes; n != 0 {
		t.Errorf("%d writes", n)
	}
}
