package condition_test

import (
	"strings"
	"testing"

	"midas/internal/arm"
	"midas/internal/rbac/condition"
)

const (
	roleWrite  = "Microsoft.Authorization/roleAssignments/write"
	roleDelete = "Microsoft.Authorization/roleAssignments/delete"

	roleDefinitionID = "Microsoft.Authorization/roleAssignments:RoleDefinitionId"
	principalID      = "Microsoft.Authorization/roleAssignments:PrincipalId"
	principalType    = "Microsoft.Authorization/roleAssignments:PrincipalType"

	owner             = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
	backupContributor = "5e467623-bb1f-42f4-a55d-6e525e11384b"
	backupReader      = "a795c7a0-d4a2-40c1-ae25-d81f01202912"
)

// constrained is Azure's form of a condition on role assignments: it constrains what may be written and deleted.
func constrained(constraint string) string {
	return `
(
 (
  !(ActionMatches{'` + roleWrite + `'})
 )
 OR
 (
  ` + strings.ReplaceAll(constraint, "@", "@Request") + `
 )
)
AND
(
 (
  !(ActionMatches{'` + roleDelete + `'})
 )
 OR
 (
  ` + strings.ReplaceAll(constraint, "@", "@Resource") + `
 )
)`
}

const backupRoles = "@[" + roleDefinitionID + "] ForAnyOfAnyValues:GuidEquals {" + backupContributor + ", " + backupReader + "}"

func TestConditionConstrainsRoles(t *testing.T) {
	for _, tc := range []struct {
		action, role string
		source       condition.Source
		want         condition.Outcome
	}{
		{roleWrite, backupReader, condition.Request, condition.True},
		{roleWrite, strings.ToUpper(backupReader), condition.Request, condition.True},
		{roleWrite, owner, condition.Request, condition.False},
		{roleWrite, "", condition.Request, condition.CannotEvaluate},
		{roleWrite, backupReader, condition.Resource, condition.CannotEvaluate},
		{roleDelete, backupReader, condition.Resource, condition.True},
		{roleDelete, owner, condition.Resource, condition.False},
		{roleDelete, backupReader, condition.Request, condition.CannotEvaluate},
		{"Microsoft.Authorization/roleAssignments/read", "", condition.Request, condition.True},
	} {
		c, err := condition.Parse(constrained(backupRoles))
		if err != nil {
			t.Fatal(err)
		}
		q := condition.Query{Action: arm.Fold(tc.action)}
		if tc.role != "" {
			q.Attributes.Set(tc.source, roleDefinitionID, condition.GUID(tc.role))
		}
		if got := c.Evaluate(q); got.Outcome != tc.want {
			t.Errorf("%s of %q with %v: %v (%s), want %v", tc.action, tc.role, tc.source, got.Outcome, got.Reason(), tc.want)
		}
	}
}
