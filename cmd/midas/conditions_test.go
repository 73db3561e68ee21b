package main

import "testing"

// TestPageOnConditionsComesTrue runs the commands of docs/conditions.md, as TestPageOnExplainComesTrue does.
func TestPageOnConditionsComesTrue(t *testing.T) { runPage(t, "../../docs/conditions.md") }
