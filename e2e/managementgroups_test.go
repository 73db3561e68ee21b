//go:build e2e

package e2e

import (
	"os"
	"regexp"
	"testing"
)

// Azure CLI runs the az commands of docs/management-groups.md, az account management-group, and az account list.
func TestAzureCLIManagementGroups(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	page, err := os.ReadFile("../docs/management-groups.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^az .*$`).FindAllString(string(page), -1)
	if len(lines) != 5 {
		t.Fatalf("%d commands", len(lines))
	}
	for _, line := range lines {
		cmd := w.command(t.Context(), "sh", "-c", line)
		cmd.Env = append(cmd.Env, "MIDAS_SUBSCRIPTION_ID="+w.SubscriptionID)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", line, err, out)
		}
	}
	w.want(t, "team", "name", "account", "management-group", "create", "--name", "team", "--display-name", "Team")
	w.want(t, "child", "name", "account", "management-group", "create", "--name", "child", "--parent", "team")
	w.az(t, "account", "management-group", "subscription", "add", "--name", "child", "--subscription", w.SubscriptionID)
	w.want(t, w.SubscriptionID, "children[0].children[0].name", "account", "management-group", "show", "--name", "team", "-e", "-r")
	w.want(t, "2", "length(@)", "account", "management-group", "list")
	w.want(t, "Renamed", "displayName", "account", "management-group", "update", "--name", "child", "--display-name", "Renamed")
	w.az(t, "account", "management-group", "subscription", "remove", "--name", "child", "--subscription", w.SubscriptionID)
	w.az(t, "account", "management-group", "delete", "--name", "child")
	w.az(t, "account", "management-group", "delete", "--name", "team")
	w.want(t, "0", "length(@)", "account", "management-group", "list")
	w.want(t, "1", "length(@)", "account", "list", "--refresh")
}
