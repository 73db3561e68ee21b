package wire

import (
	"midas/internal/arm"
	"midas/internal/rbac"
)

// HeldPermission is a permission of the caller in an answer.
type HeldPermission struct {
	Permission

	Condition        string `json:"condition,omitempty"`
	ConditionVersion string `json:"conditionVersion,omitempty"`
}

// EncodeHeldPermissions encodes the fields of the caller's permissions that the version has. Older versions show
// the permissions of conditional assignments without their conditions, as they show the assignments. If both the
// assignment and the permission have a condition, both must be true, and the answer has the two joined.
func EncodeHeldPermissions(v arm.Version, held []rbac.HeldPermission) []HeldPermission {
	out := make([]HeldPermission, len(held))
	for i, h := range held {
		out[i].Permission = EncodePermissions(v, []rbac.Permission{h.Permission})[0]
		if !atLeast(v, permissionConditionSince) {
			continue
		}
		out[i].Condition, out[i].ConditionVersion = h.Condition, h.ConditionVersion
		switch own := h.Permission.Condition; {
		case own == "":
		case h.Condition == "":
			out[i].Condition, out[i].ConditionVersion = own, h.Permission.ConditionVersion
		default:
			out[i].Condition = "(" + own + ") && (" + h.Condition + ")"
		}
	}
	return out
}
