//go:build e2e

package e2e

import "testing"

// az provider shows what the server serves, and registers and unregisters it; az group export makes a template.
func TestAzureCLIProviderCommands(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	w.want(t, "Registered", "registrationState", "provider", "show", "-n", "Microsoft.Web")
	w.want(t, "true", "contains([].namespace, 'Microsoft.Storage')", "provider", "list")
	w.az(t, "provider", "unregister", "-n", "Microsoft.Web", "--wait")
	w.want(t, "Unregistered", "registrationState", "provider", "show", "-n", "Microsoft.Web")
	w.az(t, "provider", "register", "-n", "Microsoft.Web", "--wait")
	w.want(t, "Registered", "registrationState", "provider", "show", "-n", "Microsoft.Web")
	w.want(t, "true", "contains(resourceTypes[].name, 'sites')", "provider", "operation", "show", "-n", "Microsoft.Web")

	// az resource chooses the api-version from the provider's description.
	w.az(t, "group", "create", "-n", "exported", "-l", "eastus")
	w.want(t, "Microsoft.Web/sites", "type", "resource", "create", "-g", "exported", "-n", "site", "--resource-type", "Microsoft.Web/sites", "--properties", "{}")
	w.want(t, "site", "name", "resource", "show", "-g", "exported", "-n", "site", "--resource-type", "Microsoft.Web/sites")
	w.want(t, "[parameters('sites_site_name')]", "resources[0].name", "group", "export", "-n", "exported")
	w.az(t, "group", "delete", "-n", "exported", "--yes")
}
