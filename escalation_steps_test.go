package midas_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestRolesOfLostScopes changes a custom role whose assignable scope no longer covers its assignments, by a caller who
// has all rights at that scope and none at the assignments.
func TestRolesOfLostScopes(t *testing.T) {
	const groups = "/providers/Microsoft.Management/managementGroups/"
	w := newBattlefield(t)
	role := uuid.NewString()
	define := func(as, group, action string) (int, string) {
		return w.send(t, as, attempt{"PUT", groups + group + "/providers/Microsoft.Authorization/roleDefinitions/" + role + "?api-version=2022-04-01",
			fmt.Sprintf(`{"properties":{"roleName":"walker","type":"CustomRole","permissions":[{"actions":[%q]}],"assignableScopes":["%s"]}}`, action, groups+group)})
	}
	must := func(code int, body string) {
		t.Helper()
		if code >= 300 {
			t.Fatal(code, body)
		}
	}
	// The administrator has a role in the group "admins", and assigns it in the subscription.
	must(w.send(t, "admin", attempt{"PUT", groups + "admins/subscriptions/{subid}" + groupsVersion, ""}))
	must(define("admin", "admins", "Microsoft.Compute/*/read"))
	must(w.send(t, "admin", attempt{"PUT", "{sub}" + assignmentPath, strings.ReplaceAll(assignmentBody("x", w.objects["reader"]), "{x}", role)}))
	if code, body := define("admin", "admins", "Microsoft.Compute/*"); code != 201 {
		t.Fatalf("a change of a role that covers its assignments: %d %s", code, body)
	}
	refused := func(as, group, action string) {
		t.Helper()
		if code, body := define(as, group, action); code != 400 && code != 403 || strings.Contains(body, w.SubscriptionID) {
			t.Errorf("%s writes the role at %s: %d %s", as, group, code, body)
		}
		if code, body := w.send(t, "reader", attempt{"PUT", "{sub}/resourceGroups/mine?api-version=2021-04-01", `{"location":"eastus"}`}); code != 403 {
			t.Fatalf("the reader has gained rights: %d %s", code, body)
		}
	}
	// An owner of the group keeps no right to what the role allows in a subscription that has left the group.
	must(w.send(t, "admin", attempt{"PUT", groups + "admins" + assignmentPath, assignmentBody("Owner", w.objects["nobody"])}))
	refused("reader", "own-reader", "*")
	must(w.send(t, "admin", attempt{"DELETE", groups + "admins/subscriptions/{subid}" + groupsVersion, ""}))
	refused("nobody", "admins", "*")
	// Nobody gets it by making the group again, or by giving the role another scope.
	must(w.send(t, "admin", attempt{"DELETE", groups + "admins" + groupsVersion, ""}))
	refused("reader", "own-reader", "*")
	must(w.send(t, "reader", attempt{"PUT", groups + "admins" + groupsVersion, "{}"}))
	refused("reader", "admins", "*")
}
