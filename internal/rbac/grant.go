package rbac

// grant is a role assignment as the evaluation sees it. Its texts are folded.
type grant struct {
	principal   string
	scope       string // in the form of scopeKey
	definition  string
	name        string
	conditional bool
}

// ref returns the name of the grant's assignment.
func (g grant) ref() Ref {
	return Ref{Name: g.name, Scope: baseScope(g.scope), Role: g.definition, Principal: g.principal}
}
