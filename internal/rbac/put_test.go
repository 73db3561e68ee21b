package rbac_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/rbac"
)

func ptr(s string) *string { return &s }

func TestAssignmentRoundTrip(t *testing.T) {
	b := newBench(t)
	given := rbac.Assignment{
		Name: strings.ToUpper(guid(0xabc)), Scope: strings.ToUpper(rg1), DefinitionID: reader, PrincipalID: ghost, PrincipalType: "serviceprincipal",
		Description: ptr("d"), Condition: ptr(anyCondition), ConditionVersion: ptr("2.0"), DelegatedManagedIdentityResourceID: ptr(app),
	}
	put, err := b.PutAssignment(t.Context(), event(), given)
	if err != nil {
		t.Fatal(err)
	}
	want := given
	want.TenantID, want.PrincipalType = tenant, "ServicePrincipal"
	want.CreatedOn, want.CreatedBy, want.UpdatedBy = start.Add(time.Second), "admin", "admin"
	want.UpdatedOn = want.CreatedOn
	got, err := b.Assignment(t.Context(), tenant, id(t, rg1), guid(0xabc))
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]rbac.Assignment{"put": put, "got": got} {
		if diff := cmp.Diff(want, a); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	page, err := b.Log.Query(t.Context(), activity.Query{Since: start})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != 1 || page.Events[0].Code != 201 || page.Events[0].Status != activity.Succeeded {
		t.Errorf("the activity log has %+v, want one write with 201", page.Events)
	}
}

func TestInvalidAssignmentsAreRejectedAsInAzure(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*rbac.Assignment)
		want   string
	}{
		"valid":                  {func(*rbac.Assignment) {}, "<nil>"},
		"name not a guid":        {func(a *rbac.Assignment) { a.Name = "first" }, "400 InvalidRoleAssignmentId"},
		"name with braces":       {func(a *rbac.Assignment) { a.Name = "{" + guid(1)[:34] + "}" }, "400 InvalidRoleAssignmentId"},
		"name without dashes":    {func(a *rbac.Assignment) { a.Name = strings.ReplaceAll(guid(1), "-", "0") }, "400 InvalidRoleAssignmentId"},
		"principal not a guid":   {func(a *rbac.Assignment) { a.PrincipalID = "User" }, "400 InvalidPrincipalId"},
		"no principal":           {func(a *rbac.Assignment) { a.PrincipalID = "" }, "400 InvalidPrincipalId"},
		"unknown principal":      {func(a *rbac.Assignment) { a.PrincipalID = ghost }, "400 PrincipalNotFound"},
		"unknown, with type":     {func(a *rbac.Assignment) { a.PrincipalID, a.PrincipalType = ghost, "User" }, "<nil>"},
		"known, with type":       {func(a *rbac.Assignment) { a.PrincipalType = "ServicePrincipal" }, "<nil>"},
		"known, in upper case":   {func(a *rbac.Assignment) { a.PrincipalID = strings.ToUpper(alice) }, "<nil>"},
		"known, in braces":       {func(a *rbac.Assignment) { a.PrincipalID = "{" + strings.ToUpper(alice) + "}" }, "<nil>"},
		"known, without hyphens": {func(a *rbac.Assignment) { a.PrincipalID = strings.ReplaceAll(alice, "-", "") }, "<nil>"},
		"half in braces":         {func(a *rbac.Assignment) { a.PrincipalID = "{" + alice }, "400 InvalidPrincipalId"},
		"old condition version": {func(a *rbac.Assignment) {
			a.Condition, a.ConditionVersion = ptr("@Resource[x:y] StringEquals 'z'"), ptr("1.0")
		}, "<nil>"},
		"known, with another type":  {func(a *rbac.Assignment) { a.PrincipalType = "User" }, "400 UnmatchedPrincipalType"},
		"no such type":              {func(a *rbac.Assignment) { a.PrincipalType = "Robot" }, "400 InvalidPrincipalType"},
		"known, in another tenant":  {func(a *rbac.Assignment) { a.TenantID = foreign }, "400 PrincipalNotFound"},
		"unknown role":              {func(a *rbac.Assignment) { a.DefinitionID = guid(7) }, "400 RoleDefinitionDoesNotExist"},
		"role in upper case":        {func(a *rbac.Assignment) { a.DefinitionID = strings.ToUpper(reader) }, "<nil>"},
		"scope not an id":           {func(a *rbac.Assignment) { a.Scope = "rg1" }, "400 BadRequest"},
		"scope without a resource":  {func(a *rbac.Assignment) { a.Scope = sub + "/providers/Microsoft.Compute" }, "400 BadRequest"},
		"scope of no resource":      {func(a *rbac.Assignment) { a.Scope = sub + "/operationresults/x" }, "400 BadRequest"},
		"long description":          {func(a *rbac.Assignment) { a.Description = ptr(strings.Repeat("x", 3000)) }, "400 BadRequest"},
		"long condition":            {func(a *rbac.Assignment) { a.Condition = ptr(strings.Repeat(" ", 9000) + anyCondition) }, "400 InvalidRoleAssignmentCondition"},
		"unknown condition version": {func(a *rbac.Assignment) { a.Condition, a.ConditionVersion = ptr(anyCondition), ptr("3.0") }, "400 InvalidRoleAssignmentCondition"},
		"2.0 condition as 1.0": {func(a *rbac.Assignment) {
			a.Condition, a.ConditionVersion = ptr("((!(ActionMatches{'x'})) OR (@Resource[y] StringEquals 'z'))"), ptr("1.0")
		}, "400 InvalidRoleAssignmentCondition"},
		"version, no condition": {func(a *rbac.Assignment) { a.ConditionVersion = ptr("2.0") }, "400 InvalidRoleAssignmentCondition"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := rbac.Assignment{Name: guid(1), Scope: rg1, DefinitionID: reader, PrincipalID: alice}
			tc.change(&a)
			_, err := b.PutAssignment(t.Context(), event(), a)
			if got := codeOf(err); got != tc.want {
				t.Errorf("PutAssignment: %v, want %s", err, tc.want)
			}
			b.checkRecords(t)
			if stored := len(b.records(t)) > 0; stored != (err == nil) {
				t.Errorf("after error %v, records are stored: %t", err, stored)
			}
		})
	}
}

