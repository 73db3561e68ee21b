package management_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/directory"
	"midas/internal/store"
)

const (
	rbacAdministrator = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
	ownerRole         = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	accessRole        = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
	pullRole          = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
	contributorRole   = "b24988ac-6180-42a0-ab88-20f7382dd24c"
)

// delegation is a stack with a caller "delegate" who may assign roles under a condition.
type delegation struct {
	*stack
	own                           string // the name of the delegate's own assignment
	user, marketing, sales, other string // a user and groups
}

// constrained writes a condition as Azure's portal does: about writes and about deletions.
func constrained(constraint string) string {
	part := func(action, source string) string {
		return "(\n (\n  !(ActionMatches{'Microsoft.Authorization/roleAssignments/" + action + "'})\n )\n OR \n (\n  " +
			strings.ReplaceAll(constraint, "@[", "@"+source+"[Microsoft.Authorization/roleAssignments:") + "\n )\n)"
	}
	return part("write", "Request") + "\nAND\n" + part("delete", "Resource")
}

func newDelegation(t *testing.T, condition string) *delegation {
	t.Helper()
	d := &delegation{stack: newStack(t), own: uuid.NewString()}
	d.addCaller(t, "delegate")
	must(t, second(d.store.Update(t.Context(), func(tx store.Tx) error {
		for name, id := range map[string]*string{"Marketing": &d.marketing, "Sales": &d.sales, "Other": &d.other} {
			*id = uuid.NewString()
			must(t, d.directory.CreateGroup(tx, directory.Group{ID: *id, TenantID: tenant, DisplayName: name}))
		}
		d.user = uuid.NewString()
		return d.directory.CreateUser(tx, directory.User{ID: d.user, TenantID: tenant, UserPrincipalName: "u@test.midas", DisplayName: "u", Enabled: true}, "")
	})))
	d.want(t, http.StatusCreated, "owner", "PUT", d.path(d.own), d.body(rbacAdministrator, d.callers["delegate"].ID, condition))
	return d
}

func second[T any](_ T, err error) error { return err }

// path is the path of an assignment at the subscription.
func (d *delegation) path(name string) string {
	return "{sub}/providers/Microsoft.Authorization/roleAssignments/" + name + "?api-version=2022-04-01"
}

func (d *delegation) body(role, principal, condition string) string {
	properties := map[string]any{"roleDefinitionId": "/subscriptions/" + sub + "/providers/Microsoft.Authorization/roleDefinitions/" + role, "principalId": principal}
	if condition != "" {
		properties["condition"], properties["conditionVersion"] = condition, "2.0"
	}
	b, err := json.Marshal(map[string]any{"properties": properties})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// given makes an assignment that exists before the delegate acts.
func (d *delegation) given(t *testing.T, role, principal string) (name string) {
	t.Helper()
	name = uuid.NewString()
	d.want(t, http.StatusCreated, "owner", "PUT", d.path(name), d.body(role, principal, ""))
	return name
}

const (
	someRoles      = "@[RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + readerRole + ", " + pullRole + "}"
	usersAndGroups = someRoles + "\n  AND\n  @[PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {'User', 'Group'}"
	notPrivileged  = "@[RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {" + ownerRole + ", " + accessRole + ", " + rbacAdministrator + "}"
)

// TestDelegatesAssignWhatTheirConditionAllows has the conditions that Azure documents for delegation. Each is tried with
// writes and deletions of several roles to several principals.
func TestDelegatesAssignWhatTheirConditionAllows(t *testing.T) {
	for _, tc := range []struct {
		name, condition string
		// allowed are the pairs of role and principal that the delegate may assign, and delete unless deletes says more.
		allowed string
		deletes string
	}{
		{"roles", constrained(someRoles), "reader:app reader:user reader:marketing reader:other pull:app pull:user pull:marketing pull:other", ""},
		{"roles and principal types", constrained(usersAndGroups), "reader:user reader:marketing reader:other pull:user pull:marketing pull:other", ""},
		{"roles and groups", "marketing and sales", "reader:marketing pull:marketing", ""},
		{"applications only", constrained("@[PrincipalType] StringEqualsIgnoreCase 'serviceprincipal' AND @[RoleDefinitionId] GuidEquals " + strings.ToUpper(pullRole)), "pull:app", ""},
		{"all but privileged roles", constrained(notPrivileged), "reader:app reader:user reader:marketing reader:other pull:app pull:user pull:marketing pull:other contributor:app contributor:user contributor:marketing contributor:other", ""},
		{"additions only", strings.Split(constrained(someRoles), "\nAND\n(")[0], "reader:app reader:user reader:marketing reader:other pull:app pull:user pull:marketing pull:other", "all"},
		{"an attribute that is absent", constrained("@[Description] StringEquals 'x'"), "", ""},
		{"the negation of one", constrained("NOT @[Description] StringEquals 'x'"), "", ""},
		{"an attribute of the other source", "!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR @Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] GuidEquals " + readerRole, "", "all"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDelegation(t, "ActionMatches{'x'}")
			if tc.condition == "marketing and sales" {
				tc.condition = constrained(someRoles + " AND @[PrincipalId] ForAnyOfAnyValues:GuidEquals {" + d.marketing + ", " + d.sales + "}")
			}
			d.want(t, http.StatusCreated, "owner", "PUT", d.path(d.own), d.body(rbacAdministrator, d.callers["delegate"].ID, tc.condition))
			d.addCaller(t, "target")
			roles := map[string]string{"reader": readerRole, "pull": pullRole, "owner": ownerRole, "access": accessRole, "contributor": contributorRole}
			principals := map[string]string{"app": d.callers["target"].ID, "user": d.user, "marketing": d.marketing, "other": d.other}
			for role, roleID := range roles {
				for principal, principalID := range principals {
					pair := role + ":" + principal
					mayWrite := strings.Contains(" "+tc.allowed+" ", " "+pair+" ")
					d.checkPair(t, pair, [2]string{roleID, principalID}, mayWrite, mayWrite || tc.deletes == "all")
				}
			}
		})
	}
}

