package wire

import (
	"midas/internal/arm"
	"midas/internal/rbac"
)

// heldConditionSince is the first version whose permissions have conditions.
const heldConditionSince arm.Version = "2022-05-01-preview"

// HeldPermission is a permission of the caller in an answer.
type HeldPermission struct {
	Permission

	Condition        string `json:"condition,omitempty"`
	ConditionVersion string `json:"conditionVersion,omitempty"`
}

// EncodeHeldPermissions encodes the fields of the caller's permissions that the version has. Older versions show
// the permissions of conditional assignments without their conditions, as they show the assignments.
func EncodeHeldPermissions(v arm.Version, held []rbac.HeldPermission) []HeldPermission {
	out := make([]HeldPermission, len(held))
	for i, h := range held {
		out[i].Permission = EncodePermissions(v, []rbac.Permission{h.Permission})[0]
		if atLeast(v, heldConditionSince) {
			out[i].Condition, out[i].ConditionVersion = h.Condition, h.ConditionVersion
		}
	}
	return out
}
