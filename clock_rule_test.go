package midas_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// machineTime lists the files and folders of the product that may use the machine's clock, with the reason. All others
// read the clock that they are given, or that of their context (package clock), so that a laboratory can move it. A limit
// of context.WithTimeout is one of the network or of a database, and always of the machine.
var machineTime = map[string]string{
	"internal/clock/":                    "it is the clock",
	"internal/store/":                    "pauses and limits of databases and of their feeds",
	"internal/cluster/":                  "pauses and limits of etcd and of its network",
	"internal/replica/":                  "leases between processes, of which a laboratory moves no clock",
	"internal/trace/":                    "spans measure what happens on the machine, and the exporter waits for a network",
	"internal/serve/":                    "connections and the buffer of the log",
	"internal/api/httpx/":                "durations of requests, lines of the log, and slow bodies",
	"internal/api/hosts/state.go":        "how long a request of the network stays open",
	"internal/bindingproxy/":             "another program, without a laboratory",
	"internal/backup/changes.go":         "a limit for a database",
	"internal/client/token.go":           "a pause of the command line",
	"internal/outbound/dialer.go":        "a limit of the network",
	"internal/federation/watchedfile.go": "compares times of files, which the machine sets",
	"internal/revocation/lists.go":       "rests as long as making a list has cost",
	"internal/activity/trim.go":          "how often replicas, of which a laboratory moves no clock, count anew",
	"internal/directory/unlink.go":       "a pause after a failure of the store",
	"internal/installation/follow.go":    "a pause after a failure of the store",
	"internal/token/rotation.go":         "pauses after failures of the store; keys age by the clock",
	"internal/fleet/watch.go":            "a pause after a failure of the store",
	"internal/fleet/follow.go":           "a pause after a failure of the store",
	"internal/resource/run.go":           "pauses after failures of the store, and for other replicas; sweeps follow the clock",
	"internal/identity/writers.go":       "how long a request stays in flight",
	"internal/agent/":                    "back-off and limits of the network; tokens and certificates follow Config.Now",
	"internal/lab/":                      "shows both clocks, measures a reset, and delays answers of the network",
	"backup.go":                          "a command without a server",
	"check.go":                           "a command without a server",
	"commands.go":                        "commands without a server",
	"embedded_cluster.go":                "the certificates of the cluster, of which a laboratory moves no clock",
	"master.go":                          "a command without a server",
	"masterkey.go":                       "a command of the operator, which may fail",
	"midas.go":                           "durations of requests",
	"reseal.go":                          "a command without a server",
	"scratch.go":                         "compares times of files, which the machine sets",
	"joiner.go":                          "compares the clock of the machine with that of the cluster",
	"internal/state/":                    "a client of the server, with pauses of its own",
	"restore.go":                         "a command without a server",
}

func TestProductReadsOneClock(t *testing.T) {
	used := map[string]bool{}
	clocks := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
	tests := func(dir string) bool {
		at, _, known := find(filepath.ToSlash(dir))
		return known && layers[at].name == "tests"
	}
	look := func(path string) error {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := call.X.(*ast.Ident)
			if !ok || pkg.Name != "time" || !slices.Contains(clocks, call.Sel.Name) {
				return true
			}
			for allowed := range machineTime {
				if path == allowed || strings.HasSuffix(allowed, "/") && strings.HasPrefix(path, allowed) {
					used[allowed] = true
					return true
				}
			}
			t.Errorf("%s uses time.%s: read the clock of the server (package clock), or give the reason in machineTime", path, call.Sel.Name)
			return true
		})
		return nil
	}
	for _, root := range []string{".", "internal"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (root == "." && path != "." || tests(path) || d.Name() == "testdata"):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			return look(filepath.ToSlash(path))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for allowed, reason := range machineTime {
		if reason == "" || !used[allowed] {
			t.Errorf("machineTime has %s, which does not use the machine's clock any more", allowed)
		}
	}
}
