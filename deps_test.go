package midas_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport says which of our packages each of our packages may import, its tests apart. Imports
// point down: command, server, faces, domain, foundation. The faces are strangers to each other, so
// that each can one day run as its own process. A package that is not listed here fails the test:
// whoever adds one decides where it stands.
var mayImport = map[string]string{
	// foundation
	"internal/arm":          "",
	"internal/azure":        "internal/arm",
	"internal/atomicfile":   "",
	"internal/clock":        "",
	"internal/retention":    "internal/clock internal/store",
	"internal/odata":        "",
	"internal/store":        "",
	"internal/store/pebble": "internal/store",
	"internal/throttle":     "",
	"internal/seal":         "",
	"internal/peer":         "",
	"internal/serve":        "",

	"internal/store/storetest": "internal/store internal/store/pebble",
	"internal/localca":         "internal/arm internal/atomicfile internal/clock",
	"internal/truststore":      "internal/atomicfile",
	"internal/proxy":           "internal/arm internal/azure",
	"internal/child":           "",
	"internal/datadir":         "internal/atomicfile",
	"internal/token":           "internal/arm internal/store internal/retention internal/clock",
	"internal/host":            "",
	"internal/agent":           "internal/arm internal/atomicfile internal/clock internal/host",

	// domain
	"internal/activity":  "internal/arm internal/odata internal/store internal/retention internal/throttle",
	"internal/directory": "internal/arm internal/store internal/throttle internal/clock",
	"internal/grant":     "internal/arm internal/store internal/retention internal/throttle",
	"internal/rbac":      "internal/activity internal/arm internal/odata internal/store",
	"internal/resource":  "internal/activity internal/arm internal/odata internal/seal internal/store internal/retention",
	"internal/identity":  "internal/activity internal/arm internal/directory internal/resource internal/store",
	"internal/compute":   "internal/activity internal/arm internal/identity internal/resource internal/store",
	"internal/fleet":     "internal/activity internal/arm internal/host internal/identity internal/localca internal/resource internal/store internal/retention internal/clock",
	"internal/bootstrap": "internal/activity internal/arm internal/datadir internal/directory internal/rbac internal/resource internal/store internal/throttle",

	// faces
	"internal/api/httpx":           "internal/azure",
	"internal/ops":                 "internal/api/httpx",
	"internal/control":             "internal/api/httpx",
	"internal/api/graph":           "internal/api/httpx internal/arm internal/azure internal/directory internal/store internal/throttle internal/token",
	"internal/api/login":           "internal/api/httpx internal/arm internal/azure internal/directory internal/grant internal/store internal/throttle internal/token internal/clock",
	"internal/api/hosts":           "internal/api/httpx internal/directory internal/fleet internal/host internal/identity internal/store internal/token",
	"internal/api/metadata":        "internal/api/httpx internal/arm internal/host internal/clock",
	"internal/api/management/wire": "internal/activity internal/arm internal/directory internal/fleet internal/host internal/identity internal/odata internal/rbac internal/resource",
	"internal/api/management":      "internal/activity internal/api/httpx internal/api/management/wire internal/arm internal/azure internal/compute internal/directory internal/fleet internal/identity internal/odata internal/rbac internal/resource internal/store internal/token",

	// server and commands
	"midas": "internal/activity internal/agent internal/api/graph internal/api/hosts internal/api/httpx internal/api/login internal/api/management internal/api/metadata internal/arm internal/atomicfile internal/azure internal/bootstrap internal/compute internal/control internal/datadir internal/directory internal/fleet internal/grant internal/host internal/identity internal/localca internal/ops internal/peer internal/rbac internal/resource internal/seal internal/serve internal/store internal/store/pebble internal/throttle internal/token internal/retention",

	"internal/admin": "internal/arm",

	"cmd/midas": "midas internal/admin internal/azure internal/child internal/proxy internal/truststore",
	"midastest": "midas",
	"bench":     "internal/localca internal/store internal/store/pebble",

	// tests only: nothing that is built may import them
	"internal/oracle":          "",
	"internal/clock/clocktest": "",
	"witness":                  "midas midastest",
}