func TestErrorMessagesMatchAzure(t *testing.T) {
	b := newBench(t)
	put := func(a rbac.Assignment) error {
		a.Name, a.Scope = guid(1), rg1
		_, err := b.PutAssignment(t.Context(), event(), a)
		return err
	}
	caller := rbac.Caller{TenantID: tenant, ObjectID: alice, AppID: "app-1"}
	_, _, noGUID := b.DeleteAssignment(t.Context(), event(), id(t, rg1), "x")
	for want, err := range map[string]error{
		"Principal dddddddd000000000000000000000004 does not exist in the directory " + tenant + ". Check that you have the correct principal ID. If you are creating this principal and then immediately assigning a role, this error might be related to a replication delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype": put(rbac.Assignment{DefinitionID: reader, PrincipalID: ghost}),
		"The specified role definition with ID '" + guid(7) + "' does not exist.":                                                                                                                                                              put(rbac.Assignment{DefinitionID: guid(7), PrincipalID: alice}),
		"The PrincipalId 'aaaaaaaa000000000000000000000001' has type 'ServicePrincipal' , which is different from specified PrinciaplType 'User'.":                                                                                             put(rbac.Assignment{DefinitionID: reader, PrincipalID: alice, PrincipalType: "User"}),
		"The role assignment ID 'x' is not valid. The role assignment ID must be a GUID.":                                                                                                                                                      noGUID,
		"The client 'app-1' with object id '" + alice + "' does not have authorization to perform action '" + uai + "read' over scope '" + app + "' or the scope is invalid. If access was recently granted, please refresh your credentials.": rbac.ErrAuthorizationFailed(caller, uai+"read", id(t, app)),
	} {
		e, ok := errors.AsType[*arm.Error](err)
		if !ok || e.Message != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestRepeatedPutChangesNothing(t *testing.T) {
	b := newBench(t)
	a := rbac.Assignment{Name: guid(1), Scope: rg1, DefinitionID: reader, PrincipalID: alice, Description: ptr("d")}
	first, err := b.PutAssignment(t.Context(), event(), a)
	if err != nil {
		t.Fatal(err)
	}
	before := b.records(t)
	a.Scope, a.PrincipalID = strings.ToUpper(rg1), strings.ToUpper(alice)
	again, err := b.PutAssignment(t.Context(), event(), a)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the answer changes (-first +again):\n%s", diff)
	}
	if diff := cmp.Diff(before, b.records(t)); diff != "" {
		t.Errorf("the records change (-before +after):\n%s", diff)
	}
}

func TestOnlyRoleConditionAndDescriptionCanChange(t *testing.T) {
	base := rbac.Assignment{Name: guid(1), Scope: rg1, DefinitionID: reader, PrincipalID: alice, Description: ptr("d")}
	for name, tc := range map[string]struct {
		change func(*rbac.Assignment)
		want   string
	}{
		"role":           {func(a *rbac.Assignment) { a.DefinitionID = contributor }, "<nil>"},
		"description":    {func(a *rbac.Assignment) { a.Description = nil }, "<nil>"},
		"condition":      {func(a *rbac.Assignment) { a.Condition, a.ConditionVersion = ptr(anyCondition), ptr("2.0") }, "<nil>"},
		"principal":      {func(a *rbac.Assignment) { a.PrincipalID = bob }, "400 RoleAssignmentUpdateNotPermitted"},
		"scope":          {func(a *rbac.Assignment) { a.Scope = sub }, "400 RoleAssignmentUpdateNotPermitted"},
		"delegation":     {func(a *rbac.Assignment) { a.DelegatedManagedIdentityResourceID = ptr(app) }, "400 RoleAssignmentUpdateNotPermitted"},
		"role, existing": {func(a *rbac.Assignment) { a.DefinitionID = miOperator }, "409 RoleAssignmentExists"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			old, err := b.PutAssignment(t.Context(), event(), base)
			if err != nil {
				t.Fatal(err)
			}
			b.ids = 100
			b.assign(t, alice, miOperator, rg1)
			a := base
			tc.change(&a)
			changed, err := b.PutAssignment(t.Context(), activity.Event{TenantID: tenant, CallerObjectID: "later"}, a)
			if got := codeOf(err); got != tc.want {
				t.Fatalf("PutAssignment: %v, want %s", err, tc.want)
			}
			b.checkRecords(t)
			stored, getErr := b.Assignment(t.Context(), tenant, id(t, rg1), guid(1))
			if getErr != nil {
				t.Fatal(getErr)
			}
			want := old
			if err == nil {
				want.DefinitionID, want.Description, want.Condition, want.ConditionVersion = a.DefinitionID, a.Description, a.Condition, a.ConditionVersion
				want.UpdatedOn, want.UpdatedBy = changed.UpdatedOn, "later"
				if !changed.UpdatedOn.After(old.UpdatedOn) {
					t.Error("UpdatedOn does not change")
				}
			}
			if diff := cmp.Diff(want, stored); diff != "" {
				t.Errorf("(-want +stored):\n%s", diff)
			}
		})
	}
}

