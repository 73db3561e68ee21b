package rbac_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/arm"
	"midas/internal/rbac"
	abac "midas/internal/rbac/condition"
	"midas/internal/store"
)

// The scopes, principals and roles of the property test. Scopes outside of subscriptions are management groups.
var (
	mg1, mg2, mg3 = mgID("m1"), mgID("m2"), mgID("m3")

	worldScopes = []string{
		"/", mg1, mg2, mg3, sub, sub2, rg1, rg10, sub2 + "/resourceGroups/rg1", app, app2, fic,
		app + "/providers/Microsoft.Insights/diagnosticSettings/d", sub2 + "/resourceGroups/rg1/providers/A.B/c/d",
		mg2 + "/providers/A.B/c/d",
	}
	worldUsers  = []string{alice, bob}
	worldGroups = []string{team, guid(0xa1), guid(0xa2), guid(0xa3), guid(0xa4)}
	worldRoles  = []string{owner, contributor, reader, accessAdmin, miContributor, miOperator, secretsUser, guid(0xdead)}
)

func mgID(name string) string { return "/providers/Microsoft.Management/managementGroups/" + name }

// world is a random hierarchy with groups and assignments, twice: in the service, and in plain maps that
// naive reads.
type world struct {
	*bench
	assignments map[string]rbac.Assignment // by name
	above       map[string]string          // the management group directly above a subscription or a group, by key
	memberOf    map[string][]string        // the groups of which a user or a group is a direct member
}

// parentsKey is the record of world.above, which Config.Above reads through its transaction.
const parentsKey = "test/parents"

func newWorld(t *testing.T) *world {
	w := &world{bench: newBench(t), assignments: map[string]rbac.Assignment{}, above: map[string]string{}, memberOf: map[string][]string{}}
	w.Above = func(tx store.Tx, _ string, scope arm.ID) (above []arm.ID, err error) {
		rec, err := tx.Get(parentsKey)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var parents map[string]string
		if err := json.Unmarshal(rec.Value, &parents); err != nil {
			return nil, err
		}
		from := scope.SubscriptionScope().Key()
		for up := range scope.Ancestors() {
			if strings.HasPrefix(up.Key(), arm.Fold(mgID(""))) && strings.Count(up.Key(), "/") == 4 {
				from = up.Key()
			}
		}
		for parent := parents[from]; parent != ""; parent = parents[parent] {
			above = append(above, id(t, parent))
		}
		return above, nil
	}
	return w
}

// TestDecisionsEqualThoseOfANaiveEvaluator makes random changes and compares decisions in between with those of an
// evaluator that is written from the rules of Azure's documents, and that caches nothing.
func TestDecisionsEqualThoseOfANaiveEvaluator(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		if rapid.IntRange(0, 3).Draw(rt, "large") == 0 {
			w.makeLarge(t, rapid.SampledFrom(append(worldUsers[:1:1], worldGroups...)).Draw(rt, "large principal"))
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			w.change(rt, t)
			for range 4 {
				w.compare(rt, t)
			}
		}
		w.checkRecords(t)
	})
}

// makeLarge gives a principal more assignments than one branch has, most of them in one group.
func (w *world) makeLarge(t *testing.T, principal string) {
	for i := range 150 {
		scope := fmt.Sprintf("%s/providers/A.B/c/r%d", []string{rg1, rg1, rg10, sub2}[i%4], i)
		w.put(t, rbac.Assignment{Name: w.newID(), Scope: scope, DefinitionID: reader, PrincipalID: principal})
	}
	for i := range 70 {
		w.put(t, rbac.Assignment{Name: w.newID(), Scope: mgID(fmt.Sprintf("other%d", i)), DefinitionID: reader, PrincipalID: principal})
	}
}

