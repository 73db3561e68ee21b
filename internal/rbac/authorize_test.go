package rbac_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/rbac/action/actiontest"
	"midas/internal/store"
)

func TestBuiltInRolesAllowTheActionsThatAzureAllows(t *testing.T) {
	roles := map[string]string{
		"owner": owner, "contributor": contributor, "reader": reader, "access admin": accessAdmin,
		"mi contributor": miContributor, "mi operator": miOperator, "secrets user": secretsUser, "nobody": "",
	}
	for action, allowed := range map[string]string{ // the roles that allow the action, separated by commas
		uai + "read":                                                 "owner,contributor,reader,access admin,mi contributor,mi operator",
		uai + "write":                                                "owner,contributor,mi contributor",
		uai + "delete":                                               "owner,contributor,mi contributor",
		uai + "assign/action":                                        "owner,contributor,mi operator",
		uai + "revokeTokens/action":                                  "owner,contributor,mi contributor",
		uai + "listAssociatedResources/action":                       "owner,contributor",
		uai + "federatedIdentityCredentials/read":                    "owner,contributor,reader,access admin,mi contributor,mi operator",
		uai + "federatedIdentityCredentials/write":                   "owner,contributor,mi contributor",
		uai + "federatedIdentityCredentials/delete":                  "owner,contributor,mi contributor",
		"Microsoft.ManagedIdentity/identities/read":                  "owner,contributor,reader,access admin",
		"Microsoft.Authorization/roleAssignments/write":              "owner,access admin",
		"Microsoft.Authorization/roleAssignments/delete":             "owner,access admin",
		"Microsoft.Authorization/roleAssignments/read":               "owner,contributor,reader,access admin,mi contributor,mi operator",
		"Microsoft.Authorization/elevateAccess/action":               "owner,access admin",
		"Microsoft.Resources/subscriptions/resourceGroups/read":      "owner,contributor,reader,access admin,mi contributor,mi operator",
		"Microsoft.Resources/subscriptions/resourceGroups/write":     "owner,contributor",
		"Microsoft.Resources/deployments/write":                      "owner,contributor,mi contributor,mi operator",
		"Microsoft.Insights/eventtypes/values/read":                  "owner,contributor,reader,access admin",
		"microsoft.managedidentity/USERASSIGNEDIDENTITIES/Write":     "owner,contributor,mi contributor",
		"Microsoft.KeyVault/vaults/secrets/getSecret/action":         "owner,contributor", // Authorize checks control-plane actions only
		"Microsoft.ManagedIdentity/userAssignedIdentitiesX/read":     "owner,contributor,reader,access admin",
		"Microsoft.ManagedIdentity/userAssignedIdentities/overwrite": "owner,contributor",
	} {
		for name, role := range roles {
			b := newBench(t)
			if role != "" {
				b.assign(t, alice, role, rg1)
			}
			want := strings.Contains(","+allowed+",", ","+name+",")
			if got := b.may(t, as(alice), action, app); got != want {
				t.Errorf("%s may %s: %t, want %t", name, action, got, want)
			}
		}
	}
}

func TestAssignmentsApplyAtTheirScopeAndBelow(t *testing.T) {
	for _, tc := range []struct {
		at      string
		reaches []string
		not     []string
	}{
		{app, []string{app, fic, strings.ToUpper(app)}, []string{app2, rg1, sub}},
		{rg1, []string{rg1, app, app2, fic, strings.ToLower(rg1)}, []string{rg10, sub, "/"}},
		{strings.ToUpper(rg1), []string{rg1, app}, []string{rg10}},
		{rg10, []string{rg10}, []string{rg1, app}},
		{sub, []string{sub, rg1, rg10, app, fic}, []string{sub2, "/", outer}},
		{"/", []string{"/", sub, sub2, rg1, app, outer}, nil},
		{outer, []string{outer}, []string{"/", sub}},
	} {
		b := newBench(t)
		b.assign(t, alice, reader, tc.at)
		for _, scope := range tc.reaches {
			if !b.may(t, as(alice), uai+"read", scope) {
				t.Errorf("an assignment at %s does not apply at %s", tc.at, scope)
			}
		}
		for _, scope := range tc.not {
			if b.may(t, as(alice), uai+"read", scope) {
				t.Errorf("an assignment at %s applies at %s", tc.at, scope)
			}
		}
		for name, other := range map[string]rbac.Caller{
			"another principal":     as(bob),
			"another tenant":        {TenantID: foreign, ObjectID: alice},
			"no tenant":             {ObjectID: alice},
			"nobody":                as(""),
			"a prefix of the oid":   as(alice[:35]),
			"a group with the name": as(bob, ""),
		} {
			if b.may(t, other, uai+"read", tc.reaches[0]) {
				t.Errorf("an assignment at %s applies to %s", tc.at, name)
			}
		}
	}
}

