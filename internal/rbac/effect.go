package rbac

// Effect is the answer to an Access.
type Effect int

// The effects. The zero value allows nothing.
const (
	NotAllowed Effect = iota // no role assignment allows the action
	Allowed                  // a role assignment allows the action, and no deny assignment denies it
	Denied                   // a deny assignment denies the action, whatever roles the caller has
)

// String returns the name of the effect.
func (e Effect) String() string {
	switch e {
	case Allowed:
		return "Allowed"
	case Denied:
		return "Denied"
	}
	return "NotAllowed"
}