func TestDuplicateAssignmentIsRejected(t *testing.T) {
	b := newBench(t)
	name := b.assign(t, alice, reader, rg1)
	again := rbac.Assignment{Name: guid(50), Scope: rg1, DefinitionID: strings.ToUpper(reader), PrincipalID: strings.ToUpper(alice)}
	if _, err := b.PutAssignment(t.Context(), event(), again); codeOf(err) != "409 RoleAssignmentExists" {
		t.Errorf("PutAssignment: %v, want RoleAssignmentExists", err)
	}
	if _, _, err := b.DeleteAssignment(t.Context(), event(), id(t, rg1), name); err != nil {
		t.Fatal(err)
	}
	if _, err := b.PutAssignment(t.Context(), event(), again); err != nil {
		t.Errorf("after the first is deleted: %v", err)
	}
	b.checkRecords(t)
}

func TestOneOfConcurrentDuplicatePutsSucceeds(t *testing.T) {
	b := newBench(t)
	const writers = 16
	var group sync.WaitGroup
	results := make([]string, writers)
	for i := range writers {
		group.Go(func() {
			_, err := b.PutAssignment(t.Context(), event(), rbac.Assignment{Name: guid(i + 1), Scope: rg1, DefinitionID: reader, PrincipalID: alice})
			results[i] = codeOf(err)
		})
	}
	group.Wait()
	count := make(map[string]int)
	for _, r := range results {
		count[r]++
	}
	if diff := cmp.Diff(map[string]int{"<nil>": 1, "409 RoleAssignmentExists": writers - 1}, count); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.checkRecords(t)
}

func TestConcurrentPutsOfDifferentAssignmentsSucceed(t *testing.T) {
	b := newBench(t)
	var group sync.WaitGroup
	for range 16 {
		scope := sub + "/resourceGroups/" + b.newID()
		group.Go(func() { b.assign(t, alice, reader, scope) })
	}
	group.Wait()
	b.checkRecords(t)
	if got := len(b.records(t)); got != 3*16+1 {
		t.Errorf("%d records are stored, want three for each assignment and one count", got)
	}
}

