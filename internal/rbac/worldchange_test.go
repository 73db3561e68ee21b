package rbac_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/arm"
	people "midas/internal/directory"
	"midas/internal/hierarchy"
	"midas/internal/rbac"
	"midas/internal/store"
)

// change makes one random change.
func (w *world) change(rt *rapid.T, t *testing.T) {
	changes := []func(*rapid.T, *testing.T){
		w.assignRole, w.assignRole, w.assignRole, w.changeAssignment, w.deleteAssignment, w.changeMembership, w.changeMembership,
		w.changeGroup, w.move, w.move, w.putDeny, w.putDeny, w.deleteDeny, w.putRole, w.deleteRole, w.endScope,
	}
	changes[rapid.IntRange(0, len(changes)-1).Draw(rt, "change")](rt, t)
}

// refused reports whether an error is a refusal, and ends the test if it is another error.
func refused(t *testing.T, err error) bool {
	t.Helper()
	if _, is := errors.AsType[*arm.Error](err); is {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// drawKey draws a key of a map, or returns an empty text if there is none.
func drawKey[V any](rt *rapid.T, from map[string]V) string {
	if len(from) == 0 {
		return ""
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(rt, "key")
}

func drawPrincipal(rt *rapid.T) string {
	return rapid.SampledFrom(slices.Concat(worldUsers, worldGroups)).Draw(rt, "principal")
}

func (w *world) assignRole(rt *rapid.T, t *testing.T) {
	w.put(t, rbac.Assignment{
		Name: w.newID(), Scope: spelled(rt, rapid.SampledFrom(worldScopes).Draw(rt, "scope")), PrincipalID: drawPrincipal(rt),
		DefinitionID: rapid.SampledFrom(worldRoles).Draw(rt, "role"), Condition: drawCondition(rt),
	})
}

// changeAssignment gives an assignment another role or condition.
func (w *world) changeAssignment(rt *rapid.T, t *testing.T) {
	a := w.assignments[drawKey(rt, w.assignments)]
	if a.PrincipalID == worldAdmin {
		return
	}
	a.DefinitionID, a.Condition = rapid.SampledFrom(worldRoles).Draw(rt, "role"), drawCondition(rt)
	w.put(t, a)
}

func (w *world) deleteAssignment(rt *rapid.T, t *testing.T) {
	a := w.assignments[drawKey(rt, w.assignments)]
	if a.PrincipalID == worldAdmin {
		return
	}
	if _, _, err := w.DeleteAssignment(t.Context(), event(), id(t, a.Scope), a.Name); !refused(t, err) {
		delete(w.assignments, a.Name) // the last Owner is refused
	}
}

// changeMembership begins or ends a membership.
func (w *world) changeMembership(rt *rapid.T, t *testing.T) {
	group, member := rapid.SampledFrom(worldGroups).Draw(rt, "group"), drawPrincipal(rt)
	i := slices.Index(w.memberOf[member], group)
	_, err := w.Store.Update(t.Context(), func(tx store.Tx) error {
		if i >= 0 {
			return w.directory.RemoveMember(tx, tenant, group, member)
		}
		return w.directory.AddMember(tx, tenant, group, member)
	})
	switch {
	case errors.Is(err, people.ErrInvalid) || errors.Is(err, people.ErrNotFound): // itself, or a deleted group
	case err != nil:
		t.Fatal(err)
	case i >= 0:
		w.memberOf[member] = slices.Delete(slices.Clone(w.memberOf[member]), i, i+1)
	default:
		w.memberOf[member] = append(slices.Clone(w.memberOf[member]), group)
	}
}

// changeGroup deletes a group or creates it again. The records of its memberships stay.
func (w *world) changeGroup(rt *rapid.T, t *testing.T) {
	group := rapid.SampledFrom(worldGroups).Draw(rt, "group")
	w.update(t, func(tx store.Tx) error {
		if w.gone[group] {
			return w.directory.CreateGroup(tx, people.Group{ID: group, TenantID: tenant, DisplayName: group})
		}
		return w.directory.DeleteGroup(tx, tenant, group)
	})
	w.gone[group] = !w.gone[group]
}

// move puts a subscription or a management group below another group.
func (w *world) move(rt *rapid.T, t *testing.T) {
	child := rapid.SampledFrom([]string{sub, sub2, mg1, mg2, mg3}).Draw(rt, "moved")
	parent := rapid.SampledFrom([]string{rootGroup, mg1, mg2, mg3}).Draw(rt, "below")
	name, to := child[strings.LastIndexByte(child, '/')+1:], parent[strings.LastIndexByte(parent, '/')+1:]
	var err error
	if strings.HasPrefix(child, "/subscriptions/") {
		_, err = w.hierarchy.Place(t.Context(), event(), hierarchy.Placement{TenantID: tenant, Group: to, Subscription: name, Allow: allowAll})
	} else {
		_, _, err = w.hierarchy.Put(t.Context(), event(), hierarchy.Write{TenantID: tenant, Name: name, Parent: &to, MustExist: true, Allow: allowAll})
	}
	if !refused(t, err) { // a cycle is refused
		w.above[arm.Fold(child)] = arm.Fold(parent)
	}
}

// endScope ends a scope with its role assignments and deny assignments.
func (w *world) endScope(rt *rapid.T, t *testing.T) {
	scope := rapid.SampledFrom([]string{rg10, app, fic}).Draw(rt, "ended scope")
	w.end(t, scope)
	maps.DeleteFunc(w.assignments, func(_ string, a rbac.Assignment) bool { return within(arm.Fold(scope), arm.Fold(a.Scope)) })
	maps.DeleteFunc(w.denies, func(_ string, d rbac.DenyAssignment) bool { return within(arm.Fold(scope), arm.Fold(d.Scope)) })
}

// worldPatterns are patterns of the control plane and of the data plane.
var worldPatterns = [2][]string{
	{"*", "*/read", uai + "*", uai + "read", "Microsoft.Authorization/*", "Microsoft.Resources/subscriptions/read", "Microsoft.Compute/*/read"},
	{"*", "Microsoft.KeyVault/vaults/secrets/*", "Microsoft.KeyVault/vaults/secrets/getSecret/action"},
}

// drawPatterns draws at most a number of patterns.
func drawPatterns(rt *rapid.T, plane, most int) []string {
	return rapid.SliceOfN(rapid.SampledFrom(worldPatterns[plane]), 0, most).Draw(rt, "patterns")
}

// putDeny creates or replaces a deny assignment.
func (w *world) putDeny(rt *rapid.T, t *testing.T) {
	name := drawKey(rt, w.denies)
	d := rbac.DenyAssignment{Name: name, Scope: w.denies[name].Scope}
	if name == "" || len(w.denies) < 5 && rapid.Bool().Draw(rt, "new") {
		d.Name, d.Scope = w.newID(), rapid.SampledFrom(worldScopes).Draw(rt, "scope")
	}
	d.DisplayName, d.Effect = d.Name, rapid.SampledFrom([]rbac.DenyEffect{rbac.Enforced, rbac.Enforced, rbac.Audit}).Draw(rt, "effect")
	d.DoNotApplyToChildScopes = rapid.Bool().Draw(rt, "exact")
	principals := slices.Concat([]string{rbac.EveryonePrincipal, rbac.EveryonePrincipal}, worldUsers, worldGroups)
	d.Principals = []rbac.DenyPrincipal{w.denyPrincipal(rapid.SampledFrom(principals).Draw(rt, "denied"))}
	for _, excluded := range rapid.SliceOfNDistinct(rapid.SampledFrom(principals[2:]), 0, 2, rapid.ID).Draw(rt, "excluded") {
		d.ExcludePrincipals = append(d.ExcludePrincipals, w.denyPrincipal(excluded))
	}
	d.Condition = drawCondition(rt)
	for range rapid.IntRange(1, 2).Draw(rt, "permissions") {
		d.Permissions = append(d.Permissions, rbac.DenyPermission{
			Actions: drawPatterns(rt, 0, 2), NotActions: drawPatterns(rt, 0, 1),
			DataActions: drawPatterns(rt, 1, 1), NotDataActions: drawPatterns(rt, 1, 1), Condition: drawCondition(rt),
		})
	}
	_, _, err := w.PutDenyAssignment(t.Context(), event(), id(t, spelled(rt, d.Scope)), d)
	if !refused(t, err) {
		w.denies[d.Name] = d
	}
}

func (w *world) denyPrincipal(id string) rbac.DenyPrincipal {
	switch {
	case id == rbac.EveryonePrincipal:
		return rbac.DenyPrincipal{ID: id, Type: rbac.SystemDefined}
	case slices.Contains(worldGroups, id):
		return rbac.DenyPrincipal{ID: id, Type: "Group"}
	}
	return rbac.DenyPrincipal{ID: id, Type: "ServicePrincipal"}
}

func (w *world) deleteDeny(rt *rapid.T, t *testing.T) {
	name := drawKey(rt, w.denies)
	if name == "" {
		return
	}
	if _, _, err := w.DeleteDenyAssignment(t.Context(), event(), id(t, w.denies[name].Scope), name); err != nil {
		t.Fatal(err)
	}
	delete(w.denies, name)
}

// roleChange is a change of a custom role by the administrator. Deny assignments may prevent it.
func roleChange(verb string) rbac.DefinitionChange {
	ev := event()
	ev.Operation = "Microsoft.Authorization/roleDefinitions/" + verb
	return rbac.DefinitionChange{
		Event: ev, Caller: as(worldAdmin),
		Exists:        func(store.Tx, arm.ID) (bool, error) { return true, nil },
		KnownProvider: func(string) bool { return true },
		KnownAction:   func(string) bool { return false },
	}
}

// putRole creates a custom role, or gives it other permissions.
func (w *world) putRole(rt *rapid.T, t *testing.T) {
	d := rbac.Definition{ID: customMG, RoleName: "of the root group", AssignableScopes: []string{rootGroup}}
	data := rapid.Bool().Draw(rt, "data")
	if data {
		d.ID, d.RoleName, d.AssignableScopes = customSub, "of the subscriptions", []string{sub, sub2}
	}
	for range rapid.IntRange(0, 2).Draw(rt, "permissions") {
		p := rbac.Permission{Actions: drawPatterns(rt, 0, 2), NotActions: drawPatterns(rt, 0, 1)}
		if data {
			p.DataActions, p.NotDataActions = drawPatterns(rt, 1, 1), drawPatterns(rt, 1, 1)
		}
		d.Permissions = append(d.Permissions, p)
	}
	if _, err := w.PutDefinition(t.Context(), roleChange("write"), d); !refused(t, err) {
		w.custom[d.ID] = d
	}
}

// deleteRole deletes a custom role, which is refused if it is assigned.
func (w *world) deleteRole(rt *rapid.T, t *testing.T) {
	guid := drawKey(rt, w.custom)
	if guid == "" {
		return
	}
	if _, _, err := w.DeleteDefinition(t.Context(), roleChange("delete"), guid); !refused(t, err) {
		delete(w.custom, guid)
	}
}
