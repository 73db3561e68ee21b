package login_test

import (
	"testing"
)

// TestScopesAreNotResources sends a scope where the older endpoints take a resource.
func TestScopesAreNotResources(t *testing.T) {
	f := newFixtureWithUsers(t)
	for _, resource := range []string{"https://vault.azure.net/.default", "https://vault.azure.net//.Default", "6dae42f8-4368-4678-94ff-3960e28e3630/.default", "/.default", ".default", "https://vault.azure.net/.default/", "https://vault.azure.net/.default//"} {
		f.refused(t, f.post(tokenV1, clientCredentialsForm("scope", "", "resource", resource)), 400, 500011)
		f.refused(t, f.post("/adfs/oauth2/token", clientCredentialsForm("scope", "", "resource", resource)), 400, 500011)
		f.refused(t, f.post(tokenV1, passwordForm("scope", "", "resource", resource)), 400, 500011)
	}
	f.granted(t, f.post(tokenV1, clientCredentialsForm("scope", "", "resource", "https://vault.azure.net/default")))
}
