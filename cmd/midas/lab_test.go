package main

import (
	"os"
	"path/filepath"
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

// The commands of the page about the laboratory print what the page shows.
func TestPageOnTheLaboratoryComesTrue(t *testing.T) {
	runPage(t, "../../docs/lab.md", "--lab", "--store", "memory:")
}

func TestLabCommandsNeedALaboratory(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	for _, args := range [][]string{{"status"}, {"clock", "--advance", "1h"}, {"fault", "add", "--preset", "throttled"}, {"fault", "delete", "x"}, {"delay", "--none"}, {"reset"}, {"capture"}} {
		refused(t, data, "start it with --lab", append([]string{"lab"}, args...)...)
	}
}
