package rbac_test

import (
	"regexp"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"midas/internal/arm"
	"midas/internal/rbac"
)

// attribute is the only attribute of the request in the property test.
const attribute = "Contoso.App/things:a"

// truth is the value of a condition.
type truth int

const (
	isFalse truth = iota
	isUnknown
	isTrue
)

// worldConditions are conditions with what they mean for an action and the value of the attribute, which is empty
// if it is absent.
var worldConditions = []struct {
	text string
	is   func(action, value string) truth
}{
	{"@Request[" + attribute + "] StringEquals 'v'", func(_, value string) truth { return equals(value, "v") }},
	{"!(@Request[" + attribute + "] StringEquals 'v')", func(_, value string) truth { return isTrue - equals(value, "v") }},
	{
		"!(ActionMatches{'Microsoft.Authorization/*/write'}) OR @Request[" + attribute + "] StringEquals 'v'",
		func(action, value string) truth {
			if naiveMatch("Microsoft.Authorization/*/write", action) {
				return equals(value, "v")
			}
			return isTrue
		},
	},
	{
		"ActionMatches{'*/read'} AND Exists @Request[" + attribute + "]",
		func(action, value string) truth {
			if naiveMatch("*/read", action) && value != "" {
				return isTrue
			}
			return isFalse
		},
	},
}

func equals(value, to string) truth {
	switch value {
	case "":
		return isUnknown
	case to:
		return isTrue
	}
	return isFalse
}

// drawCondition draws a condition, or none.
func drawCondition(rt *rapid.T) *string {
	if i := rapid.IntRange(0, 2*len(worldConditions)).Draw(rt, "condition"); i < len(worldConditions) {
		return ptr(worldConditions[i].text)
	}
	return nil
}

// worldAction is an action that the property test asks for.
type worldAction struct {
	name string
	data bool
}

var worldActions = []worldAction{
	{uai + "read", false}, {uai + "write", false}, {uai + "assign/action", false},
	{"Microsoft.Authorization/roleAssignments/write", false}, {"Microsoft.Compute/virtualMachines/read", false},
	{"Microsoft.KeyVault/vaults/secrets/getSecret/action", true}, {"Microsoft.KeyVault/vaults/secrets/getSecret/action", false},
}

// question is an access in the words of the property test.
type question struct {
	user   string
	action worldAction
	scope  string
	value  string // of the attribute; empty if it is absent
}

// answer is what the naive evaluator says.
type answer struct {
	allowing []string // the names of the assignments that allow the access
	unmet    bool     // a role would allow it, and its condition is not true
}

// naive evaluates an access as Azure documents it: the union, over all role assignments to the user or to a group
// that the user is in, at the scope or above it, of the role's actions without its notActions, if the condition of
// the assignment is true.
func (w *world) naive(q question) (a answer) {
	for name, assignment := range w.assignments {
		if !w.holds(q.user, assignment.PrincipalID) || !slices.Contains(w.scopesAbove(q.scope), arm.Fold(assignment.Scope)) ||
			!naiveRole(assignment.DefinitionID, q.action) {
			continue
		}
		if naiveCondition(assignment.Condition, q.action.name, q.value) == isTrue {
			a.allowing = append(a.allowing, name)
		} else {
			a.unmet = true
		}
	}
	return a
}

// naiveMayAssign says whether a user or one of its groups has a role that can assign roles, anywhere.
func (w *world) naiveMayAssign(user string) bool {
	for _, a := range w.assignments {
		if w.holds(user, a.PrincipalID) && naiveRole(a.DefinitionID, worldAction{"Microsoft.Authorization/roleAssignments/write", false}) {
			return true
		}
	}
	return false
}

// naiveVisible says whether a user has a role at a scope, above it or below it. Only its id says what is below.
func (w *world) naiveVisible(q question) bool {
	key := arm.Fold(q.scope)
	for _, a := range w.assignments {
		at := arm.Fold(a.Scope)
		related := slices.Contains(w.scopesAbove(q.scope), at) || key == "/" || within(key, at)
		_, exists := rbac.DefinitionByID(a.DefinitionID)
		if exists && related && w.holds(q.user, a.PrincipalID) && naiveCondition(a.Condition, "Microsoft.Resources/subscriptions/read", "") == isTrue {
			return true
		}
	}
	return false
}

// holds says whether a principal is the user or a group that the user is in.
func (w *world) holds(user, principal string) bool {
	return user == principal || slices.Contains(w.groupsOf(user), principal)
}

// groupsOf returns the groups of a user, direct and transitive.
func (w *world) groupsOf(user string) []string {
	var all []string
	for next := []string{user}; len(next) > 0; next = next[1:] {
		for _, group := range w.memberOf[next[0]] {
			if !slices.Contains(all, group) {
				all, next = append(all, group), append(next, group)
			}
		}
	}
	return all
}

// scopesAbove returns a scope and all scopes above it, folded: each beginning of the id that is an id, the
// management groups above its subscription or group, and the root.
func (w *world) scopesAbove(scope string) []string {
	key := arm.Fold(scope)
	all := []string{"/", key}
	for i := range key {
		if i > 0 && key[i] == '/' {
			all = append(all, key[:i])
		}
	}
	for _, at := range slices.Clone(all) {
		for up := w.above[at]; up != ""; up = w.above[up] {
			all = append(all, up)
		}
	}
	return all
}

func naiveRole(definition string, action worldAction) bool {
	d, _ := rbac.DefinitionByID(definition)
	for _, p := range d.Permissions {
		in, out := p.Actions, p.NotActions
		if action.data {
			in, out = p.DataActions, p.NotDataActions
		}
		covers := func(pattern string) bool { return naiveMatch(pattern, action.name) }
		if slices.ContainsFunc(in, covers) && !slices.ContainsFunc(out, covers) {
			return true
		}
	}
	return false
}

func naiveCondition(text *string, action, value string) truth {
	if text == nil {
		return isTrue
	}
	for _, c := range worldConditions {
		if c.text == *text {
			return c.is(action, value)
		}
	}
	return isUnknown
}

// naiveMatch compares an action with a pattern by a regular expression: a star between two slashes is any number
// of segments, another star any text.
func naiveMatch(pattern, action string) bool {
	text := regexp.QuoteMeta(pattern)
	text = strings.ReplaceAll(text, `/\*/`, `/(.*/)?`)
	text = strings.ReplaceAll(text, `\*`, `.*`)
	return regexp.MustCompile(`(?is)^` + text + `$`).MatchString(action)
}

// within says whether a key is that of a scope or of one below it.
func within(scope, key string) bool { return key == scope || strings.HasPrefix(key, scope+"/") }
