//go:build e2e

package e2e

import (
	"testing"
)

// az tag reads and writes tags as a resource of their own, and the tag names of a subscription.
func TestAzureCLITagCommands(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	w.want(t, "37.3719", "[?name=='eastus'].metadata.latitude | [0]", "account", "list-locations")
	group := w.query(t, "id", "group", "create", "-n", "tagged", "-l", "eastus")
	w.want(t, "blue", "properties.tags.team", "tag", "create", "--resource-id", group, "--tags", "team=blue", "env=dev")
	w.want(t, "test", "properties.tags.env", "tag", "update", "--resource-id", group, "--operation", "merge", "--tags", "env=test")
	w.want(t, "env", "keys(properties.tags) | join(' ', @)", "tag", "update", "--resource-id", group, "--operation", "delete", "--tags", "team=blue")
	w.want(t, "default", "name", "tag", "list", "--resource-id", group)
	w.want(t, "1", "[?tagName=='env'].count.value | [0]", "tag", "list")
	w.want(t, "cost", "tagName", "tag", "create", "--name", "cost")
	w.want(t, "7", "tagValue", "tag", "add-value", "--name", "cost", "--value", "7")
	w.az(t, "tag", "remove-value", "--name", "cost", "--value", "7")
	w.az(t, "tag", "delete", "--name", "cost", "--yes")
	w.az(t, "tag", "delete", "--resource-id", group, "--yes")
	w.want(t, "0", "length(tags || `{}`)", "group", "show", "-n", "tagged")
	w.az(t, "group", "delete", "-n", "tagged", "--yes")
}
