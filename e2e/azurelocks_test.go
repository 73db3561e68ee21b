//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// Azure CLI creates, lists, changes and deletes locks, and shows the refusals of locks and of deny assignments. It has
// no commands for deny assignments, so they go through az rest.
func TestAzureCLILocksAndDenyAssignments(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	refused := func(want string, args ...string) {
		t.Helper()
		if out, errs, err := w.try(t, args...); err == nil || !strings.Contains(out+errs, want) {
			t.Errorf("az %s: %v\n%s%s\nwant %s", strings.Join(args, " "), err, out, errs, want)
		}
	}
	w.az(t, "group", "create", "--name", "locked", "--location", "eastus")
	w.az(t, "identity", "create", "--name", "app", "-g", "locked")
	resource := []string{"-g", "locked", "--resource-type", "Microsoft.ManagedIdentity/userAssignedIdentities", "--resource", "app"}
	w.want(t, "ReadOnly", "level", append([]string{"lock", "create", "--name", "keep", "--lock-type", "ReadOnly", "--notes", "mine"}, resource...)...)
	w.want(t, "CanNotDelete", "level", "lock", "create", "--name", "keep", "-g", "locked", "--lock-type", "CanNotDelete")
	w.want(t, "2", "length(@)", "lock", "list")
	w.want(t, "1", "length(@)", "lock", "list", "-g", "locked", "--filter-string", "atScope()")
	w.want(t, "mine", "notes", append([]string{"lock", "show", "--name", "keep"}, resource...)...)
	refused("ScopeLocked", "identity", "delete", "--name", "app", "-g", "locked")
	refused("ScopeLocked", "group", "delete", "--name", "locked", "--yes")
	w.want(t, "ReadOnly", "level", "lock", "update", "--name", "keep", "-g", "locked", "--lock-type", "ReadOnly")
	refused("ScopeLocked", "identity", "create", "--name", "other", "-g", "locked")
	w.az(t, append([]string{"lock", "delete", "--name", "keep"}, resource...)...)
	w.az(t, "lock", "delete", "--name", "keep", "-g", "locked")
	w.want(t, "0", "length(@)", "lock", "list")

	deny := "/subscriptions/" + w.SubscriptionID + "/resourceGroups/locked/providers/Microsoft.Authorization/denyAssignments/64b75d79-7a26-4341-944e-4f1a19f0e6ca?api-version=2024-07-01-preview"
	w.want(t, "Enforced", "properties.denyAssignmentEffect", "rest", "--method", "put", "--url", deny, "--body",
		`{"properties":{"denyAssignmentName":"stay","permissions":[{"actions":["Microsoft.ManagedIdentity/*/delete"]}],`+
			`"principals":[{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}],`+
			`"excludePrincipals":[{"id":"64b75d79-7a26-4341-944e-4f1a19f0e6cb","type":"User"}]}}`)
	refused("DenyAssignmentAuthorizationFailed", "identity", "delete", "--name", "app", "-g", "locked")
	w.az(t, "rest", "--method", "delete", "--url", deny)
	w.az(t, "identity", "delete", "--name", "app", "-g", "locked")
	w.az(t, "group", "delete", "--name", "locked", "--yes")
}
