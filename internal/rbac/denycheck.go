package rbac

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/rbac/action"
)

// Limits of one deny assignment.
const (
	maxDenyName        = 256 // bytes
	maxDenyPermissions = 20
	maxDenyPatterns    = 200 // of all permissions together
	maxDenyPattern     = 256 // bytes
	maxDenyExcluded    = 100
)

// checkDeny makes the checks of a deny assignment that depend on nothing but the directory. It returns it with its
// principals in their stored form.
func (s *Service) checkDeny(ctx context.Context, d DenyAssignment) (DenyAssignment, error) {
	switch {
	case !arm.IsGUID(d.Name):
		return d, errDenyName(d.Name)
	case strings.TrimSpace(d.DisplayName) == "" || len(d.DisplayName) > maxDenyName:
		return d, errDenyContent("A deny assignment must have a denyAssignmentName of at most %d bytes.", maxDenyName)
	case d.Description != nil && len(*d.Description) > maxDescription:
		return d, errDenyContent("The description is longer than %d bytes.", maxDescription)
	case d.Effect != Enforced && d.Effect != Audit:
		return d, errDenyContent("The denyAssignmentEffect must be '%s' or '%s'.", Enforced, Audit)
	}
	d.Permissions = slices.Clone(d.Permissions)
	err := checkDenyPermissions(d.Permissions)
	if err != nil {
		return d, err
	}
	d.Condition, d.ConditionVersion, err = checkCondition(d.Condition, d.ConditionVersion, errDenyCondition)
	if err != nil {
		return d, err
	}
	return s.withPrincipals(ctx, d)
}

// checkDenyPermissions checks permissions, and gives their conditions the form in which they are stored.
func checkDenyPermissions(permissions []DenyPermission) (err error) {
	patterns, denies := 0, 0
	for i := range permissions {
		p := &permissions[i]
		denies += len(p.Actions) + len(p.DataActions)
		for _, pattern := range p.patterns() {
			if err := checkDenyPattern(pattern); err != nil {
				return err
			}
			patterns++
		}
		p.Condition, p.ConditionVersion, err = checkCondition(p.Condition, p.ConditionVersion, errDenyCondition)
		if err != nil {
			return err
		}
	}
	switch {
	case denies == 0:
		return errDenyContent("A deny assignment must have a permission with actions or dataActions.")
	case len(permissions) > maxDenyPermissions || patterns > maxDenyPatterns:
		return errDenyContent("A deny assignment can have %d permissions with %d actions together.", maxDenyPermissions, maxDenyPatterns)
	}
	return nil
}

func checkDenyPattern(pattern string) error {
	switch {
	case len(pattern) > maxDenyPattern || action.Check(pattern) != nil:
		return errDenyAction(pattern, "is not a valid action.")
	case strings.HasPrefix(arm.Fold(pattern), ownActions):
		return errDenyAction(pattern, "is not permitted in user assigned deny assignments. Denying access to deny assignments is not allowed.")
	}
	return nil
}

// withPrincipals checks the principals, and fills in their types.
func (s *Service) withPrincipals(ctx context.Context, d DenyAssignment) (DenyAssignment, error) {
	switch {
	case len(d.Principals) != 1:
		return d, errDenyContent("A deny assignment must have exactly one principal: a user, a group, a service principal, or everyone ('%s' of type '%s').", EveryonePrincipal, SystemDefined)
	case len(d.ExcludePrincipals) > maxDenyExcluded:
		return d, errDenyContent("A deny assignment can exclude at most %d principals.", maxDenyExcluded)
	case d.Principals[0].IsEveryone() && len(d.ExcludePrincipals) == 0:
		return d, errDenyContent("A deny assignment for everyone must exclude at least one principal.")
	}
	d.Principals, d.ExcludePrincipals = slices.Clone(d.Principals), slices.Clone(d.ExcludePrincipals)
	if err := s.completePrincipal(ctx, d.TenantID, &d.Principals[0]); err != nil {
		return d, err
	}
	for i := range d.ExcludePrincipals {
		p := &d.ExcludePrincipals[i]
		if err := s.completePrincipal(ctx, d.TenantID, p); err != nil {
			return d, err
		}
		if p.IsEveryone() || p.ID == d.Principals[0].ID {
			return d, errDenyContent("The principal '%s' cannot be excluded.", p.ID)
		}
	}
	return d, nil
}

// completePrincipal checks a principal and sets its id and type in their stored form.
func (s *Service) completePrincipal(ctx context.Context, tenant string, p *DenyPrincipal) error {
	id, valid := arm.ParseGUID(p.ID)
	if !valid {
		return errInvalidPrincipal(p.ID)
	}
	p.ID = arm.Fold(id)
	if p.IsEveryone() || arm.SameName(p.Type, SystemDefined) {
		if !p.IsEveryone() || p.Type != "" && !arm.SameName(p.Type, SystemDefined) {
			return errDenyContent("The principal '%s' must have the type '%s', and no other principal can have it.", EveryonePrincipal, SystemDefined)
		}
		p.Type = SystemDefined
		return nil
	}
	var err error
	if p.Type, err = spelledType(p.Type, []string{"User", "Group", "ServicePrincipal"}); err != nil {
		return err
	}
	known, err := s.knownType(ctx, tenant, p.ID, p.Type)
	p.Type = cmp.Or(known, p.Type)
	return err
}
