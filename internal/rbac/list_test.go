package rbac_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/arm"
	"midas/internal/rbac"
)

// all reads every page of a list and returns the principal and the scope of each assignment.
func (b *bench) all(t testing.TB, scope string, f rbac.Filter) []string {
	t.Helper()
	if f.TenantID == "" {
		f.TenantID = tenant
	}
	short := map[string]string{alice: "alice", bob: "bob", team: "team"}
	var all []string
	for {
		page, err := b.ListAssignments(t.Context(), id(t, scope), f)
		if err != nil {
			t.Fatalf("ListAssignments: %v", err)
		}
		for _, a := range page.Assignments {
			all = append(all, short[a.PrincipalID]+" "+a.Scope)
		}
		if page.Next == "" {
			return all
		}
		if f.After = page.Next; f.Limit > 0 && len(page.Assignments) > f.Limit {
			t.Fatalf("a page has %d assignments, the limit is %d", len(page.Assignments), f.Limit)
		}
	}
}

func TestListsSelectTheAssignmentsThatAzureSelects(t *testing.T) {
	b := newBench(t)
	for _, a := range []struct{ principal, scope string }{
		{alice, "/"}, {alice, sub}, {alice, rg1}, {alice, app}, {alice, fic}, {alice, rg10}, {alice, sub2},
		{bob, rg1}, {bob, app2}, {team, sub}, {team, app}, {alice, outer},
	} {
		b.assign(t, a.principal, reader, a.scope)
	}
	for _, tc := range []struct {
		name, scope string
		filter      rbac.Filter
		want        []string
	}{
		{"no filter: above, at and below", rg1, rbac.Filter{}, []string{"alice /", "alice " + sub, "team " + sub, "alice " + rg1, "bob " + rg1, "alice " + app, "team " + app, "bob " + app2, "alice " + fic}},
		{"no filter, whatever the case", strings.ToUpper(rg10), rbac.Filter{}, []string{"alice /", "alice " + sub, "team " + sub, "alice " + rg10}},
		{"atScope: above and at", rg1, rbac.Filter{AtScope: true}, []string{"alice /", "alice " + sub, "team " + sub, "alice " + rg1, "bob " + rg1}},
		{"a leaf", fic, rbac.Filter{}, []string{"alice /", "alice " + sub, "team " + sub, "alice " + rg1, "bob " + rg1, "alice " + app, "team " + app, "alice " + fic}},
		{"principalId: above, at and below", rg1, rbac.Filter{PrincipalID: strings.ToUpper(alice)}, []string{"alice /", "alice " + sub, "alice " + rg1, "alice " + app, "alice " + fic}},
		{"principalId without any", rg1, rbac.Filter{PrincipalID: ghost}, nil},
		{"assignedTo without groups", rg1, rbac.Filter{AssignedTo: bob}, []string{"bob " + rg1, "bob " + app2}},
		{"assignedTo with groups", rg1, rbac.Filter{AssignedTo: bob, Groups: []string{team, team, ghost}}, []string{"bob " + rg1, "bob " + app2, "team " + sub, "team " + app}},
		{"assignedTo at the scope", app, rbac.Filter{AtScope: true, AssignedTo: bob, Groups: []string{team}}, []string{"bob " + rg1, "team " + sub, "team " + app}},
		{"the root lists itself", "/", rbac.Filter{}, []string{"alice /"}},
		{"the root for a principal", "/", rbac.Filter{PrincipalID: alice}, []string{"alice /", "alice " + outer, "alice " + sub, "alice " + rg1, "alice " + rg10, "alice " + app, "alice " + fic, "alice " + sub2}},
		{"another tenant", rg1, rbac.Filter{TenantID: foreign}, nil},
		{"another tenant's principal", "/", rbac.Filter{TenantID: foreign, PrincipalID: alice}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, limit := range []int{0, 1, 2, 3} {
				f := tc.filter
				f.Limit = limit
				got := b.all(t, tc.scope, f)
				if limit == 0 {
					assertAncestorsFirst(t, got)
				}
				if diff := cmp.Diff(slices.Sorted(slices.Values(tc.want)), slices.Sorted(slices.Values(got))); diff != "" {
					t.Errorf("in pages of %d (-want +got):\n%s", limit, diff)
				}
			}
		})
	}
}

