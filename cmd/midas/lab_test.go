package main

import (
	"os"
	"strings"
	"testing"

	"midas"
)

// The values in the help and in the docs must be those of a server with --lab.
func TestWellKnownValuesAreDocumented(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	help := serveCommand{}.Help()
	for _, known := range []struct{ name, value string }{
		{"tenant", midas.LabTenantID}, {"subscription", midas.LabSubscriptionID}, {"client", midas.LabClientID},
		{"client secret", midas.LabClientSecret}, {"user", midas.LabUserName}, {"password", midas.LabUserPassword},
	} {
		var shown string
		for line := range strings.Lines(help) {
			if value, found := strings.CutPrefix(line, "  "+known.name+"  "); found {
				shown = strings.TrimSpace(value)
			}
		}
		if shown != known.value {
			t.Errorf("the help shows %q as the %s, want %q", shown, known.name, known.value)
		}
		if row := "| " + known.name + " | `" + known.value + "` |\n"; !strings.Contains(string(manual), row) {
			t.Errorf("docs/operations.md lacks the row %s", row)
		}
	}
}
