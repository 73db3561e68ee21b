package rbac_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/rbac"
	"midas/internal/rbac/action"
)

// azureRoles returns Azure's roles of August 2023, by GUID.
func azureRoles(t *testing.T) map[string]rbac.Definition {
	raw, err := os.ReadFile("../../../shared/azure/builtin-roles-2023-08.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the shared folder with Azure's answer is not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Value []struct {
			Name       string
			Properties struct {
				RoleName, Type       string
				AssignableScopes     []string
				Permissions          []rbac.Permission
				CreatedOn, UpdatedOn time.Time
			}
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	roles := make(map[string]rbac.Definition)
	for _, r := range answer.Value {
		roles[r.Name] = rbac.Definition{
			ID: r.Name, RoleName: r.Properties.RoleName, Type: r.Properties.Type,
			AssignableScopes: r.Properties.AssignableScopes, Permissions: r.Properties.Permissions,
			CreatedOn: r.Properties.CreatedOn, UpdatedOn: r.Properties.UpdatedOn,
		}
	}
	if len(roles) != 430 {
		t.Fatalf("Azure's answer has %d roles, want 430", len(roles))
	}
	return roles
}

// since2023 applies the later changes to Azure's roles of August 2023. It is the list of the table's
// differences.
func since2023(roles map[string]rbac.Definition) {
	const uai = "Microsoft.ManagedIdentity/userAssignedIdentities/"

	// The name lost its " (Preview)" when the role was released.
	admin := roles["f58310d9-a9f6-439a-9e8d-f62e7b41a168"]
	admin.RoleName = "Role Based Access Control Administrator"
	roles[admin.ID] = admin

	// Later: deny settings of deployment stacks, and the state of subscriptions.
	everything := roles["b24988ac-6180-42a0-ab88-20f7382dd24c"]
	everything.Permissions[0].NotActions = append(everything.Permissions[0].NotActions,
		"Microsoft.Resources/deploymentStacks/manageDenySetting/action", "Microsoft.Subscription/cancel/action", "Microsoft.Subscription/enable/action")
	roles[everything.ID] = everything

	// April 2024: federated credentials and revokeTokens.
	contributor := roles["e40ec5ca-96e0-45a2-b4ff-59039f2c2b59"]
	old := contributor.Permissions[0].Actions
	contributor.Permissions[0].Actions = append([]string{
		old[0], old[1], old[2],
		uai + "federatedIdentityCredentials/read", uai + "federatedIdentityCredentials/write", uai + "federatedIdentityCredentials/delete",
		uai + "revokeTokens/action",
	}, old[3:]...)
	contributor.UpdatedOn = time.Date(2024, 4, 2, 15, 41, 8, 379e6, time.UTC)
	roles[contributor.ID] = contributor

	// March 2025: a new role.
	const id = "7e559ce2-48d7-4b27-9128-fa1b247f1308"
	created := time.Date(2025, 3, 25, 15, 25, 6, 586e6, time.UTC)
	roles[id] = rbac.Definition{
		ID: id, RoleName: "Managed Identity Federated Identity Credential Contributor", Type: rbac.BuiltInRole,
		AssignableScopes: []string{"/"}, CreatedOn: created, UpdatedOn: created,
		Permissions: []rbac.Permission{{Actions: []string{
			uai + "read",
			uai + "federatedIdentityCredentials/write", uai + "federatedIdentityCredentials/read", uai + "federatedIdentityCredentials/delete",
			"Microsoft.Authorization/*/read", "Microsoft.Insights/alertRules/*",
			"Microsoft.Resources/subscriptions/resourceGroups/read", "Microsoft.Resources/deployments/*",
		}}},
	}
}

func TestBuiltInRolesMatchAzure(t *testing.T) {
	azure := azureRoles(t)
	since2023(azure)
	if ours := rbac.Definitions(); len(ours) != len(azure) {
		t.Errorf("%d roles, and Azure has %d", len(ours), len(azure))
	}
	for _, got := range rbac.Definitions() {
		want, known := azure[got.ID]
		if !known {
			t.Errorf("Azure has no role %s (%s)", got.ID, got.RoleName)
			continue
		}
		want.Description = got.Description
		if diff := cmp.Diff(normal(want), normal(got)); diff != "" {
			t.Errorf("%s (-azure +midas):\n%s", got.RoleName, diff)
		}
	}
}

// normal makes empty lists nil.
func normal(d rbac.Definition) rbac.Definition {
	for i, p := range d.Permissions {
		for _, list := range []*[]string{&p.Actions, &p.NotActions, &p.DataActions, &p.NotDataActions} {
			if len(*list) == 0 {
				*list = nil
			}
		}
		d.Permissions[i] = p
	}
	return d
}

func TestDocumentedRolesExist(t *testing.T) {
	byName := make(map[string]rbac.Definition)
	for _, d := range rbac.Definitions() {
		if d.CreatedOn.IsZero() || d.UpdatedOn.Before(d.CreatedOn) {
			t.Errorf("%s lacks a date", d.RoleName)
		}
		for _, p := range d.Permissions {
			for _, pattern := range slices.Concat(p.Actions, p.NotActions, p.DataActions, p.NotDataActions) {
				if err := action.Check(pattern); err != nil {
					t.Errorf("%s: %v", d.RoleName, err)
				}
			}
		}
		if found, ok := rbac.DefinitionByID(d.ID); !ok || found.RoleName != d.RoleName {
			t.Errorf("DefinitionByID(%s) gives %q", d.ID, found.RoleName)
		}
		if _, twice := byName[d.RoleName]; twice {
			t.Errorf("%s is a duplicate", d.RoleName)
		}
		byName[d.RoleName] = d
	}
	for _, name := range []string{
		"Owner", "Contributor", "Reader", "User Access Administrator", "Role Based Access Control Administrator",
		"Managed Identity Contributor", "Managed Identity Operator", "Virtual Machine Contributor", "Azure Connected Machine Onboarding",
		"Storage Blob Data Owner", "Storage Blob Data Contributor", "Storage Blob Data Reader",
		"Key Vault Administrator", "Key Vault Secrets User", "Key Vault Reader",
		"Monitoring Reader", "Tag Contributor", "Network Contributor", "AcrPull", "AcrPush",
	} {
		if d, ok := byName[name]; !ok || d.Description == "" {
			t.Errorf("%s or its description is missing", name)
		}
	}
	if byName["Owner"].ID != rbac.OwnerID {
		t.Errorf("OwnerID is %s, but Owner is %s", rbac.OwnerID, byName["Owner"].ID)
	}
	if _, ok := rbac.DefinitionByID("00000000-0000-0000-0000-000000000000"); ok {
		t.Error("there is a role with the nil guid")
	}
}
