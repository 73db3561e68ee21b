package rbac_test

import (
	"slices"
	"testing"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/rbac/action"
)

func TestPatternsOfBuiltInRolesAreValid(t *testing.T) {
	for _, d := range rbac.Definitions() {
		for _, p := range d.Permissions {
			for _, pattern := range slices.Concat(p.Actions, p.NotActions, p.DataActions, p.NotDataActions) {
				if err := action.Check(pattern); err != nil {
					t.Errorf("%s: %v", d.RoleName, err)
				}
			}
		}
	}
}

// A permission without its invalid not-action would allow more actions than intended.
func TestPermissionWithAnInvalidPatternAllowsNothing(t *testing.T) {
	for _, p := range []rbac.Permission{
		{Actions: []string{"*"}, NotActions: []string{"Microſoft.Authorization/*"}},
		{Actions: []string{"Microsoft.Compute/*", "Microſoft.Compute/*"}},
	} {
		if rbac.Allows(rbac.Definition{Permissions: []rbac.Permission{p}}, "microsoft.compute/virtualmachines/read") {
			t.Errorf("%v allows", p)
		}
	}
}

func TestStarsMatchOnlyASCIIActions(t *testing.T) {
	for _, wanted := range []string{"microſoft.compute/read", "microsoft.compute/\u212a/read"} {
		allowed, err := rbac.New(rbac.Config{}).Authorize(nil, rbac.Caller{TenantID: "t", ObjectID: "o"}, wanted, arm.ID{})
		if allowed || err != nil {
			t.Errorf("%q: %v, %v", wanted, allowed, err)
		}
	}
}
