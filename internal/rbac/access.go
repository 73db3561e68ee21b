package rbac

import (
	"midas/internal/arm"
	"midas/internal/rbac/condition"
)

// Access is a question: may a principal perform an action at a scope?
type Access struct {
	Caller Caller
	Action string // folded, such as microsoft.compute/virtualmachines/read
	Data   bool   // the action is one of the data plane, so dataActions and notDataActions decide
	Scope  arm.ID

	// Attributes are what the conditions of assignments may read. The zero value has none.
	Attributes condition.Attributes
}