// foreign says which of our packages may import which modules of others; the rest of the house has
// the standard library.
var foreign = map[string]string{
	"github.com/alecthomas/kong":                                 "cmd/midas",
	"github.com/cockroachdb/pebble/v2":                           "internal/store/pebble",
	"github.com/go-jose/go-jose/v4":                              "internal/token",
	"github.com/google/uuid":                                     "midas internal/bootstrap cmd/midas",
	"github.com/prometheus/client_golang":                        "internal/api/hosts internal/api/httpx internal/ops midas",
	"go.yaml.in/yaml/v3":                                         "midas",
	"golang.org/x/crypto":                                        "internal/directory",
	"golang.org/x/sync":                                          "midas internal/agent internal/store/storetest internal/token",
	"golang.org/x/text":                                          "internal/directory",
	"github.com/google/go-cmp":                                   "internal/store/storetest",
	"pgregory.net/rapid":                                         "internal/store/storetest",
	"github.com/Azure/azure-sdk-for-go/sdk":                      "",
	"github.com/santhosh-tekuri/jsonschema/v6":                   "internal/oracle",
	"github.com/rogpeppe/go-internal":                            "",
	"go.uber.org/goleak":                                         "",
	"github.com/coreos/go-oidc/v3":                               "",
	"github.com/smallstep/pkcs7":                                 "internal/localca",
	"golang.org/x/sys":                                           "internal/child internal/clock",
	"google.golang.org/protobuf":                                 "",
	"github.com/prometheus/client_model":                         "",
	"github.com/AzureAD/microsoft-authentication-library-for-go": "",
}

type listed struct {
	ImportPath, Name string
	Imports          []string
}

// list asks the Go tool for our packages.
func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Imports", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// short is a package's path below the module.
func short(path string) string { return strings.TrimPrefix(path, "midas/") }

func ours(path string) bool { return path == "midas" || strings.HasPrefix(path, "midas/") }

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t) {
		row, known := mayImport[short(p.ImportPath)]
		if !known {
			t.Errorf("%s is not in the table of deps_test.go: decide what it may import", short(p.ImportPath))
			continue
		}
		allowed := strings.Fields(row)
		for _, imported := range p.Imports {
			if ours(imported) && !slices.Contains(allowed, short(imported)) {
				t.Errorf("%s imports %s, which the table of deps_test.go does not allow", short(p.ImportPath), short(imported))
			}
			if !ours(imported) && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				checkForeign(t, short(p.ImportPath), imported)
			}
		}
	}
}

func checkForeign(t *testing.T, pkg, imported string) {
	t.Helper()
	for module, users := range foreign {
		if imported == module || strings.HasPrefix(imported, module+"/") {
			if !slices.Contains(strings.Fields(users), pkg) {
				t.Errorf("%s imports %s, which is for %q only", pkg, imported, users)
			}
			return
		}
	}
	t.Errorf("%s imports %s, a module that the table of deps_test.go does not know", pkg, imported)
}

// The table itself must keep the rules that it is there to keep.
func TestTableKeepsTheDirection(t *testing.T) {
	face := func(pkg string) bool {
		return strings.HasPrefix(pkg, "internal/api/") && pkg != "internal/api/httpx"
	}
	for pkg, row := range mayImport {
		for imported := range strings.FieldsSeq(row) {
			if _, known := mayImport[imported]; !known {
				t.Errorf("%s may import %s, which has no row", pkg, imported)
			}
			if slices.Contains(strings.Fields(mayImport[imported]), pkg) {
				t.Errorf("%s and %s may import each other", pkg, imported)
			}
			if face(pkg) && face(imported) && !strings.HasPrefix(imported, pkg+"/") {
				t.Errorf("the face %s may import the face %s", pkg, imported)
			}
			if face(imported) && pkg != "midas" && !strings.HasPrefix(imported, pkg+"/") {
				t.Errorf("%s may import the face %s", pkg, imported)
			}
		}
	}
}
