package decision

import (
	"encoding/json"
	"strconv"

	"midas/internal/rbac"
)

// TimeToLive is how long a client may use a decision, in milliseconds: what Azure's version 2 of checkAccess says.
// Every new question is answered from the present state.
const TimeToLive = 60_000

// Append appends decisions to a buffer as a JSON array. Batches are large, and encoding/json would take longer than
// the decisions do.
func Append(buf []byte, decisions []Decision) []byte {
	buf = append(buf, '[')
	for i := range decisions {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = decisions[i].append(buf)
	}
	return append(buf, ']')
}

func (d *Decision) append(buf []byte) []byte {
	buf = appendString(append(buf, `{"actionId":`...), d.Action.Name)
	buf = append(append(buf, `,"accessDecision":"`...), d.Effect.String()...)
	buf = strconv.AppendBool(append(buf, `","isDataAction":`...), d.Action.Data)
	buf = d.appendRoleAssignment(append(buf, `,"roleAssignment":`...))
	buf = d.appendDenyAssignment(append(buf, `,"denyAssignment":`...))
	buf = strconv.AppendInt(append(buf, `,"timeToLiveInMs":`...), TimeToLive, 10)
	return append(buf, '}')
}

// appendRoleAssignment appends the role assignment that allows the action, or null.
func (d *Decision) appendRoleAssignment(buf []byte) []byte {
	a := d.Assignment
	if d.Effect != rbac.Allowed {
		return append(buf, "null"...)
	}
	buf = appendString(append(buf, `{"id":`...), a.Name)
	buf = appendString(append(buf, `,"roleDefinitionId":`...), a.Role)
	buf = appendString(append(buf, `,"principalId":`...), a.Principal)
	buf = appendString(append(buf, `,"principalType":`...), d.PrincipalType)
	buf = appendString(append(buf, `,"scope":`...), a.Scope)
	return append(buf, '}')
}

// appendDenyAssignment appends the deny assignment that denies the action, or null.
func (d *Decision) appendDenyAssignment(buf []byte) []byte {
	if d.Effect != rbac.Denied {
		return append(buf, "null"...)
	}
	buf = appendString(append(buf, `{"id":`...), d.Deny.Name)
	buf = appendString(append(buf, `,"name":`...), d.Deny.Name)
	buf = appendString(append(buf, `,"scope":`...), d.Deny.Scope)
	return append(buf, '}')
}

// appendString appends a text as a JSON string.
func appendString(buf []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string can always be encoded
			return append(buf, quoted...)
		}
	}
	return append(append(append(buf, '"'), s...), '"')
}