func TestNotActionsOfOneRoleDoNotLimitAnother(t *testing.T) {
	const write = "Microsoft.Authorization/roleAssignments/write"
	b := newBench(t)
	b.assign(t, alice, contributor, app)
	if b.may(t, as(alice), write, app) {
		t.Error("Contributor assigns roles")
	}
	b.assign(t, alice, accessAdmin, sub)
	if !b.may(t, as(alice), write, app) {
		t.Error("Contributor's not-actions limit User Access Administrator")
	}
}

func TestGroupMembersHaveTheRolesOfTheGroup(t *testing.T) {
	b := newBench(t)
	b.assign(t, team, reader, rg1)
	if !b.may(t, as(alice, bob, team), uai+"read", app) {
		t.Error("a member does not have the group's role")
	}
	if b.may(t, as(alice), uai+"read", app) {
		t.Error("a principal outside the group has its role")
	}
}

func TestConditionsOfAssignmentsAreEvaluated(t *testing.T) {
	b := newBench(t)
	put := rbac.Assignment{Name: guid(1), Scope: rg1, DefinitionID: owner, PrincipalID: alice}
	for _, tc := range []struct {
		condition string
		want      bool
	}{
		{"@Resource[x] StringEquals 'y'", false}, // the attribute is absent
		{"NOT @Resource[x] StringEquals 'y'", false},
		{"NOT Exists @Resource[x]", true},
		{"ActionMatches{'" + uai + "*'}", true},
		{"ActionMatches{'Microsoft.Compute/*'}", false},
		{"!(ActionMatches{'*/read'}) OR @Environment[UtcNow] DateTimeLessThan '2027-01-01T00:00:00.0Z'", true},
		{"!(ActionMatches{'*/read'}) OR @Environment[UtcNow] DateTimeLessThan '2026-01-01T00:00:00.0Z'", false},
		{"", true},
	} {
		if put.Condition = &tc.condition; tc.condition == "" {
			put.Condition = nil
		}
		if _, err := b.PutAssignment(t.Context(), event(), put); err != nil {
			t.Fatal(err)
		}
		if got := b.may(t, as(alice), uai+"read", app); got != tc.want {
			t.Errorf("%s: %t, want %t", tc.condition, got, tc.want)
		}
	}
}

