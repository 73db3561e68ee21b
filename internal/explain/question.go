package explain

import (
	"midas/internal/arm"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/rbac/condition"
)

// Question asks whether a principal may perform an action at a scope.
type Question struct {
	Asker     rbac.Caller // who asks
	Principal string      // object id, in the tenant of the asker
	Action    string      // such as Microsoft.Compute/virtualMachines/read, in any case
	Data      bool        // the action is one of the data plane
	Scope     arm.ID

	// AnyRole says that Azure Resource Manager allows the action to everyone with any role in the subscription.
	AnyRole bool

	// Lock is what the operation is for locks; zero for operations that locks do not concern.
	Lock lock.Operation

	// Writes says that the operation is refused in a subscription that is cancelled.
	Writes bool

	// Lists says that a list performs the action, and shows the entries that the principal may read below the scope.
	Lists bool

	// ListsAll says that this list shows resources of all types, so that a role at its scope is enough.
	ListsAll bool

	// Operations are the actions that the control plane itself knows, in their usual spelling.
	Operations []string

	// Attributes are what conditions may read.
	Attributes condition.Attributes
}

// self reports whether the asker asks about itself.
func (q *Question) self() bool { return arm.SameName(q.Principal, q.Asker.ObjectID) }