func TestSubscriptionIsLimitedToFourThousandAssignments(t *testing.T) {
	b := newBench(t)
	for i := range rbac.MaxAssignments {
		b.assign(t, guid(i), reader, rg1)
	}
	over := rbac.Assignment{Name: b.newID(), Scope: app, DefinitionID: reader, PrincipalID: alice}
	if _, err := b.PutAssignment(t.Context(), event(), over); codeOf(err) != "400 RoleAssignmentLimitExceeded" {
		t.Errorf("one more: %v, want RoleAssignmentLimitExceeded", err)
	} else if !strings.HasSuffix(err.Error(), ": No more role assignments can be created (code: RoleAssignmentLimitExceeded)") {
		t.Errorf("one more: %v, want Azure's text", err)
	}
	over.Scope = sub2
	if _, err := b.PutAssignment(t.Context(), event(), over); err != nil {
		t.Errorf("in another subscription: %v", err)
	}
	b.end(t, rg1)
	b.checkRecords(t)
	if got := len(b.records(t)); got != 3+2 {
		t.Errorf("after DeleteScope %d records are stored, want those of one assignment and two counts", got)
	}
}

func TestLastOwnerOfASubscriptionCannotBeRemoved(t *testing.T) {
	b := newBench(t)
	const refused = "412 CannotDeleteLastRbacAdminAssignment"
	first := b.assign(t, alice, owner, sub)
	b.assign(t, bob, accessAdmin, sub)
	b.assign(t, bob, owner, rg1)
	b.assign(t, bob, owner, "/")
	remove := func(name string) string {
		_, _, err := b.DeleteAssignment(t.Context(), event(), id(t, sub), name)
		return codeOf(err)
	}
	put := func(a rbac.Assignment) string {
		a.Name, a.Scope, a.PrincipalID = first, sub, alice
		_, err := b.PutAssignment(t.Context(), event(), a)
		return codeOf(err)
	}
	if got := remove(first); got != refused {
		t.Errorf("deleting the last Owner: %s", got)
	}
	if got := put(rbac.Assignment{DefinitionID: reader}); got != refused {
		t.Errorf("making the last Owner a Reader: %s", got)
	}
	if got := put(rbac.Assignment{DefinitionID: owner, Condition: ptr(anyCondition)}); got != refused {
		t.Errorf("giving the last Owner a condition: %s", got)
	}
	if got := put(rbac.Assignment{DefinitionID: owner, Description: ptr("d")}); got != "<nil>" {
		t.Errorf("describing the last Owner: %s", got)
	}
	second := b.assign(t, bob, owner, sub)
	if got := put(rbac.Assignment{DefinitionID: reader}); got != "<nil>" {
		t.Errorf("making one of two Owners a Reader: %s", got)
	}
	if got := remove(second); got != refused {
		t.Errorf("deleting the other: %s", got)
	}
	if got := put(rbac.Assignment{DefinitionID: owner}); got != "<nil>" {
		t.Errorf("making the Reader an Owner again: %s", got)
	}
	if got := remove(second); got != "<nil>" {
		t.Errorf("deleting one of two Owners: %s", got)
	}
	b.checkRecords(t)
}

func TestOneOfConcurrentRemovalsOfAllOwnersIsRefused(t *testing.T) {
	for range 10 {
		b := newBench(t)
		names := []string{b.assign(t, alice, owner, sub), b.assign(t, bob, owner, sub), b.assign(t, team, owner, sub)}
		results := make([]string, len(names))
		var group sync.WaitGroup
		for i, name := range names {
			group.Go(func() {
				_, _, err := b.DeleteAssignment(t.Context(), event(), id(t, sub), name)
				results[i] = codeOf(err)
			})
		}
		group.Wait()
		refused := 0
		for _, r := range results {
			if r == "412 CannotDeleteLastRbacAdminAssignment" {
				refused++
			} else if r != "<nil>" {
				t.Errorf("a removal fails with %s", r)
			}
		}
		if refused != 1 {
			t.Errorf("%d of three removals are refused, want one", refused)
		}
		b.checkRecords(t)
	}
}

// anyCondition is a condition that cannot be evaluated for requests of Resource Manager.
const anyCondition = "@Resource[a:b] StringEquals 'c'"
