package decision

import (
	"slices"

	"midas/internal/rbac"
)

// subject is what the directory knows of the subject of a question.
type subject struct {
	known      bool        // it exists and is enabled
	typ        string      // User or ServicePrincipal
	groups     []string    // those that count for role assignments
	everywhere rbac.Caller // the subject with these groups and those of the directory, which deny assignments apply to
}

// granted reports whether a role assignment to a principal counts for the subject.
func (s *subject) granted(principal string) bool {
	return principal == s.everywhere.ObjectID || len(s.groups) == len(s.everywhere.Groups) || slices.Contains(s.groups, principal)
}
