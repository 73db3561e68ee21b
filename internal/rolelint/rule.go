package rolelint

import (
	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/rbac/action"
	"midas/internal/rbac/condition"
)

const assignRoles = "microsoft.authorization/roleassignments/write"

// access examines whether a role lets its holders give access to others.
func (r *run) access(a rbac.Assignment, role rbac.Examined) error {
	if !role.Allows(assignRoles) {
		return nil
	}
	if a.Condition == nil {
		if err := r.finds(Info, "assigns-roles", a, "The principal %s may assign every role at %s, also to itself (%s).", a.PrincipalID, a.Scope, role.RoleName); err != nil {
			return err
		}
	}
	if role.Type == rbac.BuiltInRole || r.roles[useOf(a.TenantID, role.ID)] {
		return nil
	}
	for _, p := range role.Permissions {
		for _, pattern := range p.Actions {
			if compiled := action.Compile(pattern); !arm.SameName(pattern, assignRoles) && compiled.Match(assignRoles) {
				return r.finds(Warning, "role-grants-access", a, "The custom role %s may assign roles, because its wildcard %s matches Microsoft.Authorization/roleAssignments/write.", role.RoleName, pattern)
			}
		}
	}
	return nil
}

const roleDefinitionID = "Microsoft.Authorization/roleAssignments:RoleDefinitionId"

// condition examines the condition of an assignment.
func (r *run) condition(a rbac.Assignment) error {
	if a.Condition == nil {
		return nil
	}
	parsed, err := condition.Parse(*a.Condition)
	if err != nil {
		return r.finds(Error, "condition-invalid", a, "The condition cannot be evaluated, so the assignment grants nothing: %v.", err)
	}
	for c := range parsed.Comparisons() {
		if c.Excludes && (c.Left.Is(roleDefinitionID) || c.Right.Is(roleDefinitionID)) {
			return r.finds(Error, "condition-denylist", a,
				"The condition lists the roles that must not be assigned (%s). A custom role with the same actions has another id and is not in the list; list the roles that may be assigned.", c.Operator)
		}
		for _, o := range []*condition.Operand{c.Left, c.Right} {
			if source, name, ok := o.Attribute(); ok && source == condition.Environment && !arm.SameName(name, "UtcNow") {
				return r.finds(Warning, "condition-never-true", a, "The condition compares %s, which Midas never knows, so the comparison cannot be evaluated.", o)
			}
		}
	}
	return nil
}
