package main

import (
	"context"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"midas/internal/client"
)

// TestMain lets scripts, and tests that need a process of its own, run this test binary as midas or as another program.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"midas": main, "fetch": fetch, "workload": podProgram})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitready": waitReady},
	})
}

// waitReady waits until the server of the script's folder d has opened the socket for commands, which it does last.
func waitReady(ts *testscript.TestScript, _ bool, _ []string) {
	for range 600 {
		if admin, err := client.Open(ts.MkAbs("d")); err == nil {
			if _, err := admin.Server(context.Background()); err == nil {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("the server is not ready")
}
