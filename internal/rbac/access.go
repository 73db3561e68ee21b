package rbac

import (
	"time"

	"midas/internal/arm"
	"midas/internal/rbac/condition"
)

// Access is a question: may a principal perform an action at a scope?
type Access struct {
	Caller Caller
	Action string // folded, such as microsoft.compute/virtualmachines/read
	Data   bool   // the action is one of the data plane, so dataActions and notDataActions decide
	Scope  arm.ID

	// SubOperation is a part of the action that conditions may test, such as Blob.List. Most actions have none.
	SubOperation string

	// Attributes are what the conditions of assignments may read. The zero value has none.
	Attributes condition.Attributes

	// Undecided means that attributes may be missing that will be known later, such as those of a body that is not
	// read yet. Then a condition that cannot be evaluated does not prevent its role assignment from allowing the
	// action, and its deny assignment denies nothing. The same access is decided again with all attributes.
	Undecided bool
}

// query returns what the conditions of assignments are evaluated for.
func (a *Access) query(now time.Time) condition.Query {
	return condition.Query{
		Action: a.Action, SubOperation: a.SubOperation, Data: a.Data, Now: now, Attributes: a.Attributes,
		Undecided: a.Undecided,
	}
}
