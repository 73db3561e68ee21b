package rolelint_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/rolelint"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant    = "10000000-0000-4000-8000-000000000001"
	sub       = "/subscriptions/10000000-0000-4000-8000-000000000002"
	group     = sub + "/resourceGroups/rg"
	boss      = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/boss"
	machine   = group + "/providers/Microsoft.Compute/virtualMachines/vm1"
	site      = sub + "/resourceGroups/web/providers/Microsoft.Web/sites/shop"
	owner     = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	reader    = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	rbacAdmin = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
	vmAdmin   = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c"
	website   = "de139f84-1756-47ae-9be6-808fbbe84772"
)

// world is a store with what one run examines.
type world struct {
	*testing.T
	store store.Store
	n     int
}

func newWorld(t *testing.T) *world { return &world{T: t, store: storetest.Memory(t)} }

func (w *world) id(n int) string { return fmt.Sprintf("20000000-0000-4000-8000-%012x", n) }

func (w *world) update(change func(tx store.Tx) error) {
	w.Helper()
	if _, err := w.store.Update(w.Context(), change); err != nil {
		w.Fatal(err)
	}
}

// principal makes a service principal, of a managed identity if it has a resource.
func (w *world) principal(resourceID string) string {
	w.Helper()
	w.n++
	sp := directory.ServicePrincipal{ID: w.id(w.n), AppID: w.id(w.n + 1<<20), TenantID: tenant, DisplayName: "p", Type: directory.TypeManagedIdentity, Enabled: true, ResourceID: resourceID}
	w.update(func(tx store.Tx) error { return w.directory().CreateServicePrincipal(tx, sp) })
	return sp.ID
}

func (w *world) directory() *directory.Directory {
	return &directory.Directory{Store: w.store, Now: time.Now}
}

// assign writes an assignment as it is stored, also one that a request could not make.
func (w *world) assign(principal, role, scope, condition string) {
	w.Helper()
	w.n++
	a := rbac.Assignment{Name: w.id(w.n), TenantID: tenant, Scope: scope, DefinitionID: role, PrincipalID: principal}
	if condition != "" {
		a.Condition = &condition
	}
	parsed, err := arm.ParseID(scope)
	if err != nil {
		w.Fatal(err)
	}
	table := store.Table[rbac.Assignment]{Kind: store.AssignmentKind}
	w.update(func(tx store.Tx) error { return table.Put(tx, store.AssignmentKind.Keys+parsed.Key()+"\x00"+a.Name, a) })
}

// role writes a custom role.
func (w *world) role(name string, actions ...string) string {
	w.Helper()
	w.n++
	d := rbac.Definition{ID: w.id(w.n), TenantID: tenant, RoleName: name, Type: rbac.CustomRole, AssignableScopes: []string{sub}, Permissions: []rbac.Permission{{Actions: actions}}}
	table := store.Table[rbac.Definition]{Kind: store.CustomRoleKind}
	w.update(func(tx store.Tx) error { return table.Put(tx, store.CustomRoleKind.Keys+tenant+"/"+d.ID, d) })
	return d.ID
}

// lint returns the findings as lines.
func (w *world) lint() (lines []string) {
	w.Helper()
	roles := rbac.New(rbac.Config{Store: w.store, Now: time.Now})
	lint := rolelint.Service{RBAC: roles, Directory: w.directory()}
	err := w.store.View(context.Background(), func(tx store.Tx) error {
		lines = nil
		return lint.Run(tx, func(f rolelint.Finding) error {
			lines = append(lines, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Rule, f.Subject, f.Message))
			return nil
		})
	})
	if err != nil {
		w.Fatal(err)
	}
	return lines
}

// finds fails unless there is a finding of a rule with a text, and none if the text is empty.
func (w *world) finds(rule, text string) {
	w.Helper()
	found := false
	lines := w.lint()
	for _, line := range lines {
		found = found || strings.Contains(line, " "+rule+" ") && strings.Contains(line, text)
	}
	if found != (text != "") && (text != "" || strings.Contains(strings.Join(lines, "\n"), " "+rule+" ")) {
		w.Errorf("%s %q is not what it found:\n%s", rule, text, strings.Join(lines, "\n"))
	}
}

func TestRolesThatNobodyUses(t *testing.T) {
	w := newWorld(t)
	used, gone := w.role("Used", "Microsoft.Compute/*/read"), w.role("Left", "Microsoft.Compute/*/read")
	w.role("Lonely", "Microsoft.Compute/*/read")
	w.assign(w.principal(""), used, sub, "")
	w.assign(w.id(1<<30), gone, sub, "")
	var unused []string
	for _, line := range w.lint() {
		if strings.HasPrefix(line, "info role-unused ") {
			unused = append(unused, line)
		}
	}
	if text := strings.Join(unused, "\n"); len(unused) != 2 || !strings.Contains(text, "Lonely") || !strings.Contains(text, "Left") {
		t.Errorf("unused are\n%s", text)
	}
}

