package rbac_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/arm"
	"midas/internal/rbac"
	abac "midas/internal/rbac/condition"
	"midas/internal/store"
)

// compare draws an access and compares all that the service says about it with the naive evaluator.
func (w *world) compare(rt *rapid.T, t *testing.T) {
	q := question{
		user:      rapid.SampledFrom(worldUsers).Draw(rt, "caller"),
		action:    rapid.SampledFrom(worldActions).Draw(rt, "action"),
		scope:     rapid.SampledFrom(worldScopes).Draw(rt, "at"),
		value:     rapid.SampledFrom([]string{"", "v", "w"}).Draw(rt, "value"),
		undecided: rapid.IntRange(0, 3).Draw(rt, "undecided") == 0,
	}
	a := rbac.Access{Action: arm.Fold(q.action.name), Data: q.action.data, Scope: id(t, spelled(rt, q.scope)), Undecided: q.undecided}
	if q.value != "" {
		a.Attributes.Set(abac.Request, attribute, abac.Text(q.value))
	}
	err := w.Store.View(t.Context(), func(tx store.Tx) error {
		groups, err := w.directory.GroupsOf(tx, tenant, q.user)
		if err != nil {
			return err
		}
		if want := w.groupsOf(q.user); !slices.Equal(ordered(groups), ordered(want)) {
			rt.Fatalf("groups of %s: %v, want %v", q.user, groups, want)
		}
		a.Caller = as(q.user, groups...)
		d, err := w.Decide(tx, a)
		if err != nil {
			return err
		}
		if fault := w.naive(q).differs(d); fault != "" {
			rt.Fatalf("%+v: %+v: %s", q, d, fault)
		}
		if err := w.compareExplanation(rt, tx, a, q, d); err != nil {
			return err
		}
		if err := w.compareExtent(rt, tx, a, q); err != nil {
			return err
		}
		return w.compareOthers(rt, tx, a.Caller, q)
	})
	if err != nil {
		rt.Fatal(err)
	}
	w.comparePermissions(rt, t, a.Caller, q)
}

// differs returns how a decision differs from the answer; empty if it does not.
func (a answer) differs(d rbac.Decision) string {
	allowed := len(a.allowing)+len(a.undecided) > 0
	want := rbac.NotAllowed
	switch {
	case len(a.denying) > 0:
		want = rbac.Denied
	case allowed:
		want = rbac.Allowed
	}
	switch {
	case d.Effect != want:
		return fmt.Sprintf("want %v by %+v", want, a)
	case len(a.allowing) > 0 && !slices.Contains(a.allowing, d.Assignment.Name):
		return fmt.Sprintf("the assignment must be one of %v", a.allowing)
	case len(a.allowing) == 0 && allowed && !slices.Contains(a.undecided, d.Assignment.Name):
		return fmt.Sprintf("the assignment must be one of the undecided %v", a.undecided)
	case !allowed && d.Assignment != rbac.Ref{}:
		return "no assignment allows it"
	case len(a.allowing) == 0 && d.Conditional != a.unmet:
		return fmt.Sprintf("conditional must be %t", a.unmet)
	case (len(a.denying) > 0) != (d.Deny != rbac.Ref{}) || len(a.denying) > 0 && !slices.Contains(a.denying, d.Deny.Name):
		return fmt.Sprintf("the deny assignment must be one of %v", a.denying)
	case (len(a.auditing) > 0) != (d.Audit != rbac.Ref{}) || len(a.auditing) > 0 && !slices.Contains(a.auditing, d.Audit.Name):
		return fmt.Sprintf("the audit must be one of %v", a.auditing)
	}
	return ""
}

// compareExplanation checks that an explanation has the decision, and the assignments that reach the scope.
func (w *world) compareExplanation(rt *rapid.T, tx store.Tx, a rbac.Access, q question, d rbac.Decision) error {
	x, err := w.Explain(tx, a)
	if err != nil {
		return err
	}
	if x.Decision != d {
		rt.Fatalf("%+v: decided %+v, explained %+v", q, d, x.Decision)
	}
	var got, allowing []string
	for _, c := range x.Considered {
		got = append(got, c.Name)
		if c.Outcome == rbac.ActionAllowed {
			allowing = append(allowing, c.Name)
		}
	}
	var want []string
	for _, assignment := range w.reaching(q.user, q.scope) {
		want = append(want, assignment.Name)
	}
	if got, want = ordered(got), ordered(want); !x.More && !slices.Equal(got, want) {
		rt.Fatalf("%+v: considered %v, want %v", q, got, want)
	}
	n := w.naive(q)
	if want := ordered(slices.Concat(n.allowing, n.undecided)); !x.More && !slices.Equal(ordered(allowing), want) {
		rt.Fatalf("%+v: allowing %v, want %v", q, allowing, want)
	}
	return nil
}

// compareExtent checks that an extent says nothing wrong of the scope and of those below it.
func (w *world) compareExtent(rt *rapid.T, tx store.Tx, a rbac.Access, q question) error {
	extent, err := w.Extent(tx, a)
	if err != nil {
		return err
	}
	for _, scope := range worldScopes {
		at := q
		at.scope = scope
		answer := w.naive(at)
		allowed := len(answer.denying) == 0 && len(answer.allowing) > 0
		below := within(arm.Fold(q.scope), arm.Fold(scope)) || q.scope == "/"
		if extent == rbac.Everywhere && !allowed && (below || slices.Contains(w.scopesAbove(scope), arm.Fold(q.scope))) {
			rt.Fatalf("%+v: everywhere, but not at %s: %+v", q, scope, answer)
		}
		if extent == rbac.Nowhere && allowed && below {
			rt.Fatalf("%+v: nowhere, but at %s: %+v", q, scope, answer)
		}
	}
	return nil
}

// comparePermissions compares the permissions of a caller with those of the roles that it has at the scope.
func (w *world) comparePermissions(rt *rapid.T, t *testing.T, caller rbac.Caller, q question) {
	all, err := w.Permissions(t.Context(), caller, id(t, q.scope))
	if err != nil {
		rt.Fatal(err)
	}
	var got, want []string
	for _, p := range all {
		got = append(got, fmt.Sprint(p.Permission, p.Condition))
	}
	for _, a := range w.reaching(q.user, q.scope) {
		condition := ""
		if a.Condition != nil {
			condition = *a.Condition
		}
		d, _ := w.role(a.DefinitionID)
		for _, p := range d.Permissions {
			want = append(want, fmt.Sprint(p, condition))
		}
	}
	if got, want = ordered(got), ordered(want); !slices.Equal(got, want) {
		rt.Fatalf("permissions of %s at %s: %v, want %v", q.user, q.scope, got, want)
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

// ordered returns a sorted copy.
func ordered(list []string) []string { return slices.Sorted(slices.Values(list)) }
