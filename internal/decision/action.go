package decision

import "midas/internal/rbac/condition"

// Action is one action of a Question.
type Action struct {
	Name string // as the question spells it
	Data bool   // it is an action of the data plane

	subOperation string
	given        value                // attributes of the request; nil for most actions
	attributes   condition.Attributes // of the request, the resource and the environment
}