// checkPair lets the delegate create an assignment, and delete one of the same content.
func (d *delegation) checkPair(t *testing.T, pair string, content [2]string, mayWrite, mayDelete bool) {
	t.Helper()
	name, body := uuid.NewString(), d.body(content[0], content[1], "")
	w := d.do(t, "delegate", "PUT", d.path(name), body)
	if !mayWrite {
		d.refused(t, w.Code, w.Body.String(), "PUT of "+pair)
		d.want(t, http.StatusNotFound, "owner", "GET", d.path(name), "")
		d.want(t, http.StatusCreated, "owner", "PUT", d.path(name), body)
	} else if w.Code != http.StatusCreated {
		t.Errorf("PUT of %s: %d %s", pair, w.Code, w.Body)
	}
	w = d.do(t, "delegate", "DELETE", d.path(name), "")
	if mayDelete {
		if w.Code != http.StatusOK {
			t.Errorf("DELETE of %s: %d %s", pair, w.Code, w.Body)
		}
		return
	}
	d.refused(t, w.Code, w.Body.String(), "DELETE of "+pair)
	d.want(t, http.StatusOK, "owner", "DELETE", d.path(name), "")
}

// refused checks that an answer is Azure's refusal of a caller whose condition is not fulfilled.
func (d *delegation) refused(t *testing.T, status int, body, what string) {
	t.Helper()
	if status != http.StatusForbidden || !strings.Contains(body, `"AuthorizationFailed"`) ||
		!strings.Contains(body, "has an authorization with ABAC condition that is not fulfilled to perform action 'Microsoft.Authorization/roleAssignments/") {
		t.Errorf("%s: %d %s", what, status, body)
	}
}

