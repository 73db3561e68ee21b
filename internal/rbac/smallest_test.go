package rbac_test

import (
	"strings"
	"testing"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// The suggestion for usual wishes is the role that administrators know as the least-privileged one.
func TestSmallestRoleForUsualWishes(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		action string
		data   bool
		want   string
	}{
		{"Microsoft.ManagedIdentity/userAssignedIdentities/read", false, "Reader"},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", false, "Managed Identity Operator"},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/write", false, "Managed Identity Contributor"},
		{"Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write", false, "Managed Identity Federated Identity Credential Contributor"},
		{"Microsoft.Authorization/roleAssignments/write", false, "Role Based Access Control Administrator"},
		{"Microsoft.Authorization/roleAssignments/read", false, "Reader"},
		{"Microsoft.Authorization/roleDefinitions/write", false, "User Access Administrator"},
		{"Microsoft.Compute/virtualMachines/read", false, "Reader"},
		{"Microsoft.Compute/virtualMachines/write", false, "Virtual Machine Contributor"},
		{"Microsoft.Compute/virtualMachines/delete", false, "Virtual Machine Contributor"},
		{"Microsoft.Compute/virtualMachines/runCommand/action", false, "Virtual Machine Contributor"},
		{"Microsoft.Compute/virtualMachines/start/action", false, "Desktop Virtualization Power On Contributor"},
		{"Microsoft.Resources/subscriptions/resourceGroups/read", false, "Reader"},
		{"Microsoft.Resources/tags/write", false, "Tag Contributor"},
		{"Microsoft.Storage/storageAccounts/read", false, "Reader"},
		{"Microsoft.Storage/storageAccounts/write", false, "Storage Account Contributor"},
		{"Microsoft.Storage/storageAccounts/listKeys/action", false, "Storage Account Key Operator Service Role"},
		{"Microsoft.KeyVault/vaults/read", false, "Reader"},
		{"Microsoft.KeyVault/vaults/write", false, "Key Vault Contributor"},
		{"Microsoft.Network/virtualNetworks/write", false, "Network Contributor"},
		{"Microsoft.Web/sites/write", false, "Website Contributor"},
		{"Microsoft.ContainerRegistry/registries/pull/read", false, "AcrPull"},
		{"Microsoft.ContainerService/managedClusters/listClusterUserCredential/action", false, "Azure Kubernetes Service Cluster User Role"},
		{"Microsoft.Management/managementGroups/write", false, "Management Group Contributor"},
		{"Contoso.Apps/things/read", false, "Reader"},
		{"Contoso.Apps/things/write", false, "Contributor"},
		{"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", true, "Storage Blob Data Reader"},
		{"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", true, "Storage Blob Data Contributor"},
		{"Microsoft.Storage/storageAccounts/queueServices/queues/messages/read", true, "Storage Queue Data Reader"},
		{"Microsoft.KeyVault/vaults/secrets/getSecret/action", true, "Key Vault Secrets User"},
		{"Microsoft.KeyVault/vaults/secrets/setSecret/action", true, "Key Vault Secrets Officer"},
		{"Microsoft.KeyVault/vaults/certificates/read", true, "Key Vault Reader"},
		{"Microsoft.ServiceBus/namespaces/messages/send/action", true, "Azure Service Bus Data Sender"},
		{"Microsoft.Compute/virtualMachines/login/action", true, "Virtual Machine User Login"},
	} {
		if got := b.smallest(t, test.action, test.data); got != test.want {
			t.Errorf("%s: %s, want %s", test.action, got, test.want)
		}
	}
	if got := b.smallest(t, "Contoso.Apps/things/read", true); got != "" {
		t.Errorf("%s has a data action that no role has", got)
	}
}

// Imported roles count: a newer and smaller role is suggested, and a role that allows the action on a condition is not.
func TestSmallestRoleKnowsImportedRoles(t *testing.T) {
	b := newBench(t)
	file := "[" + flat(newRole, "Thing Writer", "BuiltInRole", "Contoso.Apps/things/write", "2026-01-01T00:00:00.000000+00:00") + "]"
	if _, err := b.ImportDefinitions(t.Context(), strings.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	if got := b.smallest(t, "Contoso.Apps/things/write", false); got != "Thing Writer" {
		t.Errorf("it is %s", got)
	}
}

func (b *bench) smallest(t *testing.T, action string, data bool) string {
	t.Helper()
	var got rbac.Definition
	err := b.Store.View(t.Context(), func(tx store.Tx) (err error) {
		got, _, err = b.SmallestRole(tx, arm.Fold(action), data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got.RoleName
}
