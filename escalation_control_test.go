package midas_test

import (
	"strings"
	"testing"
)

// TestRightsMakeWaysUpSucceed is the control of TestNobodyGainsRights: a principal with all rights takes the same
// ways, and gets through, so the attackers are refused for their missing rights and not for a mistake in a request.
func TestRightsMakeWaysUpSucceed(t *testing.T) {
	for family, ways := range map[string][]wayUp{
		"assignments": assignmentWays(), "definitions": definitionWays(), "locks": lockWays(),
		"hierarchy": hierarchyWays(), "identities": identityWays(), "directory": graphWays(),
	} {
		t.Run(family, func(t *testing.T) {
			w := newBattlefield(t)
			w.addKing(t)
			for _, way := range ways {
				code, body := w.send(t, "king", way.attempt)
				if want := refusedToAll()[way.name]; want == "" && code >= 300 || want != "" && !strings.Contains(body, `"code":"`+want+`"`) {
					t.Errorf("%s with all rights: %s %s is answered %d %.300s", way.name, way.method, way.path, code, body)
				}
			}
		})
	}
}

// refusedToAll are the ways that are refused whatever the rights of the caller are, with the code of an error that only a
// caller with the right gets.
func refusedToAll() map[string]string {
	const exists = "RoleAssignmentExists" // the principal is Owner there
	return map[string]string{
		"Owner for oneself at the subscription": exists, "Owner for oneself at the root group": exists,
		"delegatedManagedIdentityResourceId": exists, "a scope in the body above that of the path": exists,
		"the delegation's condition forbids Owner": exists,

		"Owner for oneself at a group that does not exist":            "ResourceGroupNotFound",
		"Owner for oneself at a subscription of nobody":               "SubscriptionNotFound",
		"take over the administrator's assignment":                    "RoleAssignmentUpdateNotPermitted",
		"the delegation's condition forbids to change a role":         "RoleAssignmentUpdateNotPermitted",
		"a principal type that is not true":                           "UnmatchedPrincipalType",
		"a principal type that is not true, with the right to assign": "UnmatchedPrincipalType",

		"a role at the root":                           "InvalidAssignableScope",
		"change the built-in role Reader":              "RoleDefinitionExists",
		"change the built-in role Reader at the group": "RoleDefinitionExists",
		"remove the built-in role Reader":              "BuiltInRoleCannotBeDeleted",

		"remove the root group":                             "BadRequest",
		"cancel the subscription":                           "ScopeLocked",
		"cancel the subscription by its path at the tenant": "ScopeLocked",
		"Global Administrator":                              "Request_BadRequest", // it is one
	}
}

// addKing adds a Global Administrator who is Owner of the root group and so of everything.
func (w *battlefield) addKing(t *testing.T) {
	t.Helper()
	const root = "/providers/Microsoft.Management/managementGroups/{tenant}"
	w.addAttacker(t, "king", "Owner", "{sub}", "")
	w.want(t, 0, "admin", attempt{"POST", "/v1.0/directoryRoles(roleTemplateId='62e90394-69f5-4237-9190-012177145e10')/members/$ref",
		`{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/` + w.objects["king"] + `"}`})
	w.want(t, 0, "king", attempt{"POST", "/providers/Microsoft.Authorization/elevateAccess?api-version=2017-05-01", ""})
	w.want(t, 0, "king", attempt{"PUT", root + assignmentPath, assignmentBody("Owner", "{me}")})
	w.want(t, 0, "king", attempt{"PUT", "/providers/Microsoft.Management/managementGroups/own-{attacker}" + groupsVersion, "{}"})
}
