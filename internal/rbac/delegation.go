package rbac

import (
	"midas/internal/arm"
	"midas/internal/rbac/condition"
	"midas/internal/store"
)

// The attributes of role assignments that conditions read, by which the right to assign roles is delegated with
// constraints. They are attributes of the request for a write, and of the resource for a deletion.
const (
	attributeRole          = "Microsoft.Authorization/roleAssignments:RoleDefinitionId"
	attributePrincipal     = "Microsoft.Authorization/roleAssignments:PrincipalId"
	attributePrincipalType = "Microsoft.Authorization/roleAssignments:PrincipalType"
)

// The actions on role assignments.
const (
	typeAssignments   = "Microsoft.Authorization/roleAssignments"
	writeAssignments  = typeAssignments + "/write"
	deleteAssignments = typeAssignments + "/delete"
)

// setAttributes gives conditions what they may read of a role assignment. The type of a principal is absent if it is
// empty.
func (a *Assignment) setAttributes(to *condition.Attributes, source condition.Source, principalType string) {
	to.Set(source, attributeRole, condition.GUID(a.DefinitionID))
	to.Set(source, attributePrincipal, condition.GUID(a.PrincipalID))
	if principalType != "" {
		to.Set(source, attributePrincipalType, condition.Text(principalType))
	}
}

// id returns the id of the assignment.
func (a *Assignment) id() (arm.ID, error) {
	scope := a.Scope
	if scope == "/" {
		scope = ""
	}
	return arm.ParseID(scope + "/providers/" + typeAssignments + "/" + a.Name)
}

// authorizeWrite refuses a write whose caller may not make it. old is the assignment that exists, or nil. Conditions see
// the assignment that is wanted as the request, and the old one as the resource.
//
// Who changes the role takes the old role away. So the caller must also have the right to assign the old role, or to
// delete the assignment: else a caller who may assign only some roles could take away all others.
func (s *Service) authorizeWrite(tx store.Tx, w *AssignmentWrite, old *Assignment) error {
	if w.Caller == nil {
		return nil
	}
	write, err := w.access(writeAssignments)
	if err != nil {
		return err
	}
	w.setAttributes(&write.Attributes, condition.Request, w.knownType)
	if old != nil {
		old.setAttributes(&write.Attributes, condition.Resource, old.PrincipalType)
	}
	if err := s.require(tx, write, writeAssignments); err != nil || old == nil || arm.SameName(old.DefinitionID, w.DefinitionID) {
		return err
	}
	remove, err := w.access(deleteAssignments)
	if err != nil {
		return err
	}
	old.setAttributes(&remove.Attributes, condition.Resource, old.PrincipalType)
	if d, err := s.Decide(tx, remove); err != nil || d.Effect == Allowed {
		return err
	}
	replace := write
	replace.Attributes = condition.Attributes{}
	old.setAttributes(&replace.Attributes, condition.Request, w.knownType)
	old.setAttributes(&replace.Attributes, condition.Resource, old.PrincipalType)
	return s.require(tx, replace, writeAssignments)
}

// authorizeDelete refuses the deletion of an assignment by a caller who may not delete it.
func (s *Service) authorizeDelete(tx store.Tx, caller *Caller, old *Assignment) error {
	if caller == nil {
		return nil
	}
	w := AssignmentWrite{Assignment: *old, Caller: caller}
	remove, err := w.access(deleteAssignments)
	if err != nil {
		return err
	}
	old.setAttributes(&remove.Attributes, condition.Resource, old.PrincipalType)
	return s.require(tx, remove, deleteAssignments)
}

// access returns the question whether the caller may perform an action on the assignment.
func (w *AssignmentWrite) access(action string) (Access, error) {
	id, err := w.id()
	return Access{Caller: *w.Caller, Action: arm.Fold(action), Scope: id}, err
}

// require refuses an access that is not allowed. The action is that of the access in its usual spelling.
func (s *Service) require(tx store.Tx, a Access, action string) error {
	d, err := s.Decide(tx, a)
	if err != nil || d.Effect == Allowed {
		return err
	}
	if d.Effect == Denied && d.Assignment.Name != "" {
		refused, err := s.ErrDenied(tx, a.Caller, action, a.Scope, d.Deny)
		if err != nil {
			return err
		}
		return refused
	}
	return d.Refusal(a.Caller, action, a.Scope)
}
