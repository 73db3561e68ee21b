//go:build e2e

package e2e

import (
	"testing"
)

// TestAzureCLIWorksOnTheDirectory walks through az ad: people, groups, applications.
func TestAzureCLIWorksOnTheDirectory(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	const name = "bob@midas.localhost"
	bob := w.query(t, "id", "ad", "user", "create", "--display-name", "Bob", "--password", "Correct-horse-2", "--user-principal-name", name)
	w.az(t, "ad", "user", "update", "--id", name, "--display-name", "Bobby")
	w.want(t, "Bobby", "displayName", "ad", "user", "show", "--id", bob)
	w.want(t, "2", "length(@)", "ad", "user", "list")

	group := w.query(t, "id", "ad", "group", "create", "--display-name", "crew", "--mail-nickname", "crew")
	w.az(t, "ad", "group", "member", "add", "-g", "crew", "--member-id", bob)
	w.want(t, "true", "value", "ad", "group", "member", "check", "-g", "crew", "--member-id", bob)
	w.want(t, "Bobby", "[0].displayName", "ad", "group", "member", "list", "-g", group)
	w.want(t, "crew", "[0].displayName", "ad", "user", "get-member-groups", "--id", name)

	app := w.query(t, "appId", "ad", "app", "create", "--display-name", "tool", "--web-redirect-uris", "https://tool.example/callback")
	w.want(t, app, "appId", "ad", "sp", "create", "--id", app)
	w.want(t, "tool", "displayName", "ad", "sp", "show", "--id", app)
	w.want(t, "https://tool.example/callback", "web.redirectUris[0]", "ad", "app", "show", "--id", app)
	w.az(t, "ad", "app", "owner", "add", "--id", app, "--owner-object-id", bob)
	w.want(t, "2", "length(@)", "ad", "app", "owner", "list", "--id", app) // the administrator, who created it, is the other one
	w.want(t, "Bobby", "[?id=='"+bob+"'].displayName | [0]", "ad", "app", "owner", "list", "--id", app)
	secret := w.query(t, "password", "ad", "app", "credential", "reset", "--id", app)
	w.want(t, "1", "length(@)", "ad", "app", "credential", "list", "--id", app)

	w.want(t, app, "[0].user.name", "login", "--service-principal", "-u", app, "-p", secret, "--tenant", w.TenantID, "--allow-no-subscriptions")
	if _, _, err := w.try(t, "ad", "user", "list"); err == nil {
		t.Error("an application without privileges lists the users")
	}
	w.signInBySecret(t, w.TenantID)
	w.az(t, "ad", "app", "delete", "--id", app)
	w.az(t, "ad", "group", "delete", "-g", "crew")
	w.az(t, "ad", "user", "delete", "--id", name)
	w.want(t, "1", "length(@)", "ad", "user", "list")
	if _, _, err := w.try(t, "ad", "sp", "show", "--id", app); err == nil {
		t.Error("the service principal outlives its application")
	}
}