// assertAncestorsFirst checks that no assignment comes after one of the same principal at a scope below it.
func assertAncestorsFirst(t *testing.T, list []string) {
	t.Helper()
	for i, a := range list {
		who, scope, _ := strings.Cut(a, " ")
		for _, before := range list[:i] {
			if otherWho, other, _ := strings.Cut(before, " "); otherWho == who && other != scope && id(t, scope).Contains(id(t, other)) {
				t.Errorf("%s comes after %s", a, before)
			}
		}
	}
}

func TestLastPageOfAListHasNoCursor(t *testing.T) {
	b := newBench(t)
	for i := range 6 {
		b.assign(t, alice, reader, fmt.Sprintf("%s/resourceGroups/g%d", sub, i))
	}
	f := rbac.Filter{TenantID: tenant, Limit: 3}
	for page, last := range []bool{false, true} {
		got, err := b.ListAssignments(t.Context(), id(t, sub), f)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Assignments) != 3 || (got.Next == "") != last {
			t.Errorf("page %d has %d assignments and the cursor %q", page, len(got.Assignments), got.Next)
		}
		f.After = got.Next
	}
}

func TestPagesAreStableWhileAssignmentsChange(t *testing.T) {
	b := newBench(t)
	group := func(i int) string { return fmt.Sprintf("%s/resourceGroups/g%02d", sub, i) }
	names := make(map[int]string)
	for i := 0; i < 20; i += 2 {
		names[i] = b.assign(t, alice, reader, group(i))
	}
	f := rbac.Filter{TenantID: tenant, Limit: 5}
	first, err := b.ListAssignments(t.Context(), id(t, sub), f)
	if err != nil {
		t.Fatal(err)
	}
	b.assign(t, alice, reader, group(1)) // before the cursor, so not in this list
	if _, _, err := b.DeleteAssignment(t.Context(), event(), id(t, group(8)), names[8]); err != nil {
		t.Fatal(err) // the assignment of the cursor
	}
	f.After = first.Next
	second, err := b.ListAssignments(t.Context(), id(t, sub), f)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range append(first.Assignments, second.Assignments...) {
		got = append(got, a.Scope)
	}
	var want []string
	for i := 0; i < 20; i += 2 {
		want = append(want, group(i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAssignmentFiltersMatchAzure(t *testing.T) {
	const refused = "400 UnsupportedQuery"
	for filter, want := range map[string]any{
		"":                               rbac.Filter{},
		"atScope()":                      rbac.Filter{AtScope: true},
		"ATSCOPE()":                      rbac.Filter{AtScope: true},
		"principalId eq '" + alice + "'": rbac.Filter{PrincipalID: alice},
		"assignedTo('" + alice + "')":    rbac.Filter{AssignedTo: alice},
		"atScope() and assignedTo('" + bob + "')": rbac.Filter{AtScope: true, AssignedTo: bob},
		"assignedTo('" + bob + "') and atScope()": rbac.Filter{AtScope: true, AssignedTo: bob},

		"principalId eq " + alice:                                   refused,
		"principalId eq ''":                                         refused,
		"principalId eq 'me'":                                       refused,
		"principalId ne '" + alice + "'":                            refused,
		"atScope() and principalId eq '" + alice + "'":              refused,
		"assignedTo()":                                              refused,
		"assignedTo(" + alice + ")":                                 refused,
		"atScope('x')":                                              refused,
		"atScope() and atScope()":                                   refused,
		"roleDefinitionId eq '" + reader + "'":                      refused,
		"assignedTo('" + bob + "') and assignedTo('" + alice + "')": refused,
		"atScope() or atScope()":                                    refused,
		"'":                                                         refused,
		strings.Repeat("x", 5000):                                   refused,
	} {
		got, err := rbac.ParseAssignmentFilter(filter)
		if code, isCode := want.(string); isCode {
			if codeOf(err) != code {
				t.Errorf("ParseAssignmentFilter(%.80q) = %+v, %v, want %s", filter, got, err, code)
			}
		} else if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("ParseAssignmentFilter(%.80q): %v (-want +got):\n%s", filter, err, diff)
		}
	}
}

func TestUnsupportedFilterHasAzuresMessage(t *testing.T) {
	_, err := rbac.ParseAssignmentFilter("principalId")
	const want = "UnsupportedQuery: The filter 'principalId' is not supported. Supported filters are either 'atScope()' or 'principalId eq '{value}' or assignedTo('{value}')'."
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestDefinitionFiltersSelect(t *testing.T) {
	builtIn := len(rbac.Definitions())
	for filter, want := range map[string]int{ // -1: refused
		"":                      builtIn,
		"roleName eq 'reader'":  1,
		"rolename eq 'READER'":  1,
		"roleName eq 'nothing'": 0,
		"atScopeAndBelow()":     builtIn,
		"type eq 'BuiltInRole'": builtIn,
		"type eq 'CustomRole'":  0,
		"atScopeAndBelow() and roleName eq 'Owner'":    1,
		"roleName eq 'Owner' and type eq 'CustomRole'": 0,
		"roleName eq Owner":                            -1,
		"roleName eq ''":                               -1,
		"roleName ne 'Owner'":                          -1,
		"roleName eq 'Owner' and roleName eq 'Reader'": -1,
		"atScope()":          -1,
		"description eq 'x'": -1,
		"roleName eq 'x":     -1,
	} {
		f, err := rbac.ParseDefinitionFilter(filter)
		if err != nil {
			if want != -1 || codeOf(err) != "400 UnsupportedQuery" {
				t.Errorf("ParseDefinitionFilter(%q): %v", filter, err)
			}
			continue
		}
		got := 0
		for _, d := range rbac.Definitions() {
			if f.Match(d) {
				got++
			}
		}
		if got != want {
			t.Errorf("%q selects %d roles, want %d", filter, got, want)
		}
	}
}

func TestDefinitionIDsAreReadAtAnyScope(t *testing.T) {
	const tail = "/providers/Microsoft.Authorization/roleDefinitions/"
	for given, want := range map[string]string{
		tail + reader:                        reader,
		sub + tail + reader:                  reader,
		strings.ToUpper(rg1 + tail + reader): reader,
		reader:                               "",
		"":                                   "",
		tail + "Reader":                      "",
		"/providers/Microsoft.Authorization/roleAssignments/" + reader: "",
		sub: "",
	} {
		got, err := rbac.ParseDefinitionID(given)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseDefinitionID(%q) = %q, %v, want %q", given, got, err, want)
		}
		if want == "" && codeOf(err) != "400 InvalidRoleDefinitionId" {
			t.Errorf("ParseDefinitionID(%q): %v", given, err)
		}
	}
}

// FuzzFilters checks that a filter is parsed or refused with an error of the client, and that lists accept
// every parsed filter.
func FuzzFilters(f *testing.F) {
	for _, s := range []string{"", "atScope()", "principalId eq '" + alice + "'", "atScope() and assignedTo('" + bob + "')", "roleName eq 'it''s' and type eq 'x'", "atScopeAndBelow()"} {
		f.Add(s)
	}
	b := newBench(f)
	b.assign(f, alice, reader, rg1)
	f.Fuzz(func(t *testing.T, s string) {
		filter, err := rbac.ParseAssignmentFilter(s)
		if err == nil {
			filter.TenantID = tenant
			_, err = b.ListAssignments(t.Context(), id(t, app), filter)
			if err != nil {
				t.Fatalf("the list with %q fails: %v", s, err)
			}
		} else if codeOf(err) != "400 UnsupportedQuery" {
			t.Fatalf("ParseAssignmentFilter(%q): %v", s, err)
		}
		if d, err := rbac.ParseDefinitionFilter(s); err == nil {
			d.Match(rbac.Definition{RoleName: arm.Fold(s)})
		} else if codeOf(err) != "400 UnsupportedQuery" {
			t.Fatalf("ParseDefinitionFilter(%q): %v", s, err)
		}
	})
}
