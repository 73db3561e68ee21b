package explain

import (
	"midas/internal/lock"
	"midas/internal/rbac"
)

// Answer says whether a request would be accepted, and why.
type Answer struct {
	// Allowed reports whether the request would be accepted. It is false also if RBAC allows the action and
	// something else refuses the request.
	Allowed bool
	Reasons []string // sentences; the first one decides

	Principal   Principal
	Explanation rbac.Explanation
	Paths       map[string][]Group // by folded id of a group: the groups from the principal to it, both ends included
	Locks       []lock.Lock        // that refuse an action that RBAC allows
	DenyName    string             // the name, id and scope of the deny assignment, for sentences; empty if there is none
	Suggestion  *Suggestion        // nil if the action is allowed or no role would help
}

// Principal is the state of the principal in the directory.
type Principal struct {
	ID     string
	Type   string // User, Group or ServicePrincipal; empty if it is absent
	Name   string // display name; empty if the asker may not read the directory
	State  State
	Groups int // the number of its groups, direct and nested
}

// State says whether a principal can sign in.
type State string

// The states of a principal.
const (
	Enabled  State = "Enabled"
	Disabled State = "Disabled"
	Absent   State = "Absent"
)

// Group is a group on the path from a principal to an assignment.
type Group struct {
	ID   string
	Name string // empty if the asker may not read the directory
}

// Suggestion is the smallest built-in role that would allow an action, and the narrowest scope for it.
type Suggestion struct {
	RoleID, RoleName string
	Scope            string
	Note             string // what else must change; empty if nothing
}
