package graph_test

import "testing"

// Opaque values are returned as they were sent, so invalid UTF-8 would make the response invalid JSON.
func TestBodiesAreUTF8(t *testing.T) {
	s := populated(t)
	s.want(t, 400, "ga", "PATCH", "applications/{a}", "{\"info\":{\"logoUrl\":\"\xff\"}}")
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"info":{"logoUrl":"é"}}`)
}
