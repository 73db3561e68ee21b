package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midas"
)

// TestUnitsHaveFlagsOfThisCommandLine parses the commands of the systemd units with midas' own parser, with the
// options that their environment files set or suggest, and reads the configuration file of the package.
func TestUnitsHaveFlagsOfThisCommandLine(t *testing.T) {
	const folder = "../../packaging/deb"
	units, err := filepath.Glob(filepath.Join(folder, "*.service"))
	if err != nil || len(units) != 2 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	command := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/midas (.*)$`)
	options := regexp.MustCompile(`(?m)^#?MIDAS_AGENT_OPTIONS=(.*)$`)
	environment := read(t, folder, "agent.env")
	for _, unit := range units {
		found := command.FindStringSubmatch(read(t, unit))
		if found == nil {
			t.Errorf("%s runs no midas", unit)
			continue
		}
		for _, o := range options.FindAllStringSubmatch(environment, -1) {
			line := strings.ReplaceAll(found[1], "$MIDAS_AGENT_OPTIONS", o[1])
			if _, err := newParser(io.Discard, io.Discard).Parse(strings.Fields(line)); err != nil {
				t.Errorf("%s: midas %s: %v", unit, line, err)
			}
		}
	}
	checkConfig(t, filepath.Join(folder, "midas.yaml"))
	suggested := strings.ReplaceAll(read(t, folder, "midas.yaml"), "listen: localhost:8443\n", "")
	suggested = regexp.MustCompile(`(?m)^#(\w+: )`).ReplaceAllString(suggested, "$1")
	file := filepath.Join(t.TempDir(), "midas.yaml")
	if err := os.WriteFile(file, []byte(suggested), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg := checkConfig(t, file); cfg.Origin == "" || cfg.Ops == "" {
		t.Errorf("the suggested settings are not read: %+v", cfg)
	}
	checkVariables(t, regexp.MustCompile(`MIDAS_\w+`).FindAllString(read(t, folder, "midas.env"), -1))
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkConfig reads a configuration file as midas serve does.
func checkConfig(t *testing.T, path string) midas.Config {
	t.Helper()
	cfg, err := midas.ReadConfig(path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return cfg
}

// checkVariables reports variables that set no flag of midas serve.
func checkVariables(t *testing.T, names []string) {
	t.Helper()
	if len(names) == 0 {
		t.Error("no variables")
	}
	for _, name := range names {
		known := false
		for _, command := range newParser(io.Discard, io.Discard).Model.Children {
			for _, flag := range command.Flags {
				for _, env := range flag.Envs {
					known = known || command.Name == "serve" && env == name
				}
			}
		}
		if !known {
			t.Errorf("midas serve knows no variable %s", name)
		}
	}
}