func TestAssignmentChangesApplyImmediately(t *testing.T) {
	b := newBench(t)
	for range 3 {
		if b.may(t, as(alice), uai+"read", app) {
			t.Fatal("allowed without an assignment")
		}
		name := b.assign(t, alice, reader, rg1)
		if !b.may(t, as(alice), uai+"read", app) {
			t.Fatal("not allowed right after the assignment")
		}
		if _, _, err := b.DeleteAssignment(t.Context(), event(), id(t, rg1), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrincipalsWithManyAssignmentsAreEvaluatedLikeOthers(t *testing.T) {
	b := newBench(t)
	for i := range 150 {
		b.assign(t, alice, reader, fmt.Sprintf("%s/resourceGroups/g%03d", sub, i))
	}
	b.assign(t, alice, miContributor, app)
	b.assign(t, alice, reader, app)
	b.assign(t, alice, miOperator, sub+"/resourceGroups/g000")
	for scope, want := range map[string]bool{
		app: true, fic: true, sub + "/resourceGroups/g149": true, sub + "/resourceGroups/g000": true,
		app2: false, rg1: false, sub: false,
	} {
		if got := b.may(t, as(alice), uai+"read", scope); got != want {
			t.Errorf("alice may read at %s: %t, want %t", scope, got, want)
		}
	}
	if !b.may(t, as(alice), uai+"write", app) {
		t.Error("the second role at a scope after the first page of entries does not apply")
	}
	for scope, want := range map[string]int{app: 2, sub + "/resourceGroups/g000": 2, sub + "/resourceGroups/g001": 1, sub: 0} {
		got, err := b.Permissions(t.Context(), as(alice), id(t, scope))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != want {
			t.Errorf("alice has %d permissions at %s, want %d", len(got), scope, want)
		}
	}
}

func TestPermissionsListEachAssignment(t *testing.T) {
	b := newBench(t)
	b.assign(t, alice, secretsUser, sub)
	b.assign(t, team, reader, rg1)
	b.assign(t, bob, owner, rg1)
	got, err := b.Permissions(t.Context(), as(alice, team), id(t, app))
	if err != nil {
		t.Fatal(err)
	}
	want := []rbac.HeldPermission{
		{Permission: rbac.Permission{DataActions: []string{"Microsoft.KeyVault/vaults/secrets/getSecret/action", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"}}},
		{Permission: rbac.Permission{Actions: []string{"*/read"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSubscriptionIsVisibleToPrincipalsWithARoleInIt(t *testing.T) {
	for _, tc := range []struct {
		at   string
		want bool
	}{{"/", true}, {sub, true}, {rg1, true}, {fic, true}, {sub2, false}, {outer, false}} {
		b := newBench(t)
		b.assign(t, team, miOperator, tc.at)
		for range 70 { // more than one scan reads
			b.assign(t, team, reader, fmt.Sprintf("/subscriptions/00000000-0000-0000-0000-%012d", b.ids))
		}
		got, err := visible(t, b, as(alice, team), id(t, sub))
		if err != nil {
			t.Fatal(err)
		}
		if got != tc.want {
			t.Errorf("with a role at %s, the subscription is visible: %t, want %t", tc.at, got, tc.want)
		}
		if hidden, err := visible(t, b, as(alice), id(t, sub)); err != nil || hidden {
			t.Errorf("without a role, the subscription is visible: %t, %v", hidden, err)
		}
		if hidden, err := visible(t, b, rbac.Caller{TenantID: foreign, ObjectID: team}, id(t, sub)); err != nil || hidden {
			t.Errorf("from another tenant, the subscription is visible: %t, %v", hidden, err)
		}
	}
}

func visible(t *testing.T, b *bench, caller rbac.Caller, scope arm.ID) (seen bool, err error) {
	t.Helper()
	err = b.Store.View(t.Context(), func(tx store.Tx) error {
		seen, err = b.Visible(tx, caller, scope)
		return err
	})
	return seen, err
}

// TestAuthorizeAgreesWithTheModel compares Authorize with the definition: an action is allowed if an assignment
// at the scope or at an ancestor has a role with a permission of which an action matches and no not-action.
func TestAuthorizeAgreesWithTheModel(t *testing.T) {
	scopes := []string{"/", sub, sub2, rg1, rg10, app, app2, fic, outer}
	roles := []string{owner, contributor, reader, accessAdmin, miContributor, miOperator, secretsUser}
	actions := []string{uai + "read", uai + "write", uai + "assign/action", "Microsoft.Authorization/roleAssignments/write", "Microsoft.Resources/deployments/read"}
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t)
		type given struct{ principal, role, scope string }
		all := rapid.SliceOfNDistinct(rapid.Custom(func(rt *rapid.T) given {
			return given{
				rapid.SampledFrom([]string{alice, bob, team}).Draw(rt, "principal"),
				rapid.SampledFrom(roles).Draw(rt, "role"), rapid.SampledFrom(scopes).Draw(rt, "scope"),
			}
		}), 0, 8, rapid.ID[given]).Draw(rt, "assignments")
		for _, g := range all {
			b.assign(t, g.principal, g.role, g.scope)
		}
		for range 10 {
			action, scope := rapid.SampledFrom(actions).Draw(rt, "action"), rapid.SampledFrom(scopes).Draw(rt, "at")
			want := false
			for _, g := range all {
				if g.principal != bob && id(t, g.scope).Contains(id(t, scope)) && roleAllows(g.role, action) {
					want = true
				}
			}
			if got := b.may(t, as(alice, team), action, scope); got != want {
				rt.Fatalf("alice, a member of team, may %s at %s: %t, want %t with %v", action, scope, got, want, all)
			}
		}
	})
}

func roleAllows(role, action string) bool {
	d, _ := rbac.DefinitionByID(role)
	action = arm.Fold(action)
	for _, p := range d.Permissions {
		if anyMatches(p.Actions, action) && !anyMatches(p.NotActions, action) {
			return true
		}
	}
	return false
}

func anyMatches(patterns []string, action string) bool {
	for _, p := range patterns {
		if actiontest.Matches(p, action) {
			return true
		}
	}
	return false
}