func TestAssignmentsWithoutEffect(t *testing.T) {
	w := newWorld(t)
	w.assign(w.id(1<<30), reader, sub, "")
	w.assign(w.principal(""), w.id(1<<29), sub, "")
	w.assign(w.principal(""), reader, sub, "this is no condition")
	w.finds("principal-gone", w.id(1<<30))
	w.finds("role-gone", w.id(1<<29))
	w.finds("condition-invalid", "grants nothing")
}

func TestCustomRolesThatGrantAccess(t *testing.T) {
	w := newWorld(t)
	named := w.role("By Name", "Microsoft.Compute/virtualMachines/read", "Microsoft.Authorization/roleAssignments/write")
	w.assign(w.principal(""), named, sub, "")
	w.finds("assigns-roles", "By Name")
	w.finds("role-grants-access", "")
	w.assign(w.principal(""), w.role("By Wildcard", "Microsoft.Compute/*", "Microsoft.Authorization/*"), sub, "")
	w.finds("role-grants-access", "its wildcard Microsoft.Authorization/* matches")
}

// Each of these conditions forbids some roles and so lets a custom role with the same actions through.
func TestConditionsThatListForbiddenRoles(t *testing.T) {
	const role = "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId]"
	for condition, denylist := range map[string]bool{
		role + " ForAnyOfAllValues:GuidNotEquals {" + owner + "}":                                                                                 true,
		"!(" + role + " ForAnyOfAnyValues:GuidEquals {" + owner + "})":                                                                            true,
		"((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (" + role + " ForAllOfAllValues:GuidNotEquals {" + owner + "}))": true,
		"@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {" + owner + "}":                     true,
		role + " ForAnyOfAnyValues:GuidEquals {" + reader + "}":                                                                                   false,
		"((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (" + role + " ForAnyOfAnyValues:GuidEquals {" + reader + "}))":   false,
	} {
		w := newWorld(t)
		w.assign(w.principal(""), rbacAdmin, sub, condition)
		text := ""
		if denylist {
			text = "lists the roles that must not be assigned"
		}
		w.finds("condition-denylist", text)
		w.finds("condition-invalid", "")
	}
}

// Who can run a program on a resource becomes each identity that the resource uses, whether the identity has its rights
// itself or through a group.
func TestIdentitiesOfResourcesCanBecomeOthers(t *testing.T) {
	for name, test := range map[string]struct {
		user, role, scope, want string
	}{
		"a machine":                    {machine, vmAdmin, group, "can change the machine that has the identity " + boss + " (" + machine + ")"},
		"a site in another group":      {site, website, sub + "/resourceGroups/web", "can change the resource that has the identity " + boss + " (" + site + ")"},
		"a machine, from elsewhere":    {machine, vmAdmin, sub + "/resourceGroups/web", ""},
		"a machine, by a role to read": {machine, reader, group, ""},
		"an owner gains nothing":       {machine, owner, sub, ""},
	} {
		for _, nested := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, nested %v", name, nested), func(t *testing.T) {
				w := newWorld(t)
				identity := w.principal(boss)
				id, err := arm.ParseID(boss)
				if err != nil {
					t.Fatal(err)
				}
				user, err := arm.ParseID(test.user)
				if err != nil {
					t.Fatal(err)
				}
				team := directory.Group{TenantID: tenant, ID: w.id(1 << 28), DisplayName: "team"}
				w.update(func(tx store.Tx) error {
					resource.Associate(tx, id, identity, user)
					if err := w.directory().CreateGroup(tx, team); err != nil {
						return err
					}
					return w.directory().AddMember(tx, tenant, team.ID, identity)
				})
				holder := identity
				if nested {
					holder = team.ID
				}
				w.assign(holder, owner, sub, "")
				w.assign(w.principal(""), test.role, test.scope, "")
				w.finds("becomes-identity", test.want)
			})
		}
	}
}

// A run that reaches a bound says so.
func TestARunThatReachesABoundSaysSo(t *testing.T) {
	w := newWorld(t)
	table := store.Table[rbac.Definition]{Kind: store.CustomRoleKind}
	for at := 0; at <= 10_000; at += 100 {
		w.update(func(tx store.Tx) error {
			for n := at; n < at+100; n++ {
				d := rbac.Definition{ID: w.id(n), TenantID: tenant, RoleName: fmt.Sprint("Role ", n), Type: rbac.CustomRole}
				if err := table.Put(tx, store.CustomRoleKind.Keys+tenant+"/"+d.ID, d); err != nil {
					return err
				}
			}
			return nil
		})
	}
	lines := w.lint()
	if last := lines[len(lines)-1]; len(lines) != 10_001 || !strings.HasPrefix(last, "warning incomplete /: ") {
		t.Errorf("%d lines, the last is %s", len(lines), last)
	}
}
