package main

import "testing"

// The commands of the pages about locks and deny assignments print what the pages show.
func TestPageOnLocksComesTrue(t *testing.T)           { runPage(t, "../../docs/locks.md") }
func TestPageOnDenyAssignmentsComesTrue(t *testing.T) { runPage(t, "../../docs/deny-assignments.md") }
