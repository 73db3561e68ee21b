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

// Values that are kept as they are written would come back as what no JSON reader takes.
func TestBodiesAreUTF8(t *testing.T) {
	s := populated(t)
	s.want(t, 400, "ga", "PATCH", "applications/{a}", "{\"info\":{\"logoUrl\":\"\xff\"}}")
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"info":{"logoUrl":"é"}}`)
}