func (w *world) put(t *testing.T, a rbac.Assignment) bool {
	a.PrincipalType = w.typeOf(a.PrincipalID)
	if slices.Contains(worldGroups, a.PrincipalID) {
		a.PrincipalType = "Group"
	}
	saved, err := w.PutAssignment(t.Context(), event(), a)
	if _, refused := errors.AsType[*arm.Error](err); refused {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	w.assignments[a.Name] = saved
	return true
}

// change makes one random change.
func (w *world) change(rt *rapid.T, t *testing.T) {
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range w.assignments {
			if !yield(name) {
				return
			}
		}
	})
	switch kind := rapid.IntRange(0, 9).Draw(rt, "change"); {
	case kind < 4 || len(names) == 0:
		a := rbac.Assignment{Name: w.newID(), Scope: spelled(rt, rapid.SampledFrom(worldScopes).Draw(rt, "scope"))}
		a.PrincipalID = rapid.SampledFrom(append(worldUsers, worldGroups...)).Draw(rt, "principal")
		a.DefinitionID = rapid.SampledFrom(worldRoles).Draw(rt, "role")
		a.Condition = drawCondition(rt)
		w.put(t, a)
	case kind < 6: // another role or condition
		a := w.assignments[rapid.SampledFrom(names).Draw(rt, "changed")]
		a.DefinitionID, a.Condition = rapid.SampledFrom(worldRoles).Draw(rt, "role"), drawCondition(rt)
		w.put(t, a)
	case kind == 6:
		a := w.assignments[rapid.SampledFrom(names).Draw(rt, "deleted")]
		_, _, err := w.DeleteAssignment(t.Context(), event(), id(t, a.Scope), a.Name)
		if _, refused := errors.AsType[*arm.Error](err); refused {
			return // the last Owner
		}
		if err != nil {
			t.Fatal(err)
		}
		delete(w.assignments, a.Name)
	case kind == 7: // a membership begins or ends
		group := rapid.SampledFrom(worldGroups).Draw(rt, "group")
		member := rapid.SampledFrom(append(worldUsers, worldGroups...)).Draw(rt, "member")
		if i := slices.Index(w.memberOf[member], group); i >= 0 {
			w.memberOf[member] = slices.Delete(slices.Clone(w.memberOf[member]), i, i+1)
		} else {
			w.memberOf[member] = append(slices.Clone(w.memberOf[member]), group)
		}
	case kind == 8:
		w.move(rt, t)
	default:
		scope := rapid.SampledFrom([]string{rg10, app, fic}).Draw(rt, "ended scope")
		w.end(t, scope)
		for name, a := range w.assignments {
			if within(arm.Fold(scope), arm.Fold(a.Scope)) {
				delete(w.assignments, name)
			}
		}
	}
}

// move puts a subscription or a management group below another group, or below none.
func (w *world) move(rt *rapid.T, t *testing.T) {
	child := rapid.SampledFrom([]string{sub, sub2, mg1, mg2, mg3}).Draw(rt, "moved")
	parent := rapid.SampledFrom([]string{"", mg1, mg2, mg3}).Draw(rt, "below")
	for up := arm.Fold(parent); up != ""; up = w.above[up] {
		if up == arm.Fold(child) {
			return // a cycle
		}
	}
	w.above[arm.Fold(child)] = arm.Fold(parent)
	value, err := json.Marshal(w.above)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Store.Update(t.Context(), func(tx store.Tx) error {
		tx.Put(parentsKey, value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compare draws an access and compares all that the service says about it with the naive evaluator.
func (w *world) compare(rt *rapid.T, t *testing.T) {
	q := question{
		user:   rapid.SampledFrom(worldUsers).Draw(rt, "caller"),
		action: rapid.SampledFrom(worldActions).Draw(rt, "action"),
		scope:  rapid.SampledFrom(worldScopes).Draw(rt, "at"),
		value:  rapid.SampledFrom([]string{"", "v", "w"}).Draw(rt, "value"),
	}
	a := rbac.Access{
		Caller: as(q.user, w.groupsOf(q.user)...), Action: arm.Fold(q.action.name), Data: q.action.data,
		Scope: id(t, spelled(rt, q.scope)),
	}
	if q.value != "" {
		a.Attributes.Set(abac.Request, attribute, abac.Text(q.value))
	}
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		d, err := w.Decide(tx, a)
		if err != nil {
			return err
		}
		want := w.naive(q)
		if (d.Effect == rbac.Allowed) != (len(want.allowing) > 0) || d.Effect == rbac.Denied {
			rt.Fatalf("%+v: %v by %+v, want by one of %v", q, d.Effect, d.Assignment, want.allowing)
		}
		if d.Effect == rbac.Allowed && !slices.Contains(want.allowing, d.Assignment.Name) {
			rt.Fatalf("%+v: allowed by %+v, which does not allow it", q, d.Assignment)
		}
		if unmet := d.Effect == rbac.NotAllowed && want.unmet; d.Conditional != unmet {
			rt.Fatalf("%+v: conditional: %t, want %t", q, d.Conditional, unmet)
		}
		return w.compareOthers(rt, tx, a.Caller, q)
	})
	if err != nil {
		rt.Fatal(err)
	}
}

// compareOthers compares the answers of the other functions that evaluate assignments.
func (w *world) compareOthers(rt *rapid.T, tx store.Tx, caller rbac.Caller, q question) error {
	may, err := w.MayAssignRoles(tx, tenant, append(caller.Groups, caller.ObjectID))
	if want := w.naiveMayAssign(q.user); err == nil && may != want {
		rt.Fatalf("%s may assign roles: %t, want %t", q.user, may, want)
	}
	if err != nil {
		return err
	}
	scope, err := arm.ParseID(q.scope)
	if err != nil {
		return err
	}
	visible, err := w.Visible(tx, caller, scope)
	if want := w.naiveVisible(q); err == nil && visible != want {
		rt.Fatalf("%s sees %s: %t, want %t", q.user, q.scope, visible, want)
	}
	return err
}

// spelled returns a scope in one of several spellings.
func spelled(rt *rapid.T, scope string) string {
	return rapid.SampledFrom([]string{scope, scope, strings.ToUpper(scope), arm.Fold(scope)}).Draw(rt, "spelling")
}
