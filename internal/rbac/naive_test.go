package rbac_test

import (
	"regexp"
	"slices"
	"strings"
	"sync"

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
	is   func(question) truth
}{
	{"@Request[" + attribute + "] StringEquals 'v'", func(q question) truth { return equals(q.value, "v") }},
	{"!(@Request[" + attribute + "] StringEquals 'v')", func(q question) truth { return isTrue - equals(q.value, "v") }},
	{
		"!(ActionMatches{'Microsoft.Authorization/*/write'}) OR @Request[" + attribute + "] StringEquals 'v'",
		func(q question) truth {
			if naiveMatch("Microsoft.Authorization/*/write", q.action.name) {
				return equals(q.value, "v")
			}
			return isTrue
		},
	},
	{
		"ActionMatches{'*/read'} AND Exists @Request[" + attribute + "]",
		func(q question) truth {
			switch {
			case !naiveMatch("*/read", q.action.name):
				return isFalse
			case q.value != "":
				return isTrue
			case q.undecided: // the attribute may come
				return isUnknown
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
	{"Microsoft.Authorization/denyAssignments/delete", false}, {"Microsoft.Resources/subscriptions/read", false}, {uai + "read", false}, {uai + "write", false}, {uai + "assign/action", false},
	{"Microsoft.Authorization/roleAssignments/write", false}, {"Microsoft.Compute/virtualMachines/read", false},
	{"Microsoft.KeyVault/vaults/secrets/getSecret/action", true}, {"Microsoft.KeyVault/vaults/secrets/getSecret/action", false},
}

// question is an access in the words of the property test.
type question struct {
	user      string
	action    worldAction
	scope     string
	value     string // of the attribute; empty if it is absent
	undecided bool   // what cannot be evaluated now is decided later
}

// answer is what the naive evaluator says.
type answer struct {
	allowing  []string // the names of the role assignments that allow the access
	undecided []string // and of those that may allow it when it is decided later
	unmet     bool     // a role would allow it, and its condition is not true
	denying   []string // the names of the deny assignments that deny the access
	auditing  []string // and of those that would
}

// naive evaluates an access as Azure documents it. It is allowed by the union, over all role assignments to the user
// or to a group that the user is in, at the scope or above it, of the role's actions without its notActions, if the
// condition of the assignment is true. Deny assignments come first.
func (w *world) naive(q question) (a answer) {
	for _, assignment := range w.reaching(q.user, q.scope) {
		if !w.naiveRole(assignment.DefinitionID, q.action) {
			continue
		}
		is := naiveCondition(assignment.Condition, q)
		switch {
		case is == isTrue:
			a.allowing = append(a.allowing, assignment.Name)
			continue
		case is == isUnknown && q.undecided:
			a.undecided = append(a.undecided, assignment.Name)
		}
		a.unmet = true
	}
	for name, d := range w.denies {
		switch {
		case !w.naiveDenies(d, q):
		case d.Effect == rbac.Enforced:
			a.denying = append(a.denying, name)
		default:
			a.auditing = append(a.auditing, name)
		}
	}
	return a
}

// reaching returns the role assignments to a user or its groups at a scope and above it.
func (w *world) reaching(user, scope string) (all []rbac.Assignment) {
	groups, scopes := w.groupsOf(user), w.scopesAbove(scope)
	for _, a := range w.assignments {
		if (a.PrincipalID == user || slices.Contains(groups, a.PrincipalID)) && slices.Contains(scopes, arm.Fold(a.Scope)) {
			all = append(all, a)
		}
	}
	return all
}

// naiveDenies says whether a deny assignment denies an access: it applies at the scope, to the user or to everyone and
// not to an excluded principal, and one of its permissions has the action and a condition that is not false.
func (w *world) naiveDenies(d rbac.DenyAssignment, q question) bool {
	at, key := arm.Fold(d.Scope), arm.Fold(q.scope)
	if d.DoNotApplyToChildScopes && at != key || !slices.Contains(w.scopesAbove(q.scope), at) {
		return false
	}
	is := func(p rbac.DenyPrincipal) bool { return p.ID == rbac.EveryonePrincipal || w.holds(q.user, p.ID) }
	if !is(d.Principals[0]) || slices.ContainsFunc(d.ExcludePrincipals, is) {
		return false
	}
	if strings.HasPrefix(q.action.name, "Microsoft.Authorization/denyAssignments/") {
		return false // they can always be removed
	}
	holds := func(condition *string) bool {
		is := naiveCondition(condition, q)
		return is == isTrue || is == isUnknown && !q.undecided
	}
	return holds(d.Condition) && slices.ContainsFunc(d.Permissions, func(p rbac.DenyPermission) bool {
		return holds(p.Condition) && naivePermission(q.action, rbac.Permission{
			Actions: p.Actions, NotActions: p.NotActions, DataActions: p.DataActions, NotDataActions: p.NotDataActions,
		})
	})
}

// naiveMayAssign says whether a user or one of its groups has a role that can assign roles, anywhere.
func (w *world) naiveMayAssign(user string) bool {
	for _, a := range w.assignments {
		if w.holds(user, a.PrincipalID) && w.naiveRole(a.DefinitionID, worldAction{"Microsoft.Authorization/roleAssignments/write", false}) {
			return true
		}
	}
	return false
}

// naiveVisible says whether a user has a role at a scope, above it or below it, and is not denied to read the scope.
// Only its id says what is below.
func (w *world) naiveVisible(q question) bool {
	key := arm.Fold(q.scope)
	see := question{user: q.user, scope: q.scope, action: worldAction{"Microsoft.Resources/subscriptions/read", false}}
	if len(w.naive(see).denying) > 0 {
		return false
	}
	for _, a := range w.assignments {
		at := arm.Fold(a.Scope)
		related := slices.Contains(w.scopesAbove(q.scope), at) || key == "/" || within(key, at)
		_, exists := w.role(a.DefinitionID)
		if exists && related && w.holds(q.user, a.PrincipalID) && naiveCondition(a.Condition, see) == isTrue {
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
			if !slices.Contains(all, group) && !w.gone[group] && group != user {
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

// builtIn are the built-in roles by id.
var builtIn = sync.OnceValue(func() map[string]rbac.Definition {
	all := map[string]rbac.Definition{}
	for _, d := range rbac.Definitions() {
		all[d.ID] = d
	}
	return all
})

// role returns a built-in or a custom role.
func (w *world) role(guid string) (d rbac.Definition, found bool) {
	if d, found = w.custom[guid]; !found {
		d, found = builtIn()[guid]
	}
	return d, found
}

func (w *world) naiveRole(definition string, action worldAction) bool {
	d, _ := w.role(definition)
	return slices.ContainsFunc(d.Permissions, func(p rbac.Permission) bool { return naivePermission(action, p) })
}

func naivePermission(action worldAction, p rbac.Permission) bool {
	in, out := p.Actions, p.NotActions
	if action.data {
		in, out = p.DataActions, p.NotDataActions
	}
	covers := func(pattern string) bool { return naiveMatch(pattern, action.name) }
	return slices.ContainsFunc(in, covers) && !slices.ContainsFunc(out, covers)
}

func naiveCondition(text *string, q question) truth {
	if text == nil {
		return isTrue
	}
	for _, c := range worldConditions {
		if c.text == *text {
			return c.is(q)
		}
	}
	return isUnknown
}

// naiveMatch compares an action with a pattern by a regular expression: a star between two slashes is any number
// of segments, another star any text.
func naiveMatch(pattern, action string) bool {
	if compiled, kept := naivePatterns.Load(pattern); kept {
		return compiled.(*regexp.Regexp).MatchString(action)
	}
	text := regexp.QuoteMeta(pattern)
	text = strings.ReplaceAll(text, `/\*/`, `/(.*/)?`)
	text = strings.ReplaceAll(text, `\*`, `.*`)
	compiled := regexp.MustCompile(`(?is)^` + text + `$`)
	naivePatterns.Store(pattern, compiled)
	return compiled.MatchString(action)
}

// naivePatterns are the compiled patterns.
var naivePatterns sync.Map

// within says whether a key is that of a scope or of one below it.
func within(scope, key string) bool { return key == scope || strings.HasPrefix(key, scope+"/") }
