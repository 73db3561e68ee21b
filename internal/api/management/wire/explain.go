package wire

import (
	"midas/internal/arm"
	"midas/internal/explain"
	"midas/internal/lock"
	"midas/internal/rbac"
)

// Explain is the body of a request to explain a decision.
type Explain struct {
	PrincipalID  string                    `json:"principalId"`
	Action       string                    `json:"action"`
	IsDataAction bool                      `json:"isDataAction"`
	DataAction   bool                      `json:"dataAction"` // another spelling of isDataAction
	Attributes   map[string]map[string]any `json:"attributes"` // what conditions may read, by source and name
}

// Explanation is the answer to Explain.
type Explanation struct {
	Verdict      string                `json:"verdict"` // allowed or denied
	Effect       string                `json:"effect"`  // Allowed, NotAllowed or Denied, the decision of RBAC alone
	Reasons      []string              `json:"reasons"` // the first one decides
	Principal    explainedPrincipal    `json:"principal"`
	Action       string                `json:"action"`
	IsDataAction bool                  `json:"isDataAction"`
	Scope        string                `json:"scope"`
	Assignments  []explainedAssignment `json:"roleAssignments"` // that reach the scope
	NearMisses   []explainedAssignment `json:"nearMisses"`      // whose role has the action, at other scopes
	More         bool                  `json:"more"`            // there are more assignments than are listed
	Deny         *explainedDeny        `json:"denyAssignment,omitempty"`
	Locks        []explainedLock       `json:"locks"`
	Suggestion   *suggestion           `json:"suggestion,omitempty"`
}

type explainedPrincipal struct {
	ID     string        `json:"id"`
	Type   string        `json:"type,omitempty"`
	Name   string        `json:"displayName,omitempty"`
	State  explain.State `json:"state,omitempty"`
	Groups int           `json:"groups"`
}

type explainedAssignment struct {
	ID        string              `json:"id"`
	Scope     string              `json:"scope"`
	RoleID    string              `json:"roleDefinitionId"`
	RoleName  string              `json:"roleName,omitempty"`
	Principal string              `json:"principalId"`
	Via       []explainedGroup    `json:"via"` // the groups from the principal to the assignment
	Outcome   rbac.Outcome        `json:"outcome"`
	Action    string              `json:"matchedAction,omitempty"`
	NotAction string              `json:"matchedNotAction,omitempty"`
	Condition *explainedCondition `json:"condition,omitempty"`
}

type explainedGroup struct {
	ID   string `json:"id"`
	Name string `json:"displayName,omitempty"`
}

type explainedCondition struct {
	Text   string          `json:"text"`
	Result string          `json:"result,omitempty"`
	Reason string          `json:"reason,omitempty"`
	Parts  []explainedPart `json:"parts,omitempty"`
}

type explainedPart struct {
	Text   string   `json:"text"`
	Values []string `json:"values,omitempty"`
	Result string   `json:"result"`
}

type explainedDeny struct {
	ID    string `json:"id"`
	Scope string `json:"scope"`
}

type explainedLock struct {
	ID    string     `json:"id"`
	Level lock.Level `json:"level"`
}

type suggestion struct {
	RoleID   string `json:"roleDefinitionId"`
	RoleName string `json:"roleName"`
	Scope    string `json:"scope"`
	Note     string `json:"note,omitempty"`
}

// EncodeExplanation encodes the answer to a question.
func EncodeExplanation(q explain.Question, a explain.Answer) Explanation {
	x := a.Explanation
	out := Explanation{
		Verdict: "denied", Effect: x.Effect.String(), Reasons: a.Reasons,
		Principal: explainedPrincipal{ID: a.Principal.ID, Type: a.Principal.Type, Name: a.Principal.Name, State: a.Principal.State, Groups: a.Principal.Groups},
		Action:    q.Action, IsDataAction: q.Data, Scope: q.Scope.String(),
		Assignments: encodeConsidered(q.Scope, x.Considered, a.Paths), NearMisses: encodeConsidered(q.Scope, x.NearMisses, a.Paths),
		More: x.More, Locks: []explainedLock{},
	}
	if a.Allowed {
		out.Verdict = "allowed"
	}
	if x.Deny.Name != "" {
		scope, _ := arm.ParseID(x.Deny.Scope) // it was parsed before it was stored
		out.Deny = &explainedDeny{ID: child(scope, "Microsoft.Authorization/denyAssignments", x.Deny.Name), Scope: x.Deny.Scope}
	}
	for _, l := range a.Locks {
		scope, _ := arm.ParseID(l.Scope) // it was parsed before it was stored
		out.Locks = append(out.Locks, explainedLock{ID: child(scope, lock.Type, l.Name), Level: l.Level})
	}
	if s := a.Suggestion; s != nil {
		out.Suggestion = &suggestion{RoleID: definitionID(q.Scope, s.RoleID), RoleName: s.RoleName, Scope: s.Scope, Note: s.Note}
	}
	return out
}

func encodeConsidered(at arm.ID, all []rbac.Considered, paths map[string][]explain.Group) []explainedAssignment {
	out := make([]explainedAssignment, len(all))
	for i, c := range all {
		scope, _ := arm.ParseID(c.At) // it was parsed before it was stored
		if scope.Subscription() != "" {
			at = scope
		}
		out[i] = explainedAssignment{
			ID: child(scope, roleAssignments, c.Name), Scope: scope.String(), RoleID: definitionID(at, c.Role), RoleName: c.RoleName,
			Principal: c.Principal, Via: []explainedGroup{}, Outcome: c.Outcome, Action: c.Action, NotAction: c.NotAction,
			Condition: encodeEvaluated(c),
		}
		for _, g := range paths[c.Principal] {
			out[i].Via = append(out[i].Via, explainedGroup(g))
		}
	}
	return out
}

func encodeEvaluated(c rbac.Considered) *explainedCondition {
	if c.Condition == nil {
		return nil
	}
	out := &explainedCondition{Text: *c.Condition}
	if e := c.Evaluated; e != nil {
		out.Result, out.Reason = e.Result, e.Reason
		for _, p := range e.Parts {
			out.Parts = append(out.Parts, explainedPart(p))
		}
	}
	return out
}