// A delegate has no way around the condition by the form of a request.
func TestDelegatesCannotEvadeTheirCondition(t *testing.T) {
	d := newDelegation(t, constrained(usersAndGroups))
	delegate := d.callers["delegate"].ID
	owners := d.given(t, ownerRole, d.user)
	readers := d.given(t, readerRole, d.user)
	apps := d.given(t, readerRole, d.callers["nobody"].ID)
	definition := func(id, principal, more string) string {
		return fmt.Sprintf(`{"properties":{"roleDefinitionId":"%s","principalId":"%s"%s}}`, id, principal, more)
	}
	const definitions = "/providers/Microsoft.Authorization/roleDefinitions/"
	for _, tc := range []struct{ what, method, path, body string }{
		{"role of another scope", "PUT", d.path(uuid.NewString()), definition(definitions+ownerRole, d.user, "")},
		{"role in capitals", "PUT", d.path(uuid.NewString()), definition(definitions+strings.ToUpper(ownerRole), d.user, "")},
		{"role in braces", "PUT", d.path(uuid.NewString()), definition(definitions+"{"+ownerRole+"}", d.user, "")},
		{"at a group", "PUT", strings.Replace(d.path(uuid.NewString()), "{sub}", "{sub}/resourceGroups/rg", 1), definition(definitions+ownerRole, d.user, "")},
		{"old api-version", "PUT", strings.Replace(d.path(uuid.NewString()), "2022-04-01", "2015-07-01", 1), definition(definitions+ownerRole, d.user, "")},
		{"type of a principal that is unknown", "PUT", d.path(uuid.NewString()), definition(definitions+readerRole, uuid.NewString(), `,"principalType":"User"`)},
		{"itself", "PUT", d.path(uuid.NewString()), definition(definitions+ownerRole, delegate, "")},
		{"its own assignment without the condition", "PUT", d.path(d.own), definition(definitions+rbacAdministrator, delegate, "")},
		{"its own assignment with another role", "PUT", d.path(d.own), definition(definitions+ownerRole, delegate, "")},
		{"its own assignment", "DELETE", d.path(d.own), ""},
		{"an Owner's role", "PUT", d.path(owners), definition(definitions+readerRole, d.user, "")},
		{"an Owner's assignment", "DELETE", d.path(owners), ""},
		{"Reader to Owner", "PUT", d.path(readers), definition(definitions+ownerRole, d.user, "")},
		{"Reader of an application", "PUT", d.path(apps), definition(definitions+readerRole, d.callers["nobody"].ID, `,"description":"x"`)},
		{"validation", "POST", strings.Replace(d.path(uuid.NewString()), "?", "/validate?", 1), definition(definitions+ownerRole, d.user, "")},
	} {
		d.want(t, 0, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
		before := d.want(t, http.StatusOK, "owner", "GET", "{sub}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", "").Body.String()
		w := d.do(t, "delegate", tc.method, tc.path, tc.body)
		if tc.what == "validation" && w.Code == http.StatusNotFound {
			continue
		}
		d.refused(t, w.Code, w.Body.String(), tc.what)
		after := d.want(t, http.StatusOK, "owner", "GET", "{sub}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01", "").Body.String()
		if before != after {
			t.Errorf("%s has changed assignments", tc.what)
		}
	}
	page, err := d.log.Query(t.Context(), activity.Query{Since: time.Now().Add(-time.Hour)})
	must(t, err)
	failures := 0
	for _, ev := range page.Events {
		if ev.Status == activity.Failed && ev.CallerObjectID == delegate && strings.Contains(ev.Operation, "roleAssignments/") {
			failures++
		}
	}
	if failures < 10 {
		t.Errorf("the activity log has %d refusals", failures)
	}
}

// A delegate works like everyone else within the condition.
func TestDelegatesWorkWithinTheirCondition(t *testing.T) {
	d := newDelegation(t, constrained(usersAndGroups))
	name := uuid.NewString()
	d.want(t, http.StatusCreated, "delegate", "PUT", d.path(name), d.body(readerRole, d.user, ""))
	d.want(t, http.StatusCreated, "delegate", "PUT", d.path(name), d.body(readerRole, d.user, "")) // the same again
	d.want(t, http.StatusCreated, "delegate", "PUT", d.path(name), d.body(pullRole, d.user, ""))
	d.want(t, http.StatusBadRequest, "delegate", "PUT", d.path(name), d.body(readerRole, d.marketing, "")) // another principal
	d.want(t, http.StatusBadRequest, "delegate", "PUT", d.path(uuid.NewString()), "{")
	d.want(t, http.StatusBadRequest, "delegate", "PUT", d.path(uuid.NewString()), d.body(readerRole, d.user, "@Resource["))
	d.want(t, http.StatusOK, "delegate", "GET", d.path(name), "") // the condition does not constrain reads
	d.want(t, http.StatusOK, "delegate", "DELETE", d.path(name), "")
	d.want(t, http.StatusNoContent, "delegate", "DELETE", d.path(name), "")
	w := d.do(t, "nobody", "PUT", d.path(name), d.body(readerRole, d.user, ""))
	if w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "ABAC") {
		t.Errorf("a caller without a role gets %d %s", w.Code, w.Body)
	}
	d.want(t, http.StatusCreated, "owner", "PUT", d.path(d.own), d.body(rbacAdministrator, d.callers["delegate"].ID, "")) // without condition
	d.want(t, http.StatusCreated, "delegate", "PUT", d.path(name), d.body(contributorRole, d.user, ""))
}

// A right without a condition counts beside one with a condition.
func TestConditionsDoNotTakeFromOtherAssignments(t *testing.T) {
	d := newDelegation(t, constrained(someRoles))
	d.want(t, 0, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	d.assign(t, "delegate", "User Access Administrator", "/subscriptions/"+sub+"/resourceGroups/rg")
	inGroup := strings.Replace(d.path(uuid.NewString()), "{sub}", "{sub}/resourceGroups/rg", 1)
	d.want(t, http.StatusCreated, "delegate", "PUT", inGroup, d.body(ownerRole, d.user, ""))
	w := d.do(t, "delegate", "PUT", d.path(uuid.NewString()), d.body(ownerRole, d.user, ""))
	d.refused(t, w.Code, w.Body.String(), "PUT above the group")
}

// A deny assignment with a condition about the request denies only what its condition names: it is decided when the body
// is known.
func TestDenyAssignmentsHaveConditionsOnTheRequest(t *testing.T) {
	d := newDelegation(t, "ActionMatches{'x'}")
	d.deny(t, "{sub}", denyBody(`["Microsoft.Authorization/roleAssignments/write"]`, d.to("owner"),
		`,"conditionVersion":"2.0","condition":"@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] GuidEquals `+pullRole+`"`))
	name := uuid.NewString()
	d.want(t, http.StatusCreated, "owner", "PUT", d.path(name), d.body(readerRole, d.user, ""))
	for _, name := range []string{name, uuid.NewString()} {
		if w := d.do(t, "owner", "PUT", d.path(name), d.body(pullRole, d.user, "")); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "DenyAssignmentAuthorizationFailed") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}
