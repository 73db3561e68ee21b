package rbac

// Ref names a role assignment or a deny assignment. Its texts are folded.
type Ref struct {
	Name      string // a GUID
	Scope     string // the key of the scope
	Role      string // the GUID of the role definition; empty for a deny assignment
	Principal string // the object id of the caller or of the group that has the assignment
}
