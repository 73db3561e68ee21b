package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts, and tests that need a process of its own, run this test binary as midas or as another program.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"midas": main, "fetch": fetch, "workload": podProgram})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true})
}
