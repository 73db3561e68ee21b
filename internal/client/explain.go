package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"midas/internal/arm"
)

// explainVersion is the api-version of Midas.Authorization.
const explainVersion = "2026-11-01"

// Question asks whether a principal may perform an action at a scope.
type Question struct {
	Principal string // an object id, or another name that Client.Principal finds
	Action    string
	Data      bool   // the action is one of the data plane
	Scope     string // empty means the administrator's subscription

	// Attributes are what conditions may read: by source (request, resource, principal), then by name.
	Attributes map[string]map[string]any
}

// Explanation is the server's answer to a Question.
type Explanation struct {
	Verdict    string // allowed or denied
	Reasons    []string
	Principal  ExplainedPrincipal
	Action     string
	Scope      string
	Reaching   []ExplainedAssignment `json:"roleAssignments"`
	NearMisses []ExplainedAssignment
	More       bool
	Deny       *struct{ ID string } `json:"denyAssignment"`
	Locks      []struct{ ID, Level string }
	Suggestion *Suggestion

	Raw json.RawMessage `json:"-"` // the answer as it came
}

// ExplainedPrincipal is the principal of an Explanation.
type ExplainedPrincipal struct {
	ID, Type, State string
	Name            string `json:"displayName"`
	Groups          int
}

// ExplainedAssignment is a role assignment in an Explanation.
type ExplainedAssignment struct {
	ID, Scope, RoleName, Outcome string
	Action                       string `json:"matchedAction"`
	NotAction                    string `json:"matchedNotAction"`
	Via                          []struct {
		ID   string
		Name string `json:"displayName"`
	}
	Condition *ExplainedCondition
}

// ExplainedCondition is the condition of a role assignment and what it evaluates to.
type ExplainedCondition struct {
	Text, Result, Reason string
	Parts                []ConditionPart
}

// ConditionPart is a term of a condition, and the values of the attributes that it has read.
type ConditionPart struct {
	Text, Result string
	Values       []string
}

// Suggestion is the role that would allow the action.
type Suggestion struct {
	RoleName, Scope, Note string
}

// Explain asks the server why a principal may or may not perform an action.
func (c *Client) Explain(ctx context.Context, q Question) (Explanation, error) {
	scope, err := c.scope(q.Scope)
	if err != nil {
		return Explanation{}, err
	}
	principal := q.Principal
	switch found, err := c.Principal(ctx, principal); {
	case err == nil:
		principal = found.ID
	case !errors.Is(err, ErrNotFound) || !arm.IsGUID(principal):
		return Explanation{}, err
	}
	body := struct {
		Principal string `json:"principalId"`
		Action    string `json:"action"`
		Data      bool   `json:"isDataAction"`

		Attributes map[string]map[string]any `json:"attributes,omitempty"`
	}{principal, q.Action, q.Data, q.Attributes}
	var x Explanation
	path := (&url.URL{Path: scope}).EscapedPath() + "/providers/Midas.Authorization/explain?api-version=" + explainVersion
	if err := c.call(ctx, http.MethodPost, path, body, &x.Raw); err != nil {
		return Explanation{}, err
	}
	if err := json.Unmarshal(x.Raw, &x); err != nil {
		return Explanation{}, fmt.Errorf("read the server's answer: %w", err)
	}
	return x, nil
}

// scope checks a scope on the command line. An empty one is the administrator's subscription; the root is empty.
func (c *Client) scope(given string) (string, error) {
	if given == "" {
		given = "/subscriptions/" + c.SubscriptionID
	}
	scope := strings.TrimSuffix(given, "/")
	if scope != "" && !strings.HasPrefix(scope, "/") {
		return "", fmt.Errorf("scope %q is not an id such as /subscriptions/%s/resourceGroups/rg1", given, c.SubscriptionID)
	}
	return scope, nil
}
