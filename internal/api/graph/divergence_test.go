package graph_test

import "testing"

// Clients get the user's own rights, whatever was delegated to them; see docs/azure-divergences.md.
func TestDelegatedPermissionsDoNotNarrow(t *testing.T) {
	s := populated(t)
	c := s.callers["ga"]
	c.Scopes = "User.Read"
	s.callers["ga by a client"] = c
	s.want(t, 204, "ga by a client", "PATCH", "users/{u}", `{"jobTitle":"Lead"}`)
	s.want(t, 200, "ga by a client", "GET", "applications", "")
}
