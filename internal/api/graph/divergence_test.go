package graph_test

import "testing"

// Values that are kept as they are written would come back as what no JSON reader takes.
func TestBodiesAreUTF8(t *testing.T) {
	s := populated(t)
	s.want(t, 400, "ga", "PATCH", "applications/{a}", "{\"info\":{\"logoUrl\":\"\xff\"}}")
	s.want(t, 204, "ga", "PATCH", "applications/{a}", `{"info":{"logoUrl":"é"}}`)
}
