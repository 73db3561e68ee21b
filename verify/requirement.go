package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Requirement is what a service demands of a good token. A service that requires nothing accepts every identity,
// application and user of the tenant that can get a token for its audience.
type Requirement struct {
	words  string
	met    func(*Claims) bool
	scopes []string
	valid  bool // it names at least one role or scope if it is about these
}

func (r Requirement) apply(s *settings) error {
	if !r.valid {
		return errors.New("a requirement names no role, no scope and no other requirement")
	}
	s.requirements = append(s.requirements, r)
	return nil
}

// check returns a *RequirementError if the claims do not meet the requirement.
func (r Requirement) check(c *Claims) error {
	if r.valid && r.met(c) {
		return nil
	}
	return &RequirementError{Requirement: r.words, Scopes: r.scopes}
}

// RequireApplication accepts applications and managed identities only: a token without a user.
func RequireApplication() Requirement {
	return Requirement{words: "a token of an application or a managed identity", valid: true, met: func(c *Claims) bool { return c.Application }}
}

// RequireUser accepts only clients that act for a user.
func RequireUser() Requirement {
	return Requirement{words: "a token of a user", valid: true, met: func(c *Claims) bool { return c.User && !c.Application }}
}

// RequireAnyRole accepts callers with at least one of the app roles. In a token of a user these are the roles of the
// user, whatever client the user has let in; require a scope, too, to limit the client.
func RequireAnyRole(roles ...string) Requirement {
	return Requirement{words: "one of the roles " + enumerate(roles), valid: named(roles), met: func(c *Claims) bool { return containsAny(c.Roles, roles) }}
}

// RequireAllRoles accepts callers with each of the app roles.
func RequireAllRoles(roles ...string) Requirement {
	return Requirement{words: "the roles " + enumerate(roles), valid: named(roles), met: func(c *Claims) bool { return containsAll(c.Roles, roles) }}
}

// RequireAnyScope accepts clients that a user has given at least one of the scopes.
func RequireAnyScope(scopes ...string) Requirement {
	return Requirement{words: "one of the scopes " + enumerate(scopes), scopes: slices.Clone(scopes), valid: named(scopes), met: func(c *Claims) bool { return containsAny(c.Scopes, scopes) }}
}

// RequireAllScopes accepts clients that a user has given each of the scopes.
func RequireAllScopes(scopes ...string) Requirement {
	return Requirement{words: "the scopes " + enumerate(scopes), scopes: slices.Clone(scopes), valid: named(scopes), met: func(c *Claims) bool { return containsAll(c.Scopes, scopes) }}
}

// AnyOf accepts callers that meet one of the requirements, such as a scope of users or a role of applications.
func AnyOf(requirements ...Requirement) Requirement {
	either := Requirement{valid: len(requirements) > 0}
	var words []string
	for _, r := range requirements {
		either.valid = either.valid && r.valid
		either.scopes = append(either.scopes, r.scopes...)
		words = append(words, r.words)
	}
	either.words = strings.Join(words, ", or ")
	either.met = func(c *Claims) bool {
		return slices.ContainsFunc(requirements, func(r Requirement) bool { return r.met(c) })
	}
	return either
}

// named reports whether there is a name and no name is empty.
func named(names []string) bool { return len(names) > 0 && !slices.Contains(names, "") }

func containsAny(have, names []string) bool {
	for _, n := range names {
		if slices.Contains(have, n) {
			return true
		}
	}
	return false
}

func containsAll(have, names []string) bool {
	for _, n := range names {
		if !slices.Contains(have, n) {
			return false
		}
	}
	return true
}

func enumerate(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(quoted, ", ")
}
